// Raising epochs. Each raise is one statement, so one serializable transaction that is never idle. It reads the log's tail
// of every stream that it ends: each late group of it writes where that read, and conflicts, even if nothing was loaded yet.
import { randomUUID } from 'node:crypto';
import type { Scope } from '../actors/address.ts';
import type { Fence } from '../actors/ports.ts';
import { conflict, type Refusal } from '../actors/refusal.ts';
import { arrayLiteral } from './array.ts';
import { resolveGroup } from './commit.ts';
import { toStatementFailure } from './driver/failure.ts';
import type { Pool } from './driver/pool.ts';
import { retrying } from './retry.ts';
import { fenceParameters } from './statement.ts';

const tail = (stream: string): string =>
  `coalesce((select max(l.n) from log l where l.scope = ${stream}.scope and l.shard = ${stream}.shard and l.epoch = ${stream}.epoch), 0)`;

export const NEXT_EPOCHS = `select o.scope, max(o.epoch) + 1 as epoch from ownership o where o.scope = any($1::text[]) group by o.scope`;

/**
 * `$1`–`$4` the fences held, `$5` the epochs to raise them to, `$6` a group id. `held` 0: another epoch stands there now.
 * `fits` 0: the scope has seen an epoch as high meanwhile.
 */
export const RAISE = `with fence as (
  select count(*) as held from ownership o, unnest($1::text[], $2::int4[], $3::int8[]) as p (scope, shard, epoch)
  where o.scope = p.scope and o.shard = p.shard and o.epoch = p.epoch
), ok as (select 1 as one from fence where held = $4::int8),
fits as (
  select 1 as one from ok where not exists (
    select 1 from ownership o, unnest($1::text[], $5::int8[]) as p (scope, epoch) where o.scope = p.scope and o.epoch >= p.epoch)
), grouped as (
  insert into commit_group (id, outcome, at) select $6::text, 'done', clock_timestamp() from fits
), ended as (
  insert into log_end (scope, shard, epoch, n) select p.scope, p.shard, p.epoch, ${tail('p')}
  from fits, unnest($1::text[], $2::int4[], $3::int8[]) as p (scope, shard, epoch)
), raised as (
  insert into ownership as t (scope, shard, epoch) select p.scope, p.shard, p.epoch
  from fits, unnest($1::text[], $2::int4[], $5::int8[]) as p (scope, shard, epoch)
  on conflict (scope, shard) do update set epoch = excluded.epoch
)
select (select count(*) from ok)::int4 as held, (select count(*) from fits)::int4 as fits`;

/**
 * Raises the epochs of one shard's own rows above every epoch of their scopes; a Conflict when they are not ours any more. A raise whose answer is lost is resolved
 * like a group: taking its own success for another owner's would end a healthy shard.
 */
export async function raiseEpochs(pool: Pool, held: readonly Fence[], deadlineMs: number): Promise<Fence[] | Refusal> {
  if (held.length === 0) return [];
  const end = performance.now() + deadlineMs;
  const left = (): number => Math.max(1, end - performance.now());
  const scopes = [...new Set(held.map((fence) => fence.scope))];
  for (;;) {
    const id = randomUUID();
    const next = await retrying(
      (deadlineMs) => pool.run<{ scope: Scope; epoch: number }>(NEXT_EPOCHS, [arrayLiteral(scopes)], { deadlineMs }),
      { deadlineMs: left(), on: ['retry', 'unsent', 'unknown'] },
    );
    const epochs = new Map(next.map((row) => [row.scope, row.epoch]));
    const raised = held.map((fence) => ({ ...fence, epoch: epochs.get(fence.scope) ?? fence.epoch + 1 }));
    const parameters = [...fenceParameters(held), arrayLiteral(raised.map((fence) => fence.epoch)), id];
    try {
      const [answer] = await retrying(
        (deadlineMs) => pool.run<{ held: number; fits: number }>(RAISE, parameters, { deadlineMs }),
        { deadlineMs: left(), on: ['retry', 'unsent'] },
      );
      if (answer?.held !== 1)
        return conflict(`the epoch can't be raised: another process is the owner of ${scopes.join(', ')} now`);
      if (answer.fits === 1) return raised;
    } catch (error) {
      const failure = toStatementFailure(error);
      if (failure.kind !== 'unknown') throw failure;
      const resolution = await resolveGroup(pool, id, left());
      if (resolution.outcome === 'committed') return raised;
      if (resolution.outcome === 'unreachable') throw failure;
    }
  }
}

/**
 * All rows of the scopes, also those of shards that this process does not have: a predecessor with more of them must not
 * write either. `$1` scopes, `$2` shards (0 … n - 1), `$3` site and `$4` process whose lease must be valid, '' for no proof.
 */
export const TAKE_OVER = `with holds as (
  select 1 as one where $4::text = '' or exists (
    select 1 from lease where site = $3::text and process = $4::text and expires > clock_timestamp())
), top as (
  select p.scope, coalesce(max(o.epoch), 0) + 1 as epoch
  from holds, unnest($1::text[]) as p (scope) left join ownership o on o.scope = p.scope group by p.scope
), ended as (
  insert into log_end (scope, shard, epoch, n) select o.scope, o.shard, o.epoch, ${tail('o')}
  from ownership o, top where o.scope = top.scope
  on conflict (scope, shard, epoch) do nothing
), wanted as (
  select top.scope, s.shard, top.epoch from top, unnest($2::int4[]) as s (shard)
  union select o.scope, o.shard, top.epoch from ownership o, top where o.scope = top.scope
)
insert into ownership as t (scope, shard, epoch) select wanted.scope, wanted.shard, wanted.epoch from wanted
on conflict (scope, shard) do update set epoch = excluded.epoch returning t.scope, t.shard, t.epoch`;

/** Fences in the order of the scopes, then by shard. `holder`: whose lease must be valid in the same transaction; nothing when it is not. */
export async function takeOwnership(
  pool: Pool,
  scopes: readonly Scope[],
  shards: number,
  holder: { site: string; process: string } | undefined,
): Promise<Fence[]> {
  const own = Array.from({ length: shards }, (_, shard) => shard);
  const rows = await pool.run<Fence>(TAKE_OVER, [
    arrayLiteral([...new Set(scopes)]),
    arrayLiteral(own),
    holder?.site ?? '',
    holder?.process ?? '',
  ]);
  return rows
    .filter((row) => row.shard < shards)
    .map(({ scope, shard, epoch }) => ({ scope, shard, epoch }))
    .sort((a, b) => scopes.indexOf(a.scope) - scopes.indexOf(b.scope) || a.shard - b.shard);
}
