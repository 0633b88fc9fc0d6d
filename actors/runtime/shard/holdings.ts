// What a shard holds: its actors, its fences, and which of its lives it is in. The shard's rooms share this object; who
// changes what is said at each member.
import type { Scope } from '../../address.ts';
import type { Fence } from '../../ports.ts';
import type { Cell, Mail } from '../cell.ts';
import { createCells, type Cells } from '../cells.ts';
import { createDryHolds, type DryHolds } from '../dry-holds.ts';
import type { Followed } from '../turn/ending.ts';
import { createVersions, type Versions } from '../versions.ts';

export interface Holdings {
  readonly shard: number;
  /** mail.ts adds, life.ts and the wheel take away. */
  readonly cells: Cells;
  /** Those with mail that waits for a change. */
  readonly waiting: Set<Cell>;
  /** Those whose mail lies until something else is over: a load, a commit, the shard's start. */
  readonly behind: Set<Cell>;
  /** What is decided when its rows are there. */
  readonly fetching: Set<{ batch: Mail[] }>;
  /** Turns whose answers wait for a commit. */
  readonly followed: Set<Followed>;
  /** turn.ts adds, reservations.ts and life.ts take away. */
  readonly dryHolds: DryHolds;
  /** Only life.ts sets it. */
  phase: 'starting' | 'serving' | 'stopping' | 'stopped';
  /** It was told to stop, in whatever phase; nothing new is taken. Only life.ts sets it. */
  isStopping: boolean;
  /** Grows with each start-over; callbacks of an older life are ignored. Only life.ts raises it. */
  life: number;
  /** How often other shards were restarted in this one's life. */
  readonly restarts: Map<number, number>;
  owns(scope: Scope): boolean;
  fenceOf(scope: Scope): Fence;
  fences(): Fence[];
  /** A version for the next change in a scope. */
  version(scope: Scope): number;
  adopt(fences: Fence[]): void;
}

export function createHoldings(shard: number, first: Fence[]): Holdings {
  const cells = createCells();
  const fences = new Map<Scope, Fence>(first.map((fence) => [fence.scope, fence]));
  const versions = new Map<Scope, Versions>();

  return {
    shard,
    cells,
    waiting: new Set(),
    behind: new Set(),
    fetching: new Set(),
    followed: new Set(),
    dryHolds: createDryHolds(),
    phase: 'starting',
    isStopping: false,
    life: 0,
    restarts: new Map(),
    owns: (scope) => fences.has(scope),
    fenceOf: (scope) => fences.get(scope) ?? { scope, shard, epoch: 0 },
    fences: () => [...fences.values()],
    version: (scope) => (versions.get(scope) as Versions).next(),
    adopt(held) {
      for (const fence of held) {
        fences.set(fence.scope, fence);
        versions.set(fence.scope, createVersions(fence.epoch));
      }
    },
  };
}
