-- Slices of global prefixes: the home's ledger (block) and what a partition holds of it (holding).
create table if not exists global_network (
  scope text not null,
  key text not null,
  owner text not null,
  version int8 not null,
  prev int8 not null,
  released boolean not null,
  body jsonb,
  changed timestamptz not null,
  released_at timestamptz,
  constraint global_network_whole check (released = (body is null)),
  primary key (scope, key)
);

create index if not exists global_network_owner on global_network (scope, owner) where not released;

create index if not exists global_network_released on global_network (released_at) where released;

create table if not exists block (
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
  first bytea,
  constraint block_whole check (released = (body is null)),
  primary key (scope, key)
);

create index if not exists block_owner on block (scope, owner) where not released;

create index if not exists block_released on block (released_at) where released;

-- All blocks of a network have one size, so distinct first addresses make them disjoint.
create unique index if not exists block_live_first on block (network, first) where not released;

create table if not exists holding (
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
  first bytea,
  state text,
  constraint holding_whole check (released = (body is null)),
  primary key (scope, key)
);

create index if not exists holding_owner on holding (scope, owner) where not released;

create index if not exists holding_released on holding (released_at) where released;

-- A block on its way back may be given to another partition before its last row here is released.
create unique index if not exists holding_live_first on holding (network, first) where not released and state = 'held';

create table if not exists want (
  scope text not null,
  key text not null,
  owner text not null,
  version int8 not null,
  prev int8 not null,
  released boolean not null,
  body jsonb,
  changed timestamptz not null,
  released_at timestamptz,
  constraint want_whole check (released = (body is null)),
  primary key (scope, key)
);

create index if not exists want_owner on want (scope, owner) where not released;

create index if not exists want_released on want (released_at) where released;
