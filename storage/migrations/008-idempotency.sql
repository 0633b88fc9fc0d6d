-- Outcomes of requests that had an Idempotency-Key, written with what they did. The reply is JSON as it was said: jsonb
-- would give its keys back in another order, and the answer is to be the same to the byte.
create table if not exists idempotency (
  identity text not null,
  key text not null,
  request text not null,
  operation text not null,
  reply text not null,
  at timestamptz not null,
  constraint idempotency_pkey primary key (identity, key)
);

create index if not exists idempotency_at on idempotency (at);
