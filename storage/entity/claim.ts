import type { Entity } from './entity.ts';

/**
 * Claimed prefixes are disjoint, whatever site they belong to. Only what a site promised to another one may overlap what it
 * keeps for the same network: it replaces that. A site has few claims, and they are seldom written, so all are looked at.
 * Rows that the statement writes count as they will be. Families never overlap.
 */
const overlap = (rows: string): string => `exists (
    select 1 from (
      select r.scope, r.key, r.body::jsonb ->> 'holder' as holder, r.body::jsonb ->> 'state' as state,
        case when r.body::jsonb ->> 'what' = 'prefix' then (r.body::jsonb ->> 'value')::inet end as cidr
      from ${rows} r where not r.released) added
    join (
      select c.scope, c.key, c.body ->> 'holder' as holder, c.body ->> 'state' as state, c.cidr from claim c
      where not c.released and c.cidr is not null
        and not exists (select 1 from ${rows} own where own.scope = c.scope and own.key = c.key)
      union all
      select r.scope, r.key, r.body::jsonb ->> 'holder', r.body::jsonb ->> 'state',
        case when r.body::jsonb ->> 'what' = 'prefix' then (r.body::jsonb ->> 'value')::inet end
      from ${rows} r where not r.released) other
    on other.scope = added.scope and other.key <> added.key and other.cidr && added.cidr
    where other.holder <> added.holder or (other.state = 'owned' and added.state = 'owned'))`;

/** The key says what is claimed, so the primary key is the first rule: a thing is claimed once. */
export const claim: Entity<'claim'> = {
  table: 'claim',
  columns: [],
  values: () => [],
  refusedWhen: overlap,
};
