// The same work done by each way to hold addresses: how fast, and how large.
import { CANDIDATES, type Candidate, type Offset, type OffsetSet } from './address-sets.ts';
import { keptBytes, prefixNamed, scatteredAddresses, SCATTERED } from './ipam-memory.ts';

export interface Compared {
  name: string;
  weakness: string;
  /** One after the other from the first on, of a /8. */
  denseBytes: number;
  /** Lowest free one acquired and released, a second. */
  lowestPerSecond: number;
  /** Any of them released, then the lowest free one acquired, a second. */
  churnPerSecond: number;
  /** Over a /64; undefined: can't hold them. */
  scatteredBytes: number | undefined;
  /** Any of them released and acquired again, a second. */
  againPerSecond: number | undefined;
}

const DENSE = 1_000_000;
const MEASURE_MS = 200;
/** Between two looks at the clock; a slow one does no more than these. */
const BATCH = 16;

function rate(run: (n: number) => void): number {
  for (let n = 0; n < BATCH; n++) run(n);
  const from = performance.now();
  let done = 0;
  do for (let n = 0; n < BATCH; n++) run(done++);
  while (performance.now() - from < MEASURE_MS);
  return Math.round((1_000 * done) / (performance.now() - from));
}

/** Spread over what is held, the same in each run. */
const anyOf = (n: number, count: number): number => Math.imul(n + 1, 0x9e3779b1) % count;

function cycleLowest(set: OffsetSet): void {
  const free = set.free();
  if (free === undefined || !set.acquire(free) || !set.release(free)) throw new Error('the set is wrong');
}

const taken = (set: OffsetSet, offsets: Iterable<Offset>): OffsetSet => {
  for (const offset of offsets) if (!set.acquire(offset)) throw new Error('the set is wrong');
  return set;
};

function* upTo(count: number): Generator<number> {
  for (let n = 0; n < count; n++) yield n;
}

async function compare({ name, weakness, create }: Candidate): Promise<Compared> {
  const wide = prefixNamed('10.0.0.0/8');
  const huge = prefixNamed('2001:db8::/64');
  const dense = await keptBytes(() => taken(create(wide)!, upTo(DENSE)));
  const lowestPerSecond = rate(() => cycleLowest(dense.kept));
  const churnPerSecond = rate((n) => {
    if (!dense.kept.release(Math.abs(anyOf(n, DENSE)))) throw new Error('the set is wrong');
    const free = dense.kept.free();
    if (free === undefined || !dense.kept.acquire(free)) throw new Error('the set is wrong');
  });
  const compared = { name, weakness, denseBytes: dense.bytes / DENSE, lowestPerSecond, churnPerSecond };
  if (create(huge) === undefined) return { ...compared, scatteredBytes: undefined, againPerSecond: undefined };

  const offsets = scatteredAddresses(huge, SCATTERED).map(({ value }) => BigInt(value) - BigInt(huge.first));
  // Copies: what a set keeps of a bigint is not the one that the list keeps.
  const scattered = await keptBytes(() =>
    taken(
      create(huge)!,
      offsets.map((offset) => BigInt(offset.toString())),
    ),
  );
  const againPerSecond = rate((n) => {
    const offset = offsets[Math.abs(anyOf(n, SCATTERED))]!;
    if (!scattered.kept.release(offset) || !scattered.kept.acquire(offset)) throw new Error('the set is wrong');
  });
  return { ...compared, scatteredBytes: scattered.bytes / SCATTERED, againPerSecond };
}

/** Needs `node --expose-gc`. Ten seconds. */
export async function compareSets(): Promise<Compared[]> {
  const all: Compared[] = [];
  for (const candidate of CANDIDATES) all.push(await compare(candidate));
  return all;
}
