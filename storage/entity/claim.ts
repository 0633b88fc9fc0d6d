import type { Entity } from './entity.ts';

/** Around and before a row in this order lie all that it may lie in. Over all rows: which of two equal ones is first. */
const BY_PLACE = 'partition by scope order by first, last desc, key rows between unbounded preceding and';

/**
 * Claimed prefixes are disjoint, whatever site they belong to. Only what a site promised to another one may overlap what it
 * keeps for the same network: it replaces that. Rows that the statement writes count as they will be. Families never overlap.
 *
 * What meets what is told by order, not pair by pair: one network may bring hundreds of prefixes, to thousands of a site. Of two
 * prefixes that overlap one lies in the other, so a heap of them is a largest one with all that lies in it, and holds of one
 * network only; that two owned ones meet shows in the furthest end of those before. `hull` spares a claim of one prefix the
 * sorting of all that are there, and no row's JSON is read twice.
 */
const overlap = (rows: string): string => `exists (
    with read as materialized (
      select r.scope, r.key, r.body::jsonb as body from ${rows} r where not r.released),
    named as materialized (
      select scope, key, body ->> 'holder' as holder, body ->> 'state' = 'owned' as owned,
        case when body ->> 'what' = 'prefix' then (body ->> 'value')::inet end as cidr
      from read),
    added as materialized (
      select scope, key, holder, owned, cidr & netmask(cidr) as first, cidr | hostmask(cidr) as last
      from named where cidr is not null),
    hull as materialized (
      select scope, min(first) as first, max(last) as last from added group by scope, family(first)),
    met as (
      select scope, key, holder, owned, first, last, true as new from added
      union all
      select c.scope, c.key, c.body ->> 'holder', c.body ->> 'state' = 'owned',
        c.cidr & netmask(c.cidr), c.cidr | hostmask(c.cidr), false
      from hull h join claim c on c.scope = h.scope
        and c.cidr & netmask(c.cidr) <= h.last and c.cidr | hostmask(c.cidr) >= h.first
      where not c.released and (c.scope, c.key) not in (select own.scope, own.key from ${rows} own)),
    placed as (
      select scope, key, holder, owned, new, first, last,
        max(last) over (${BY_PLACE} 1 preceding) as before,
        max(case when owned then last end) over (${BY_PLACE} 1 preceding) as before_owned,
        max(case when owned and new then last end) over (${BY_PLACE} 1 preceding) as before_added
      from met),
    heaped as (
      select scope, holder, new, owned and (case when new then before_owned else before_added end) >= first as twice,
        sum(case when before >= first then 0 else 1 end) over (${BY_PLACE} current row) as heap
      from placed)
    select 1 from heaped group by scope, heap
    having bool_or(twice) or (bool_or(new) and min(holder) <> max(holder)))`;

/** The key says what is claimed, so the primary key is the first rule: a thing is claimed once. */
export const claim: Entity<'claim'> = {
  table: 'claim',
  columns: [],
  values: () => [],
  refusedWhen: overlap,
};
