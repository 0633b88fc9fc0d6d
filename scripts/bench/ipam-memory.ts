// How fast and how small the address structures are by themselves, without actors, HTTP or a database.
import { createAddressSet } from '../../actors/ipam/address-set.ts';
import type { AddressSet } from '../../actors/ipam/address-set.ts';
import { addressAt, addressBytes } from '../../actors/ipam/address.ts';
import type { Address } from '../../actors/ipam/address.ts';
import { createChildSpace } from '../../actors/ipam/child-prefixes.ts';
import { parsePrefix, size } from '../../actors/ipam/prefix.ts';
import type { Prefix } from '../../actors/ipam/prefix.ts';

export interface Figure {
  what: string;
  value: number;
  unit: string;
}

/** Names of the figures that have a target. */
export const RATE = 'lowest free + acquire + release in an empty /16';
export const DENSE = 'a held address, dense (/8)';
export const SPARSE = 'a held address, scattered (/64)';

const ROUNDS = 1_000_000;
const REPEATS = 10;
export const SCATTERED = 200_000;

export function prefixNamed(text: string): Prefix {
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw new Error(`${text} is no prefix`);
  return prefix;
}

function perSecond(rounds: number, run: () => void): number {
  const start = performance.now();
  run();
  return Math.round((rounds * 1000) / (performance.now() - start));
}

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
  const cut = perSecond(children, () => {
    for (let n = 0; n < children; n++) if (space.acquire(24) === undefined) throw new Error('the space is wrong');
  });
  add('acquiring children of length 24 in a /8 until nearly full', cut, '1/s');

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
  }
  return figures;
}
