// Networks for operators: how full they are and why, and who holds which block of a global one.
import { isRefusal } from '../../actors/refusal.ts';
import type { BlockRecord } from '../../actors/block/record.ts';
import { hoursUntilFull } from '../../actors/network/growth.ts';
import type { RangeUsage } from '../../actors/network/usage.ts';
import type { Edge } from '../env.ts';
import { ok, route } from '../route.ts';
import { allNetworkParts, type NetworkParts } from './network-parts.ts';

type Counts = Record<'size' | 'reserved' | 'held' | 'resting' | 'free', number>;
const nothing = (): Counts => ({ size: 0, reserved: 0, held: 0, resting: 0, free: 0 });

function add(to: Counts, from: Counts): void {
  for (const name of Object.keys(to) as Array<keyof Counts>) to[name] += from[name];
}

/** Sums of what the sites told, by prefix, by partition, and in all. */
export function usageOf(network: string, { parts, ledger, unreachable }: NetworkParts) {
  const total = nothing();
  const byPrefix = new Map<string, Counts>();
  for (const { ranges } of parts) {
    for (const range of ranges) {
      add(total, range);
      const prefix = byPrefix.get(range.prefix) ?? nothing();
      add(prefix, range);
      byPrefix.set(range.prefix, prefix);
    }
  }
  // What no partition holds is free at the home.
  for (const { prefix, freeAddresses: free, reservedAddresses: reserved } of ledger?.spare ?? []) {
    const spare = { ...nothing(), size: free + reserved, reserved, free };
    add(total, spare);
    const counts = byPrefix.get(prefix) ?? nothing();
    add(counts, spare);
    byPrefix.set(prefix, counts);
  }
  const sum = (of: (part: NetworkParts['parts'][number]) => number): number =>
    parts.reduce((all, part) => all + of(part), 0);
  const watched = parts.flatMap(({ growth }) => (growth === null ? [] : [growth]));
  const growth =
    watched.length === 0
      ? null
      : {
          perDay: watched.reduce((all, { perDay }) => all + perDay, 0),
          overHours: Math.min(...watched.map(({ overHours }) => overHours)),
        };
  const hours = hoursUntilFull(total.free, growth);
  return {
    network,
    ...total,
    inOperation: sum(({ inOperation }) => inOperation),
    lent: sum(({ lent }) => lent),
    growth,
    /** At this rate; null: it does not fill, or was not watched for ten minutes yet. */
    fullInDays: hours === null ? null : hours / 24,
    prefixes: [...byPrefix].map(([prefix, counts]) => ({ prefix, ...counts })),
    children: parts.flatMap(({ children }) => children),
    blocks: ledger?.spare ?? [],
    partitions: parts.map(({ partition, ranges, inOperation, lent, borrowed, growth: own, hoursLeft }) => {
      const counts = nothing();
      for (const range of ranges) add(counts, range);
      const isGlobal = ledger !== null || ranges.some(({ prefix, range }) => prefix !== range);
      return {
        partition,
        ...counts,
        blocks: isGlobal ? ranges.length : 0,
        inOperation,
        lent,
        borrowed,
        growth: own,
        /** So long the partition can go on when it is cut off from the home, at this rate. */
        hoursLeftCutOff: isGlobal ? hoursLeft : null,
      };
    }),
    unreachable,
  };
}

/** What the holder says of its block is newer than the ledger. */
const stateOf = (range: RangeUsage | undefined, ledger: BlockRecord['state']): string =>
  range === undefined || range.open ? ledger : range.doubtful ? 'doubtful' : 'returning';

/** The blocks of a global network, by address, with what their holders say of them. */
export function blocksOf(network: string, { parts, ledger, unreachable }: NetworkParts) {
  const ranges = new Map(
    parts.flatMap(({ partition, ranges: held }) =>
      held.map((range) => [`${partition}|${range.range}`, range] as const),
    ),
  );
  const known = new Set<string>();
  const blocks = (ledger?.blocks ?? []).map(({ first, length, prefix, holder, holderSite, state }) => {
    const range = `${first}/${length}`;
    known.add(`${holder}|${range}`);
    const told = ranges.get(`${holder}|${range}`);
    return {
      block: range,
      prefix,
      partition: holder,
      site: holderSite,
      state: stateOf(told, state),
      held: told?.held ?? null,
      free: told?.free ?? null,
    };
  });
  // While the home can't be asked, what the holders say is all there is.
  const others = ledger !== null ? [] : [...ranges].filter(([name]) => !known.has(name));
  for (const [name, range] of others) {
    blocks.push({
      block: range.range,
      prefix: range.prefix,
      partition: name.slice(0, name.lastIndexOf('|')),
      site: '',
      state: stateOf(range, 'delivered'),
      held: range.held,
      free: range.free,
    });
  }
  return { network, blocks, spare: ledger?.spare ?? null, unreachable };
}

/** `GET /v2/network/{id}/usage` and `/blocks`: any site answers, with every site's part. */
export function addNetworkInsightRoutes(edge: Edge): void {
  const { site } = edge;
  for (const [what, shape] of [
    ['usage', usageOf],
    ['blocks', blocksOf],
  ] as const) {
    route(
      edge,
      { method: 'get', path: `/v2/network/:id/${what}`, role: 'view', operation: `network-${what}` },
      async ({ param, as }) => {
        const parts = await allNetworkParts(site, param('id'), as);
        return isRefusal(parts) ? parts : ok(shape(param('id'), parts));
      },
    );
  }
}
