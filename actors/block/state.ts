// What a partition knows of one global network: its copy, the blocks it holds with one bit an address, what it asked for.
import { scopeId, type Scope } from '../address.ts';
import { addressBits, type Family } from '../ipam/address.ts';
import { createAddressSet, type Reserved } from '../ipam/address-set.ts';
import { comparePrefixes, parsePrefix, type Prefix } from '../ipam/prefix.ts';
import { prefixUsage, sumUsage, type Usage } from '../ipam/usage.ts';
import {
  createAddressSpace,
  evolveIp,
  holdIps,
  limitRests,
  setPieces,
  unholdIps,
  type AddressSpace,
  type Piece,
} from '../network/address-space.ts';
import { prefixesOf } from '../network/ip-rules.ts';
import { prefixOfBlock } from '../network/ledger.ts';
import type { NetworkView } from '../network/messages.ts';
import { quarantineMs } from '../network/quarantine.ts';
import type { NetworkRecord } from '../network/record.ts';
import { liveAfter, type Live } from '../change.ts';
import type { Change } from '../records.ts';
import type { GlobalNetworkRecord, HoldingRecord, WantRecord } from './record.ts';

export interface Holding extends Live<HoldingRecord> {
  piece: Piece;
}

export interface BlockState {
  readonly id: string;
  readonly scope: Scope;
  copy: Live<GlobalNetworkRecord> | null;
  readonly space: AddressSpace;
  /** By first address. */
  readonly holdings: Map<string, Holding>;
  /** Open requests by h. */
  readonly wants: Map<string, Live<WantRecord>>;
  /** Keys of rows that a reservation is about to write. */
  readonly inFlight: Map<string, Change>;
  /** The last request for blocks of a family: the next one asks for more if it comes soon. */
  readonly lastWant: Map<Family, { createdMs: number; count: number }>;
}

export const createBlockState = (id: string, scope: Scope): BlockState => ({
  id,
  scope,
  copy: null,
  space: createAddressSpace(),
  holdings: new Map(),
  wants: new Map(),
  inFlight: new Map(),
  lastWant: new Map(),
});

export const partitionOf = (state: BlockState): string => scopeId(state.scope);

/** Only the prefix's own first and last address are reserved, not those of each block. */
function reservedOf(block: Prefix, prefix: Prefix | undefined): Reserved {
  const first = block.first === prefix?.first;
  const last = block.family === 'IPv4' && block.last === prefix?.last;
  return first ? (last ? 'network-and-broadcast' : 'network') : last ? 'broadcast' : 'none';
}

function evolveHolding(state: BlockState, key: string, version: number, record: HoldingRecord | null): void {
  const first = key.slice(key.lastIndexOf('|') + 1);
  const known = state.holdings.get(first);
  if (record === null) state.holdings.delete(first);
  else if (known !== undefined) {
    known.piece.open = record.state === 'held';
    known.piece.doubtful = record.state === 'doubtful';
    state.holdings.set(first, { value: record, version, piece: known.piece });
    return;
  } else {
    const block = prefixOfBlock(record);
    if (block === undefined) return;
    const set = createAddressSet(block, { reserved: reservedOf(block, parsePrefix(record.prefix)) });
    state.holdings.set(first, {
      value: record,
      version,
      piece: { prefix: record.prefix, set, open: record.state === 'held', doubtful: record.state === 'doubtful' },
    });
  }
  const pieces = [...state.holdings.values()].map(({ piece }) => piece);
  setPieces(
    state.space,
    pieces.sort((a, b) => comparePrefixes(a.set.prefix, b.set.prefix)),
  );
}

export function evolveBlockActor(state: BlockState, change: Change): void {
  if (change.table === 'ip') evolveIp(state.space, change);
  else if (change.table === 'holding') evolveHolding(state, change.key, change.version, change.value);
  else if (change.table === 'global_network') {
    state.copy = liveAfter(change);
    if (change.value !== null) limitRests(state.space, quarantineMs(change.value.network));
  } else if (change.table === 'want') {
    const h = change.key.slice(change.key.lastIndexOf('|') + 1);
    if (change.value === null) state.wants.delete(h);
    else {
      const { family, createdMs, count, address } = change.value;
      state.wants.set(h, { value: change.value, version: change.version });
      if (address === null) state.lastWant.set(family, { createdMs, count });
    }
  }
}

export function holdBlockActor(state: BlockState, operation: string, changes: readonly Change[]): void {
  holdIps(state.space, operation, changes);
  for (const change of changes) {
    if (change.table !== 'ip') state.inFlight.set(`${change.table}:${change.key}`, change);
  }
}

export function unholdBlockActor(state: BlockState, changes: readonly Change[]): void {
  unholdIps(state.space, changes);
  for (const change of changes) state.inFlight.delete(`${change.table}:${change.key}`);
}

/** Addresses in a block. */
export const blockSize = (record: Pick<HoldingRecord, 'length'>, family: Family): bigint =>
  1n << BigInt(addressBits(family) - record.length);

/**
 * The network as this partition sees it: the addresses of the whole prefixes, of which `used_ips` counts those in use
 * in this partition besides the reserved ones.
 */
export function viewOfCopy(state: BlockState, network: NetworkRecord): NetworkView {
  const usage: NetworkView['usage'] = { IPv4: null, IPv6: null };
  const usages: Record<Family, Usage[]> = { IPv4: [], IPv6: [] };
  for (const { text, prefix } of prefixesOf(network)) {
    const pieces = state.space.pieces.filter((piece) => piece.prefix === text);
    const held = pieces.reduce((sum, { set }) => sum + set.heldCount, 0);
    usages[prefix.family].push(prefixUsage({ prefix, held }));
  }
  for (const family of ['IPv4', 'IPv6'] as const) {
    if (usages[family].length > 0) usage[family] = sumUsage(usages[family]);
  }
  return { network, usage };
}
