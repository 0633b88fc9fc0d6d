-- Switches; what changes every few seconds lies apart from the configuration.
create table if not exists switch (
  scope text not null,
  key text not null,
  owner text not null,
  version int8 not null,
  prev int8 not null,
  released boolean not null,
  body jsonb,
  changed timestamptz not null,
  released_at timestamptz,
  constraint switch_whole check (released = (body is null)),
  primary key (scope, key)
);

create index if not exists switch_owner on switch (scope, owner) where not released;

create index if not exists switch_released on switch (released_at) where released;

create table if not exists switch_status (
  scope text not null,
  key text not null,
  owner text not null,
  version int8 not null,
  prev int8 not null,
  released boolean not null,
  body jsonb,
  changed timestamptz not null,
  released_at timestamptz,
  constraint switch_status_whole check (released = (body is null)),
  primary key (scope, key)
);

create index if not exists switch_status_owner on switch_status (scope, owner) where not released;

create index if not exists switch_status_released on switch_status (released_at) where released;

create table if not exists switch_port (
  scope text not null,
  key text not null,
  owner text not null,
  version int8 not null,
  prev int8 not null,
  released boolean not null,
  body jsonb,
  changed timestamptz not null,
  released_at timestamptz,
  constraint switch_port_whole check (released = (body is null)),
  primary key (scope, key)
);

create index if not exists switch_port_owner on switch_port (scope, owner) where not released;

create index if not exists switch_port_released on switch_port (released_at) where released;
