// How far a site has come: its epochs, and the ends of its log. What is behind was restored from a backup.
import type { Scope } from '../../actors/address.ts';
import type { Reading } from '../audit/rows.ts';

export interface Standing {
  epochs: Array<{ scope: Scope; epoch: number }>;
  ends: Array<{ scope: Scope; shard: number; epoch: number; n: number }>;
}

export const EPOCHS = `select scope, max(epoch)::int8 as epoch from ownership group by scope order by scope`;

/** Ends of the streams that are written now. */
export const ENDS = `select o.scope, o.shard, o.epoch, coalesce((
  select max(l.n) from log l where l.scope = o.scope and l.shard = o.shard and l.epoch = o.epoch), 0)::int8 as n
from ownership o order by o.scope, o.shard`;

export async function readStanding(tx: Reading): Promise<Standing> {
  const epochs = await tx.unsafe<Standing['epochs']>(EPOCHS);
  const ends = await tx.unsafe<Standing['ends']>(ENDS);
  return { epochs: [...epochs], ends: [...ends] };
}

const streamOf = ({ scope, shard, epoch }: Standing['ends'][number]): string => `${shard}/${epoch}/${scope}`;

/** What `known` has seen and `found` lacks, in sentences; empty: it is not behind. */
export function behind(found: Standing, known: Standing): string[] {
  const epochs = new Map(found.epochs.map(({ scope, epoch }) => [scope, epoch]));
  const ends = new Map(found.ends.map((end) => [streamOf(end), end.n]));
  return [
    ...known.epochs.flatMap(({ scope, epoch }) => {
      const there = epochs.get(scope) ?? 0;
      return there < epoch ? [`${scope} is at epoch ${there}, it was at ${epoch}`] : [];
    }),
    ...known.ends.flatMap((end) => {
      const there = ends.get(streamOf(end));
      return there !== undefined && there < end.n
        ? [`the log of ${end.scope}, shard ${end.shard}, epoch ${end.epoch} ends at ${there}, it had ${end.n} entries`]
        : [];
    }),
  ];
}

/** Of each scope the highest epoch that any of them has seen. */
export function highest(...standings: readonly Standing[]): Map<Scope, number> {
  const top = new Map<Scope, number>();
  for (const { epochs } of standings)
    for (const { scope, epoch } of epochs) top.set(scope, Math.max(top.get(scope) ?? 0, epoch));
  return top;
}

export const END_STREAMS = `insert into log_end (scope, shard, epoch, n)
select o.scope, o.shard, o.epoch, coalesce((
  select max(l.n) from log l where l.scope = o.scope and l.shard = o.shard and l.epoch = o.epoch), 0)
from ownership o where o.scope = $1::text on conflict (scope, shard, epoch) do nothing`;

export const LIFT = `update ownership set epoch = $2::int8 where scope = $1::text and epoch < $2::int8`;

export const BEGIN_ABOVE = `insert into ownership (scope, shard, epoch) values ($1::text, 0, $2::int8)`;

/**
 * Raises every epoch in the database above all of `seen`, also of scopes that it does not know (any more), so that no version
 * and no log entry from before is ever made a second time. To be called with the lease held, in a serializable transaction; a
 * takeover follows and raises once more.
 */
export async function liftEpochs(tx: Reading, seen: ReadonlyMap<Scope, number>): Promise<void> {
  const there = new Set((await tx.unsafe<Standing['epochs']>(EPOCHS)).map(({ scope }) => scope));
  for (const scope of there) {
    await tx.unsafe(END_STREAMS, [scope] as never[]);
    await tx.unsafe(LIFT, [scope, (seen.get(scope) ?? 0) + 1] as never[]);
  }
  for (const [scope, epoch] of seen) if (!there.has(scope)) await tx.unsafe(BEGIN_ABOVE, [scope, epoch + 1] as never[]);
}
