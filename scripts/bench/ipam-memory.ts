// How fast and how small the address structures are by themselves, without actors, HTTP or a database.
import { createAddressSet } from '../../actors/ipam/address-set.ts';
import type { AddressSet } from '../../actors/ipam/address-set.ts';
import { addressAt, addressBytes } from '../../actors/ipam/address.ts';
import type { Address } from '../../actors/ipam/address.ts';
import { createChildSpace, type ChildSpace } from '../../actors/ipam/child-prefixes.ts';
import { parsePrefix, size, splitAt } from '../../actors/ipam/prefix.ts';
import type { Prefix } from '../../actors/ipam/prefix.ts';
import { noChildPrefix } from '../../actors/ipam/refusal-texts.ts';
import { childrenUsage } from '../../actors/network/usage.ts';
import { median } from './report.ts';

export interface Figure {
  what: string;
  value: number;
  unit: string;
}

/** Names of the figures that have a target. */
export const RATE = 'lowest free + acquire + release in an empty /16';
export const DENSE = 'a held address, dense (/8)';
export const SPARSE = 'a held address, scattered (/64)';
export const CHILDREN = 'acquire + release of a /64 in a /32 with 200000 held';
export const LATE_TO_EARLY = 'a /64 of a /32 with 200000 held, times as long as one of the first';
export const USAGE = 'usage of a /8 with 131072 scattered children';
export const NO_ROOM = 'refusal of a child in a /8 with 131072 scattered ones';

const ROUNDS = 1_000_000;
const REPEATS = 10;
export const SCATTERED = 200_000;
const CHILDREN_HELD = 200_000;
const CHILDREN_SCATTERED = 131_072;
const WINDOW = 1_000;
/** Super networks, and the length of their children. */
const FRAGMENTED = [
  ['10.0.0.0/8', 26],
  ['2001:db8::/32', 64],
] as const;

export function prefixNamed(text: string): Prefix {
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw new Error(`${text} is no prefix`);
  return prefix;
}

const msOf = (run: () => void): number => {
  const start = performance.now();
  run();
  return performance.now() - start;
};

const perSecond = (rounds: number, run: () => void): number => Math.round((rounds * 1000) / msOf(run));

/** The best of several: what interrupts one of them says nothing of the structure. */
const bestPerSecond = (rounds: number, run: (rounds: number) => void): number =>
  Math.max(...Array.from({ length: REPEATS }, () => perSecond(rounds / REPEATS, () => run(rounds / REPEATS))));

/** The lowest free address is found, acquired and released. */
function acquireAndRelease(set: AddressSet): number {
  const round = (rounds: number): void => {
    for (let n = 0; n < rounds; n++) {
      const free = set.lowestFree();
      if (free === undefined || !set.acquire(free) || !set.release(free)) throw new Error('the set is wrong');
    }
  };
  round(ROUNDS / 10);
  return bestPerSecond(ROUNDS, round);
}

function fill(set: AddressSet, addresses: bigint): void {
  const chunk = new Uint8Array(4 * 65_536);
  const view = new DataView(chunk.buffer);
  const first = Number(set.prefix.first);
  for (let done = 0; done < addresses;) {
    const count = Math.min(65_536, Number(addresses) - done);
    for (let n = 0; n < count; n++) view.setUint32(4 * n, first + done + n);
    set.loadPacked(chunk.subarray(0, 4 * count));
    done += count;
  }
}

/** The same addresses in each run: a linear congruential generator (Knuth's MMIX constants) over the whole prefix. */
export function scatteredAddresses(prefix: Prefix, count: number): Address[] {
  let state = 1n;
  return Array.from({ length: count }, () => {
    state = BigInt.asUintN(64, state * 6364136223846793005n + 1442695040888963407n);
    return addressAt(prefix, state);
  });
}

/** Bytes of heap and array buffers that `make` keeps, by a forced collection before and after; needs `node --expose-gc`. */
export async function keptBytes<T>(make: () => T): Promise<{ bytes: number; kept: T }> {
  const settled = async (): Promise<number> => {
    // Buffers are given back after the collection that found them, not in it.
    for (let n = 0; n < 4; n++) {
      globalThis.gc?.();
      await new Promise((resolve) => setImmediate(resolve));
    }
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  const before = await settled();
  const kept = make();
  return { bytes: (await settled()) - before, kept };
}

async function bytesEach(make: () => AddressSet): Promise<number> {
  const { bytes, kept } = await keptBytes(make);
  return bytes / kept.heldCount;
}

const medianMs = (run: () => void): number => median(Array.from({ length: REPEATS }, () => msOf(run)));

function acquireChildren(space: ChildSpace, length: number, count: number): void {
  for (let n = 0; n < count; n++) if (space.acquire(length) === undefined) throw new Error('the space is wrong');
}

/** An IPv6 super network: whether a child costs more, the more are held. */
function ipv6Children(add: (what: string, value: number, unit: string) => void): void {
  const space = createChildSpace(prefixNamed('2001:db8::/32'));
  // Not the first windows of the process: their code is not compiled yet.
  const warm = createChildSpace(prefixNamed('2001:db9::/32'));
  acquireChildren(warm, 64, 20 * WINDOW);
  const windows = Array.from({ length: CHILDREN_HELD / WINDOW }, () => msOf(() => acquireChildren(space, 64, WINDOW)));
  add(LATE_TO_EARLY, median(windows.slice(-REPEATS)) / median(windows.slice(0, REPEATS)), '×');
  const round = (rounds: number): void => {
    for (let n = 0; n < rounds; n++) {
      // Far apart, so that each release makes a hole in the middle.
      const child = splitAt(space.parent, 64, (n * 7_919) % CHILDREN_HELD);
      if (!space.release(child) || space.acquire(64)?.canonical !== child.canonical) {
        throw new Error('the space is wrong');
      }
    }
  };
  add(CHILDREN, bestPerSecond(CHILDREN_HELD, round), '1/s');
}

/** Every other block of that length, as a super network's rows are loaded: nothing joins with anything. */
function everyOther(parent: string, length: number): ChildSpace {
  const space = createChildSpace(prefixNamed(parent));
  for (let n = 0; n < CHILDREN_SCATTERED; n++) {
    if (!space.acquireSpecific(splitAt(space.parent, length, 2 * n))) throw new Error('the space is wrong');
  }
  return space;
}

/** A turn that asks a super network for its usage, or is refused, holds up all others of its shard. */
function fragmented(add: (what: string, value: number, unit: string) => void): void {
  for (const [parent, length] of FRAGMENTED) {
    const loaded = perSecond(CHILDREN_SCATTERED, () => void everyOther(parent, length));
    add(`loading every other /${length} of ${parent}, ${CHILDREN_SCATTERED} of them`, loaded, '1/s');
  }
  const space = everyOther(...FRAGMENTED[0]);
  const usage = medianMs(() => childrenUsage(space.parent, space, 26));
  add(USAGE, usage, 'ms');
  const refusal = medianMs(() => noChildPrefix(space, 24));
  add(NO_ROOM, refusal, 'ms');
}

/** Figures of the address set and the child space on this machine, single thread. A few seconds. */
export async function ipamMemoryBench(): Promise<Figure[]> {
  const figures: Figure[] = [];
  const add = (what: string, value: number, unit: string): void => void figures.push({ what, value, unit });

  const empty = createAddressSet(prefixNamed('10.0.0.0/16'));
  add(RATE, acquireAndRelease(empty), '1/s');

  const nearlyFull = createAddressSet(prefixNamed('10.0.0.0/8'));
  const load = size(nearlyFull.prefix) - 16n;
  add(
    'loading packed addresses into a /8',
    perSecond(Number(load), () => fill(nearlyFull, load)),
    '1/s',
  );
  add('lowest free + acquire + release in a /8 with 15 free', acquireAndRelease(nearlyFull), '1/s');

  const addresses = scatteredAddresses(prefixNamed('2001:db8::/64'), SCATTERED);
  const scattered = createAddressSet(prefixNamed('2001:db8::/64'));
  for (const address of addresses) scattered.acquire(address);
  add(`lowest free + acquire + release in a /64 with ${SCATTERED} scattered`, acquireAndRelease(scattered), '1/s');
  const moved = perSecond(SCATTERED, () => {
    for (const address of addresses)
      if (!scattered.release(address) || !scattered.acquire(address)) throw new Error('the set is wrong');
  });
  add('release + acquire of scattered addresses in a /64', moved, '1/s');

  const space = createChildSpace(prefixNamed('10.0.0.0/8'));
  const children = 65_535;
  const cut = perSecond(children, () => acquireChildren(space, 24, children));
  add('acquiring children of length 24 in a /8 until nearly full', cut, '1/s');
  ipv6Children(add);
  fragmented(add);

  if (globalThis.gc !== undefined) {
    const dense = await bytesEach(() => {
      const set = createAddressSet(prefixNamed('11.0.0.0/8'));
      fill(set, size(set.prefix) - 16n);
      return set;
    });
    add(DENSE, dense, 'B');
    const packed = Buffer.concat(addresses.map(addressBytes));
    const sparse = await bytesEach(() => {
      const set = createAddressSet(prefixNamed('2001:db8::/64'));
      set.loadPacked(packed);
      return set;
    });
    add(SPARSE, sparse, 'B');
    for (const [parent, length] of FRAGMENTED) {
      const { bytes, kept } = await keptBytes(() => everyOther(parent, length));
      add(
        `a child prefix, every other /${length} of ${parent}, with the free one beside it`,
        bytes / kept.children,
        'B',
      );
    }
  }
  return figures;
}
