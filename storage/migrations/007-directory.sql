-- What every site has its own copy of, and what must be unique over all sites.
create table if not exists directory (
  scope text not null,
  key text not null,
  owner text not null,
  version int8 not null,
  prev int8 not null,
  released boolean not null,
  body jsonb,
  changed timestamptz not null,
  released_at timestamptz,
  constraint directory_whole check (released = (body is null)),
  primary key (scope, key)
);

create index if not exists directory_owner on directory (scope, owner) where not released;

create index if not exists directory_released on directory (released_at) where released;

create table if not exists claim (
  scope text not null,
  key text not null,
  owner text not null,
  version int8 not null,
  prev int8 not null,
  released boolean not null,
  body jsonb,
  changed timestamptz not null,
  released_at timestamptz,
  constraint claim_whole check (released = (body is null)),
  primary key (scope, key)
);

create index if not exists claim_owner on claim (scope, owner) where not released;

create index if not exists claim_released on claim (released_at) where released;
