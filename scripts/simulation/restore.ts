// A database that is replaced by an older backup of itself (reliability.md F24): what is lost, and what must not be given out
// a second time because of it.
import type { BlockRecord, GlobalNetworkRecord } from '../../actors/block/record.ts';
import { uniqueKeys } from '../../actors/runtime/store-model/constraints.ts';
import { parseAddress } from '../../actors/ipam/address.ts';
import { contains, parsePrefix, type Prefix } from '../../actors/ipam/prefix.ts';
import type { Change } from '../../actors/records.ts';
import { addressKey, machineKey } from './client/things.ts';
import { claimedKeys, type Watched } from './checks.ts';
import { GLOBAL_NETWORK } from './clients.ts';
import type { Database } from './database.ts';

export interface Backup {
  snapshot: unknown;
  cursors: Database['tables']['cursors'];
}

export const backUp = ({ model, tables }: Database): Backup => ({
  snapshot: model.snapshot(),
  cursors: structuredClone(tables.cursors),
});

const isGlobal = (network: string): boolean => network === GLOBAL_NETWORK || network.startsWith('global-');

/** What the history calls the thing that a row is about; undefined: it does not judge those. */
function historyKey({ table, key, value }: Change): string | undefined {
  const [network = '', address = ''] = key.split('|');
  if (table === 'ip') return addressKey(network, address);
  if (table === 'allocation') return machineKey(key);
  if (table === 'network') return `${isGlobal(key) ? 'global' : 'network'} ${key}`;
  if (table === 'directory' && key.startsWith('size|')) return `size ${key.slice('size|'.length)}`;
  return value === null ? undefined : undefined;
}

/**
 * Blocks that the home gave to its own partitions after the backup while nobody could be told: during a cut it goes on
 * without, and nobody can tell it afterwards. What was handed out of those is lost (design.md §12, an older backup).
 */
function unheardBlocks(before: ReadonlyMap<string, Change>, database: Database, others: readonly Database[]): Prefix[] {
  const heard = others.flatMap(({ model }) =>
    model.live('global_network').flatMap(({ key, value }) => {
      const { kept } = value as GlobalNetworkRecord;
      return (kept?.blocks ?? []).map(({ first, h }) => `${key} ${first} ${h}`);
    }),
  );
  const nameOf = ({ network, first, h }: BlockRecord): string => `${network} ${first} ${h}`;
  const known = new Set([...heard, ...database.model.live('block').map(({ value }) => nameOf(value as BlockRecord))]);
  return [...before.values()].flatMap(({ table, value }) => {
    if (table !== 'block' || value === null) return [];
    const record = value as BlockRecord;
    if (record.holderSite !== database.site || known.has(nameOf(record))) return [];
    return [parsePrefix(`${record.first}/${record.length}`) as Prefix];
  });
}

/** An operator accepted the loss: what clients were told of global addresses after the backup is void. */
export function acceptLost({ holders }: Watched, site: string): void {
  for (const [key, holder] of holders) if (holder.startsWith(`lost:${site}:`)) holders.delete(key);
}

/**
 * Puts the backup in the database's place, as `npm run site -- restore` does: epochs above all that were ever used, and no
 * lease. Answers the things that clients were told of and that are another way now: nobody can hold the site to those.
 */
export function restoreBackup(
  database: Database,
  others: readonly Database[],
  backup: Backup,
  watched: Watched,
): Set<string> {
  const { model, tables, site } = database;
  const before = new Map(model.rows);
  const epochs = new Map(model.epochs);
  model.restore(backup.snapshot);
  tables.cursors.clear();
  for (const [consumer, cursors] of backup.cursors) tables.cursors.set(consumer, new Map(cursors));
  tables.leases.clear();
  database.received.clear();
  database.unserved = undefined;
  model.lift(epochs);

  const unheard = unheardBlocks(before, database, others);
  const isUnheard = (row: Change): boolean => {
    const address = row.table === 'ip' ? parseAddress(row.key.slice(row.key.indexOf('|') + 1)) : undefined;
    return address !== undefined && unheard.some((block) => contains(block, address));
  };
  const lost = new Set<string>();
  for (const [name, row] of new Map([...before, ...model.rows])) {
    const [was, is] = [before.get(name), model.rows.get(name)];
    if (was?.version === is?.version && (was?.value === null) === (is?.value === null)) continue;
    const thing = historyKey(row);
    if (thing !== undefined) lost.add(thing);
    const held = `${site}:${name}`;
    for (const key of watched.keysOf.get(held) ?? []) {
      if (watched.holders.get(key) !== held) continue;
      watched.holders.delete(key);
      // A client was told that it has this address: nobody else may hear that.
      if (is?.value == null && row.table === 'ip' && isGlobal(row.owner) && !isUnheard(row))
        watched.holders.set(key, `lost:${held}`);
    }
    watched.keysOf.delete(held);
    if (is === undefined || is.value === null) continue;
    // A block that it has given away since: on its way, it is of whoever takes it, and the comparison ends this row.
    if (is.table === 'holding' && (was === undefined || uniqueKeys(was).length === 0)) continue;
    // What an earlier backup had lost may be in a later one: it is of whom it was.
    const isFree = (key: string): boolean => [undefined, `lost:${held}`].includes(watched.holders.get(key));
    const keys = [...uniqueKeys(is), ...claimedKeys(is, site)].filter(isFree);
    watched.keysOf.set(held, keys);
    for (const key of keys) watched.holders.set(key, held);
  }
  return lost;
}
