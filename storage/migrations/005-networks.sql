-- Networks and what is cut from them. Addresses are bytea, big endian, 4 or 16 bytes: both engines order those alike.
create table if not exists network (
  scope text not null,
  key text not null,
  owner text not null,
  version int8 not null,
  prev int8 not null,
  released boolean not null,
  body jsonb,
  changed timestamptz not null,
  released_at timestamptz,
  project text,
  constraint network_whole check (released = (body is null)),
  primary key (scope, key)
);

create index if not exists network_owner on network (scope, owner) where not released;

create index if not exists network_released on network (released_at) where released;

create index if not exists network_project on network (project) where not released;

create table if not exists prefix (
  scope text not null,
  key text not null,
  owner text not null,
  version int8 not null,
  prev int8 not null,
  released boolean not null,
  body jsonb,
  changed timestamptz not null,
  released_at timestamptz,
  root text,
  first bytea,
  last bytea,
  constraint prefix_whole check (released = (body is null)),
  primary key (scope, key)
);

create index if not exists prefix_owner on prefix (scope, owner) where not released;

create index if not exists prefix_released on prefix (released_at) where released;

-- A top-level prefix starts where its first child does, so it is left out.
create unique index if not exists prefix_live_first on prefix (scope, root, first) where not released and root <> key;

create table if not exists ip (
  scope text not null,
  key text not null,
  owner text not null,
  version int8 not null,
  prev int8 not null,
  released boolean not null,
  body jsonb,
  changed timestamptz not null,
  released_at timestamptz,
  network text,
  address bytea,
  project text,
  constraint ip_whole check (released = (body is null)),
  primary key (scope, key)
);

create index if not exists ip_owner on ip (scope, owner) where not released;

create index if not exists ip_released on ip (released_at) where released;

-- The last line behind the actors: over all partitions of this site, and one meaning of an address in each.
create unique index if not exists ip_live_network on ip (network, address) where not released;

create unique index if not exists ip_live_address on ip (address, scope) where not released;

create index if not exists ip_project on ip (project) where not released;

create table if not exists pool (
  scope text not null,
  key text not null,
  owner text not null,
  version int8 not null,
  prev int8 not null,
  released boolean not null,
  body jsonb,
  changed timestamptz not null,
  released_at timestamptz,
  constraint pool_whole check (released = (body is null)),
  primary key (scope, key)
);

create index if not exists pool_owner on pool (scope, owner) where not released;

create index if not exists pool_released on pool (released_at) where released;
