// What the partition's allocator remembers: its two pools, and indexes over what others own.
import type { Scope } from '../address.ts';
import { changeRow, liveAfter, type Live } from '../change.ts';
import type { Excerpt, ExcerptedTable } from '../excerpt.ts';
import type { PoolRecord } from '../network/record.ts';
import type { Change } from '../records.ts';
import type { Context, Waiting } from '../runtime/behaviour.ts';
import { createCandidates, type Candidates } from './candidates.ts';
import { createFabric, type Fabric } from './fabric.ts';
import { createPool, type Pool } from './pools.ts';

export interface KnownNetwork {
  version: number;
  exists: boolean;
  privateSuper: boolean;
  underlay: boolean;
}

export interface AllocatorState {
  /** The partition's id. */
  id: string;
  scope: Scope;
  vrf: Pool;
  asn: Pool;
  candidates: Candidates;
  fabric: Fabric;
  networks: Map<string, KnownNetwork>;
  /** Tables of which the indexes have heard everything; until then they may say what is there, never that nothing is. */
  whole: Set<ExcerptedTable>;
}

export const createAllocatorState = (id: string, scope: Scope): AllocatorState => ({
  id,
  scope,
  vrf: createPool(),
  asn: createPool(),
  candidates: createCandidates(),
  fabric: createFabric(),
  networks: new Map(),
  whole: new Set(),
});

/** What must be known of machines before it can be said that none is there. */
const MACHINES = ['allocation', 'provisioning', 'machine'] as const;
const FABRIC = ['switch', 'switch_port'] as const;

export const knowsMachines = ({ whole }: AllocatorState): boolean => MACHINES.every((table) => whole.has(table));
export const knowsFabric = ({ whole }: AllocatorState): boolean => FABRIC.every((table) => whole.has(table));

/** Decided again as the indexes grow, a moment after a takeover. */
export const untilKnown = ({ id }: AllocatorState, what: string): Waiting => ({
  wait: `the allocator of partition "${id}" has just begun and does not know all ${what} yet`,
});

const poolKey = (pool: PoolRecord['pool'], number: number): string => `${pool}|${number}`;

const poolOfKey = (state: AllocatorState, key: string): { pool: Pool; number: number } => {
  const split = key.indexOf('|');
  return { pool: key.slice(0, split) === 'asn' ? state.asn : state.vrf, number: Number(key.slice(split + 1)) };
};

/** The number's row becomes `value`; null gives it back. */
export const poolChange = (
  state: AllocatorState,
  context: Context,
  pool: PoolRecord['pool'],
  number: number,
  value: PoolRecord | null,
): Change => {
  const live: Live<PoolRecord> | undefined = state[pool].row(number);
  const at = { scope: context.scope, owner: state.id };
  return changeRow(at, 'pool', poolKey(pool, number), live, context.version(), value);
};

export const evolveAllocator = (state: AllocatorState, change: Change): void => {
  if (change.table !== 'pool') return;
  const { pool, number } = poolOfKey(state, change.key);
  const before = pool.row(number)?.value.elected;
  pool.put(number, liveAfter(change));
  const after = change.value?.elected;
  if (before && before.machine !== after?.machine) state.candidates.unelect(before.machine);
  if (after) state.candidates.elect(after);
};

/** Numbers are neither given to others nor given back twice, and an elected machine counts, until the operation ends. */
export const holdNumbers = (state: AllocatorState, changes: readonly Change[]): void => {
  for (const change of changes) {
    if (change.table !== 'pool') continue;
    const { pool, number } = poolOfKey(state, change.key);
    pool.reserve(number);
    if (change.value?.elected) state.candidates.elect(change.value.elected);
  }
};

export const unholdNumbers = (state: AllocatorState, changes: readonly Change[]): void => {
  for (const change of changes) {
    if (change.table !== 'pool') continue;
    const { pool, number } = poolOfKey(state, change.key);
    pool.unreserve(number);
    if (change.value?.elected) state.candidates.unelect(change.value.elected.machine);
  }
};

/** Takes a row of somebody else's into the indexes. */
export const absorbRow = (state: AllocatorState, row: Excerpt): void => {
  const { version } = row;
  switch (row.table) {
    case 'machine':
      state.candidates.found(row.key, { version, value: row.value });
      break;
    case 'allocation':
      state.candidates.apply({ machine: row.key, allocation: { version, value: row.value } });
      break;
    case 'provisioning':
      state.candidates.apply({ machine: row.key, provisioning: { version, value: row.value } });
      break;
    case 'switch':
      state.fabric.apply({ switch: row.key, record: { version, value: row.value } });
      break;
    case 'switch_port': {
      const { switch: id, nic, machine } = row.value;
      state.fabric.apply({ switch: id, ports: [{ nic, version, machine }] });
      break;
    }
    case 'network': {
      const { privateSuper, underlay } = row.value;
      noteNetwork(state, row.key, { version, exists: true, privateSuper, underlay });
      break;
    }
    default:
  }
};

export const noteNetwork = (state: AllocatorState, id: string, network: KnownNetwork): void => {
  if (network.version > (state.networks.get(id)?.version ?? 0)) state.networks.set(id, network);
};

export const networksWith = (state: AllocatorState, flag: 'privateSuper' | 'underlay'): string[] =>
  [...state.networks]
    .filter(([, network]) => network.exists && network[flag])
    .map(([id]) => id)
    .sort();
