-- Requests that were refused: they leave no entry in the log. Written in batches by the edge.
create table if not exists trace (
  id text not null primary key,
  at timestamptz not null,
  rqid text not null,
  caller text not null,
  tenant text not null,
  method text not null,
  path text not null,
  forwarded_for text not null,
  remote_addr text not null,
  status int4 not null,
  error text not null,
  body text not null
);

create index if not exists trace_at on trace (at);
