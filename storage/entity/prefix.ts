import { rangeColumns } from './bytes.ts';
import { bytea, text, type Entity } from './entity.ts';

/**
 * Child prefixes of one root are disjoint. Among the rows of the statement itself each begins after the one before it has
 * ended. Stored ones are disjoint already, so the last that begins before the end of a new one is the only one that can
 * meet it; SERIALIZABLE makes that a rule over statements too.
 */
const overlap = (rows: string): string => `(exists (
    select 1 from (
      select r.first, lag(r.last) over (partition by r.scope, r.root order by r.first) as before
      from ${rows} r where not r.released and r.root <> r.key) s
    where s.before >= s.first)
  or exists (
    select 1 from ${rows} r cross join lateral (
      select p.last from prefix p
      where p.scope = r.scope and p.root = r.root and not p.released and p.root <> p.key and p.first <= r.last
        and not exists (select 1 from ${rows} own where own.scope = p.scope and own.key = p.key)
      order by p.first desc limit 1) nearest
    where not r.released and r.root <> r.key and nearest.last >= r.first))`;

export const prefix: Entity<'prefix'> = {
  table: 'prefix',
  columns: [text('root'), bytea('first'), bytea('last')],
  values: (value) => [value.root, ...rangeColumns('prefix.cidr', value.cidr)],
  refusedWhen: overlap,
};
