-- A plant's machines. An allocation has its machine's key: a machine has at most one.
-- `changed` stays out of every index, so that an update of a live row need not touch them.
create table if not exists machine (
  scope text not null,
  key text not null,
  owner text not null,
  version int8 not null,
  prev int8 not null,
  released boolean not null,
  body jsonb,
  changed timestamptz not null,
  released_at timestamptz,
  constraint machine_whole check (released = (body is null)),
  primary key (scope, key)
);

create index if not exists machine_owner on machine (scope, owner) where not released;

create index if not exists machine_released on machine (released_at) where released;

create table if not exists allocation (
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
  constraint allocation_whole check (released = (body is null)),
  primary key (scope, key)
);

create index if not exists allocation_owner on allocation (scope, owner) where not released;

create index if not exists allocation_released on allocation (released_at) where released;

create index if not exists allocation_project on allocation (project) where not released;

create table if not exists provisioning (
  scope text not null,
  key text not null,
  owner text not null,
  version int8 not null,
  prev int8 not null,
  released boolean not null,
  body jsonb,
  changed timestamptz not null,
  released_at timestamptz,
  constraint provisioning_whole check (released = (body is null)),
  primary key (scope, key)
);

create index if not exists provisioning_owner on provisioning (scope, owner) where not released;

create index if not exists provisioning_released on provisioning (released_at) where released;
