-- Who may write (epoch), and who may try to become the owner (lease). Two tables: renewals must not conflict with commits.
create table if not exists ownership (
  scope text not null,
  shard int4 not null,
  epoch int8 not null,
  primary key (scope, shard)
);

create table if not exists lease (
  site text not null primary key,
  process text not null,
  host text not null,
  pid int4 not null,
  expires timestamptz not null
);
