-- What the allocator's index reads of every machine of a partition. Beside the body, so that neither a long body has to be
-- fetched nor its JSON be searched; computed by the server, so that a process of the version before writes them, too.
alter table machine
  add column if not exists size text generated always as (body ->> 'size') stored,
  add column if not exists rack text generated always as (body ->> 'rack') stored,
  add column if not exists waiting boolean generated always as ((body ->> 'waiting') = 'true') stored,
  add column if not exists state_value text generated always as (body -> 'state' ->> 'value') stored;

alter table allocation
  add column if not exists uuid text generated always as (body ->> 'uuid') stored,
  add column if not exists role text generated always as (body ->> 'role') stored,
  add column if not exists tags jsonb generated always as (body -> 'tags') stored;

alter table provisioning
  add column if not exists liveliness text generated always as (body ->> 'liveliness') stored;
