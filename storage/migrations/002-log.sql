-- Change log, outbox and audit record at once. A stream is (scope, shard, epoch), dense in n from 1.
create table if not exists log (
  scope text not null,
  shard int4 not null,
  epoch int8 not null,
  n int8 not null,
  operation text not null,
  what text not null,
  who text not null,
  at timestamptz not null,
  changes jsonb not null,
  messages jsonb,
  primary key (scope, shard, epoch, n)
);

create index if not exists log_outbox on log (scope, shard, epoch, n) where messages is not null;

-- How far an ended stream got, so that its end is no hole.
create table if not exists log_end (
  scope text not null,
  shard int4 not null,
  epoch int8 not null,
  n int8 not null,
  primary key (scope, shard, epoch)
);

create table if not exists log_cursor (
  consumer text not null,
  scope text not null,
  shard int4 not null,
  epoch int8 not null,
  n int8 not null,
  primary key (consumer, scope, shard)
);

-- One row a group: what decides about a commit whose answer was lost.
create table if not exists commit_group (
  id text not null primary key,
  outcome text not null,
  at timestamptz not null
);

create index if not exists commit_group_at on commit_group (at);
