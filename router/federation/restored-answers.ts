// Answers what a restored site asks (reliability.md F24), from the rows: they say the same as the actors, and are of one
// kind for all partitions here. But for the directory: what the site had told before its end may still be on its way into the
// rows here, and the actors answer behind it.
import type { Asker } from '../../actors/asker.ts';
import { addressOf, partitionScope, scopeId, siteScope } from '../../actors/address.ts';
import { withoutLost } from '../../actors/directory/conflict.ts';
import { DIRECTORY_KINDS } from '../../actors/directory/record.ts';
import { settled } from '../../actors/network/standing.ts';
import { refuseAsk } from '../link/failure.ts';
import { orThrow, type BlockPorts } from './blocks-ports.ts';
import { sitesWithPartitions } from './blocks-kept.ts';
import { inventorySchema, type InventoryReply, type Item } from './restored-messages.ts';

const ITEMS_PER_PAGE = 400;
/** As many sites as may be restored at the same time. */
const MOST_ASKERS = 16;

/** What this site knows of things between it and `member`. */
async function inventoryFor(
  member: string,
  { site, rows, copy, hosted, ask }: BlockPorts,
  asker: Asker,
): Promise<Item[]> {
  const scopes = hosted().map(partitionScope);
  const items: Item[] = sitesWithPartitions(copy).map((one) => ({ is: 'site', site: one }));
  const directories = await Promise.all(
    DIRECTORY_KINDS.map((kind) => ask(addressOf(siteScope(site), 'directory', kind), 'all', {}, asker)),
  );
  /** Global networks that are live and at home here: what a ledger says of another one is over. */
  const networks = new Set<string>();
  for (const { entries } of directories.map((answer) => orThrow(answer))) {
    for (const record of entries) {
      if (record.home === member) items.push({ is: 'entry', record: withoutLost(record) });
      if (record.kind === 'globalnetwork' && record.home === site && record.entity !== null) networks.add(record.id);
    }
  }
  const homes = new Map<string, string>();
  for (const { key, value } of await rows.rows('global_network', { scopes })) {
    homes.set(key, value.home);
    if (value.home === member && value.kept !== undefined) {
      items.push({ is: 'kept', network: key, kept: value.kept });
    }
  }
  for (const { scope, value } of await rows.rows('holding', { scopes })) {
    const { state, ...block } = value;
    if (homes.get(block.network) !== member) continue;
    items.push({ is: 'holding', partition: scopeId(scope), isReturning: state === 'returning', ...block });
  }
  for (const { value } of await rows.rows('block', { scopes: [siteScope(site)] })) {
    const { network, first, length, prefix, holder, holderSite, h, state } = value;
    if (holderSite === member && state !== 'resting' && networks.has(network))
      items.push({ is: 'block', partition: holder, network, first, length, prefix, h });
  }
  const standing = ['lent', 'borrowed', 'idle', 'freed', 'recalled'] as const;
  for (const { scope, value } of await rows.rows('ip', { scopes, standing: [...standing] })) {
    const { loan, network, address } = value;
    if (loan?.site !== member) continue;
    const yours = loan.as === 'lent' ? loan.to : loan.from;
    items.push({
      is: loan.as,
      network,
      address,
      h: loan.h,
      theirs: scopeId(scope),
      yours,
      ip: { ...settled(value), machines: [] },
    });
  }
  for (const { value } of await rows.rows('claim', { scopes: [siteScope(site)] })) {
    if (value.site === member && value.what === 'prefix') items.push({ is: 'claim', holder: value.holder, h: value.h });
  }
  return items;
}

/** Serves {@link INVENTORY_ASK}. */
export function answerInventory(
  ports: BlockPorts,
): (body: unknown, member: string, asker: Asker) => Promise<InventoryReply> {
  const taken = new Map<string, Item[]>();
  return async (body, member, asker) => {
    const { page } = inventorySchema.parse(body);
    if (page === 0) {
      if (taken.size >= MOST_ASKERS) taken.clear();
      taken.set(member, await inventoryFor(member, ports, asker));
    }
    const items = taken.get(member);
    if (items === undefined) throw refuseAsk('Conflict', 'begin with the first page');
    const pages = Math.max(1, Math.ceil(items.length / ITEMS_PER_PAGE));
    if (page >= pages - 1) taken.delete(member);
    return { items: items.slice(page * ITEMS_PER_PAGE, (page + 1) * ITEMS_PER_PAGE), pages };
  };
}
