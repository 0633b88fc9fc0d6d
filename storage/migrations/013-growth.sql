-- How many addresses a network had, now and then: how fast it fills is known after a restart too. Only what changed is noted.
create table if not exists growth (
  scope text not null,
  network text not null,
  at timestamptz not null,
  held int8 not null,
  primary key (scope, network, at)
);

create index if not exists growth_at on growth (at);
