-- A claimed prefix as both engines compare it. Beside the body, so that no JSON has to be searched; computed by the server, so
-- that what is there already, and what a process of the version before writes, has it too.
alter table claim
  add column if not exists cidr inet generated always as (
    case when body ->> 'what' = 'prefix' then (body ->> 'value')::inet end
  ) stored;
