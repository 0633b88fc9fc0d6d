// The places that a process knows: filled from the rows at the start, kept by the log. Rows and log entries may come in
// any order and twice; the version of a row decides.
import { isPartitionScope, partitionScope, siteScope, type Scope } from '../actors/address.ts';
import type { HoldingRecord } from '../actors/block/record.ts';
import type { DirectoryKind } from '../actors/directory/record.ts';
import { parseAddress } from '../actors/ipam/address.ts';
import { parsePrefix, type Prefix } from '../actors/ipam/prefix.ts';
import type { PrefixRecord } from '../actors/network/record.ts';
import type { LogEntry, RowReader } from '../actors/ports.ts';
import type { Change, Row } from '../actors/records.ts';
import type { AddressPlace, NetworkPlace, Places } from './places.ts';
import { blockPrefix, createPrefixTable } from './prefix-table.ts';
import { createVersioned } from './versioned.ts';

/** A row as loaded, or as a log entry changes it. */
export type PlacedRow = Row | Change;

export interface PlaceIndex extends Places {
  /** Site that changes a directory entry; undefined when the copy has no such live entry. */
  entryHome(kind: DirectoryKind, id: string): string | undefined;
  /** All holders here of an address in canonical text: several only where the spaces of partitions overlap. */
  holders(text: string): readonly AddressPlace[];
  /** Sites that are home of a live global network. */
  globalHomes(): string[];
  /**
   * A partition is hosted here from now on, until its entry is deleted; `fillPlaceIndex` afterwards if it has rows already.
   */
  host(partition: string): void;
  put(row: PlacedRow): void;
  /** All rows were put. */
  filled(): void;
  /** Every committed log entry of this process, in whatever order. */
  apply(entry: LogEntry): void;
}

/** Tables that say where something is. */
export const PLACE_TABLES = ['machine', 'switch', 'network', 'prefix', 'holding', 'want', 'directory'] as const;

interface Range {
  readonly prefix: Prefix;
  readonly place: AddressPlace;
}

interface Entry {
  readonly home: string;
  readonly revision: number;
}

/**
 * What a partition speaks for. A block that goes home has no address in use here, and whoever gets it next may hold it
 * before the home's word that it came arrives.
 */
function rangeOf(value: PrefixRecord | HoldingRecord | null): Prefix | undefined {
  if (value === null) return undefined;
  if ('cidr' in value) return parsePrefix(value.cidr);
  return value.state === 'returning' ? undefined : blockPrefix(value.first, value.length);
}

export function createPlaceIndex(site: string, partitions: Iterable<string> = []): PlaceIndex {
  const own: Scope = siteScope(site);
  const hostedScopes = new Map<Scope, string>();
  const machines = createVersioned<string>();
  const switches = createVersioned<string>();
  const networks = createVersioned<NetworkPlace>();
  const entries = createVersioned<Entry>();
  const ranges = createVersioned<Range>();
  const table = createPrefixTable<AddressPlace>();
  const globals = new Map<string, string>();
  const passing = createVersioned<{ address: string; place: AddressPlace }>();
  const passingBy = new Map<string, Set<string>>();
  /** Rows and log may overtake each other until all rows were read; then an address without a loan needs no memory. */
  let isFilled = false;

  const host = (partition: string): void => void hostedScopes.set(partitionScope(partition), partition);
  for (const partition of partitions) host(partition);

  const putRange = (row: PlacedRow, prefix: Prefix | undefined, place: AddressPlace): void => {
    const name = `${row.table}|${row.scope}|${row.key}`;
    const next = row.value === null || prefix === undefined ? undefined : { prefix, place };
    const before = ranges.get(name);
    if (!ranges.put(name, row.scope, row.version, next)) return;
    if (before !== undefined) table.remove(before.prefix, before.place);
    if (next !== undefined) table.add(next.prefix, next.place);
  };

  const putEntry = (row: PlacedRow & { table: 'directory' }): void => {
    const { value } = row;
    const next = value === null || value.entity === null ? undefined : { home: value.home, revision: value.revision };
    if (!entries.put(row.key, row.scope, row.version, next)) return;
    const split = row.key.indexOf('|');
    const [kind, id] = [row.key.slice(0, split), row.key.slice(split + 1)];
    if (kind === 'globalnetwork') {
      if (next === undefined) globals.delete(id);
      else globals.set(id, next.home);
    }
    if (kind !== 'partition' || value?.home !== site) return;
    if (next !== undefined) host(id);
    else hostedScopes.delete(partitionScope(id));
  };

  const putPassing = (row: PlacedRow, address: string, place: AddressPlace | undefined): void => {
    const name = `${row.table}|${row.scope}|${row.key}`;
    const before = passing.get(name);
    if (!passing.put(name, row.scope, row.version, place && { address, place })) return;
    if (before !== undefined) passingBy.get(before.address)?.delete(name);
    if (passingBy.get(before?.address ?? '')?.size === 0) passingBy.delete(before!.address);
    if (place !== undefined) passingBy.set(address, (passingBy.get(address) ?? new Set()).add(name));
  };

  /** Addresses that are not where their block is. */
  function putLoan(row: PlacedRow & { table: 'ip' }, partition: string): void {
    const name = `${row.table}|${row.scope}|${row.key}`;
    const loan = row.value?.loan;
    if (isFilled && loan === undefined && ranges.get(name) === undefined && passing.get(name) === undefined) return;
    const network = row.key.slice(0, row.key.lastIndexOf('|'));
    const text = row.key.slice(network.length + 1);
    const length = text.includes(':') ? 128 : 32;
    const own: AddressPlace = { network, partition, holder: 'block' };
    const isHere = loan?.as === 'borrowed' && loan.state === 'held';
    const isThere = loan?.as === 'lent' && loan.state === 'delivered' && loan.site !== site;
    const there = isThere ? { ...own, partition: loan.to, site: loan.site } : own;
    const place: AddressPlace = { ...there, isLoan: true };
    putRange(row, isHere || isThere ? blockPrefix(text, length) : undefined, place);
    putPassing(row, text, loan?.as === 'borrowed' && !isHere ? own : undefined);
  }

  const put = (row: PlacedRow): void => {
    if (row.table === 'directory') return putEntry(row);
    const partition = hostedScopes.get(row.scope);
    if (partition === undefined && row.scope !== own) return;
    const isLive = row.value !== null;
    switch (row.table) {
      case 'ip':
        return partition === undefined ? undefined : putLoan(row, partition);
      case 'want': {
        const { value } = row;
        if (partition === undefined) return;
        const comes = value?.lender !== undefined && value.address !== null && value.denied === null;
        const own: AddressPlace = { network: value?.network ?? '', partition, holder: 'block', isWanted: true };
        return putPassing(row, value?.address ?? '', comes ? own : undefined);
      }
      case 'network':
        networks.put(row.key, row.scope, row.version, isLive ? { partition: partition ?? '', home: site } : undefined);
        return;
      case 'machine':
      case 'switch': {
        const index = row.table === 'machine' ? machines : switches;
        index.put(row.key, row.scope, row.version, isLive ? partition : undefined);
        return;
      }
      case 'prefix':
      case 'holding': {
        // A global network's own prefixes, in the site's scope, hold no address: their blocks do.
        if (partition === undefined) return;
        const { value } = row;
        const network = value?.network ?? '';
        const isBlock = row.table === 'holding';
        return putRange(row, rangeOf(value), { network, partition, holder: isBlock ? 'block' : 'network' });
      }
      default:
    }
  };

  const holders = (text: string): readonly AddressPlace[] => {
    const address = parseAddress(text);
    if (address === undefined) return [];
    const found = table.longest(address);
    // A block may be as small as one address: who borrowed it has it then, not the holder of the block.
    const loans = found.filter(({ isLoan }) => isLoan === true);
    return loans.length > 0 ? loans : found;
  };

  return {
    machine: (id) => machines.get(id),
    switch: (id) => switches.get(id),
    network(id) {
      const here = networks.get(id);
      if (here !== undefined) return here;
      const home = globals.get(id);
      return home === undefined ? undefined : { partition: '', home };
    },
    address: (text) => holders(text)[0],
    holders,
    passing(text) {
      const known = [...(passingBy.get(text) ?? [])].flatMap((name) => passing.get(name)?.place ?? []);
      return known.find(({ isWanted }) => isWanted !== true) ?? known[0];
    },
    partition: (id) => (hostedScopes.has(partitionScope(id)) ? site : entries.get(`partition|${id}`)?.home),
    hosted: () => [...hostedScopes.values()],
    entryHome: (kind, id) => entries.get(`${kind}|${id}`)?.home,
    globalHomes: () => [...new Set(globals.values())],
    host,
    put,
    apply(entry) {
      for (const change of entry.changes) put(change);
    },
    filled() {
      isFilled = true;
    },
  };
}

/** Tables of which a plant may have a hundred thousand rows; what else says where something is, is few. */
export const MANY = ['machine', 'switch'] as const;
export type ManyTable = (typeof MANY)[number];

const isMany = (table: string): boolean => (MANY as readonly string[]).includes(table);

/**
 * Fills an index from the committed rows of the scopes, the directory first, because it says what is hosted. Let the
 * index hear the log before: then nothing falls between rows and log. `fewOnly`: without machines and switches
 * (place-index-filling.ts).
 */
export async function fillPlaceIndex(
  index: PlaceIndex,
  rows: Pick<RowReader, 'rows'>,
  site: string,
  { fewOnly = false }: { fewOnly?: boolean } = {},
): Promise<void> {
  for (const row of await rows.rows('directory')) index.put(row);
  const scopes: Scope[] = [siteScope(site), ...index.hosted().map(partitionScope)];
  for (const row of await rows.rows('ip', { scopes, standing: ['lent', 'borrowed', 'idle', 'freed', 'recalled'] })) {
    index.put(row);
  }
  for (const scope of scopes) {
    for (const table of PLACE_TABLES) {
      // What a site owns as a whole has neither machines nor switches.
      if (table === 'directory' || (table !== 'network' && !isPartitionScope(scope))) continue;
      if (fewOnly && isMany(table)) continue;
      for (const row of await rows.rows(table, { scopes: [scope] })) index.put(row as Row);
    }
  }
  index.filled();
}
