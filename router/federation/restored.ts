// A site that was restored from a backup (reliability.md F24, design.md §12): it does nothing that concerns global networks
// until it has compared itself with every other site; what was handed out of its blocks after the backup nobody knows, so
// those stay closed until an operator accepts that.
import { addressOf, partitionScope, scopeId, siteScope } from '../../actors/address.ts';
import type { BlockReconciliation, ToldBlock, ToldLoan } from '../../actors/block/messages.ts';
import type { DirectoryKind, DirectoryRecord } from '../../actors/directory/record.ts';
import type { NetworkRecord } from '../../actors/network/record.ts';
import { conflict, isRefusal, type Refusal } from '../../actors/refusal.ts';
import type { Attempt } from './blocks-attempts.ts';
import type { BlockHolder } from './blocks-holder.ts';
import { sitesWithPartitions } from './blocks-kept.ts';
import { ASK_MS, orThrow, reasonOf, type BlockPorts } from './blocks-ports.ts';
import { INVENTORY_ASK, inventoryReplySchema, type Item, type ItemOf } from './restored-messages.ts';

/** Why a loss can't be accepted yet. */
export const notCompared = (site: string, missing: readonly string[]): Refusal =>
  conflict(
    `site ${site} is not compared with every other site yet: ${missing.length === 0 ? 'it is being compared' : missing.join('; ')}`,
  );

export interface Comparison {
  /** Puts the partitions' fences up; before anything is served. */
  fence(): Promise<void>;
  /** One try; `later` while a site is missing. */
  compare(): Promise<Attempt>;
  /** Sites that did not answer at the last try, with the reason. */
  readonly missing: readonly string[];
  /** An operator goes on without those. */
  goOnWithout(): void;
}

/** What one site told. */
interface Told {
  from: string;
  items: Item[];
}

/** Nobody else could tell what this site gave to itself. */
const NOBODY = 'there is no other site to ask: an operator has to accept the loss';

export function createComparison(ports: BlockPorts, holder: Pick<BlockHolder, 'adopt'>): Comparison {
  const { site, copy } = ports;
  const own = siteScope(site);
  let missing: string[] = [];
  let isAccepted = false;

  const blockAt = (partition: string, network: string) => addressOf(partitionScope(partition), 'block', network);
  const networkAt = (id: string) => addressOf(own, 'network', id);
  const scopes = () => ports.hosted().map(partitionScope);

  async function askOne(member: string): Promise<Told> {
    const items: Item[] = [];
    for (let page = 0, pages = 1; page < pages; page++) {
      const reply = inventoryReplySchema.parse(await ports.federation.ask(member, INVENTORY_ASK, { page }, ASK_MS));
      pages = reply.pages;
      items.push(...reply.items);
    }
    return { from: member, items };
  }

  /** Asks every site that anybody knows; those that do not answer are missing. */
  async function askAll(): Promise<{ told: Told[]; silent: string[] }> {
    const told = new Map<string, Told>();
    const silent = new Map<string, string>();
    for (;;) {
      const known = [...told.values()].flatMap(({ items }) => itemsOf(items, 'site').map((item) => item.site));
      const others = new Set([...sitesWithPartitions(copy), ...known].filter((member) => member !== site));
      const next = [...others].filter((member) => !told.has(member) && !silent.has(member));
      if (next.length === 0) break;
      await Promise.all(
        next.map(async (member) => {
          try {
            told.set(member, await askOne(member));
          } catch (error) {
            silent.set(member, reasonOf(error));
          }
        }),
      );
    }
    missing = [...silent].map(([member, why]) => `site ${member}: ${why}`).sort();
    return { told: [...told.values()], silent: [...silent.keys()] };
  }

  /** Takes back what the others have of this site's own directory. Answers its global networks, and those that are gone. */
  async function restoreDirectory(told: readonly Told[]): Promise<{ networks: NetworkRecord[]; deleted: string[] }> {
    const entries = told.flatMap(({ items }) => itemsOf(items, 'entry').map(({ record }) => record));
    const byKind = new Map<DirectoryKind, DirectoryRecord[]>();
    for (const entry of entries) byKind.set(entry.kind, [...(byKind.get(entry.kind) ?? []), entry]);
    for (const [kind, ofKind] of byKind) {
      const ask = { entries: ofKind };
      const { restored } = orThrow(await ports.ask(addressOf(own, 'directory', kind), 'restore', ask));
      if (restored.length > 0) ports.odd(`restored from the other sites: ${kind} ${restored.join(', ')}`);
    }
    const { entries: networks } = orThrow(await ports.ask(addressOf(own, 'directory', 'globalnetwork'), 'all', {}));
    const ofSite = networks.flatMap((entry) => (entry.kind === 'globalnetwork' && entry.home === site ? [entry] : []));
    return {
      networks: ofSite.flatMap(({ entity }) => (entity === null ? [] : [entity])),
      deleted: ofSite.flatMap(({ id, entity }) => (entity === null ? [id] : [])),
    };
  }

  /** A network that was deleted after the backup: none of its blocks was out then. */
  async function endNetwork(id: string): Promise<void> {
    const ledger = await ports.ask(networkAt(id), 'ledger', {});
    if (isRefusal(ledger) && ledger.kind === 'NotFound') return;
    for (const { first, h, holder: partition } of orThrow(ledger).blocks) {
      orThrow(await ports.ask(networkAt(id), 'takeBack', { partition, first, h }));
    }
    const ask = { id, partition: '', partitions: [...ports.hosted()] };
    orThrow(await ports.ask(addressOf(own, 'registry', site), 'deleteNetwork', ask));
  }

  /** The network and its ledger at this home, as the others know them. */
  async function restoreNetwork(network: NetworkRecord, told: readonly Told[], silent: string[]): Promise<void> {
    const { id } = network;
    const known = await ports.ask(networkAt(id), 'ledger', {});
    if (isRefusal(known)) {
      if (known.kind !== 'NotFound') orThrow<unknown>(known);
      const claim = told.flatMap(({ items }) => itemsOf(items, 'claim')).find(({ holder: of }) => of === id);
      const ask = { network, h: claim?.h ?? ports.world.uuid(), partitions: [...ports.hosted()] };
      orThrow(await ports.ask(addressOf(own, 'registry', site), 'createNetwork', ask));
    }
    const speaks = (from: string, partition: string): boolean =>
      (copy.entry('partition', partition)?.home ?? from) === from;
    const holdings = told.flatMap(({ from, items }) =>
      itemsOf(items, 'holding')
        .filter((item) => item.network === id && speaks(from, item.partition))
        .map(({ partition, first, length, prefix, h, isReturning }) => ({
          first,
          length,
          prefix,
          h,
          isReturning,
          holder: partition,
          holderSite: from,
        })),
    );
    const heard = told.flatMap(({ items }) => itemsOf(items, 'kept').filter((item) => item.network === id));
    const latest = heard.sort((a, b) => b.kept.version - a.kept.version)[0];
    const ask = { holdings, kept: latest?.kept.blocks ?? null, site, silent };
    orThrow(await ports.ask(networkAt(id), 'reconcileLedger', ask));
  }

  /** The blocks that a ledger says are the partition's; null: its home is silent. */
  async function toldBlocks(partition: string, network: string, told: readonly Told[]): Promise<ToldBlock[] | null> {
    const home = copy.entry('globalnetwork', network)?.home ?? site;
    if (home === site) {
      const ledger = await ports.ask(networkAt(network), 'ledger', {});
      // Deleted: what it says of a block here was true before.
      if (isRefusal(ledger) && ledger.kind === 'NotFound') return [];
      // One that rests at home is nobody's, whoever had it.
      return orThrow(ledger).blocks.filter(({ holder: of, state }) => of === partition && state !== 'resting');
    }
    const answer = told.find(({ from }) => from === home);
    if (answer === undefined) return null;
    return itemsOf(answer.items, 'block').filter((item) => item.network === network && item.partition === partition);
  }

  const toldLoans = (is: 'borrowed' | 'lent', partition: string, network: string, told: readonly Told[]): ToldLoan[] =>
    told.flatMap(({ from, items }) =>
      itemsOf(items, is)
        .filter((item) => item.network === network && item.yours === partition)
        .map(({ address, h, theirs, ip }) => ({ address, h, partition: theirs, site: from, ip })),
    );

  async function restorePartition(partition: string, told: readonly Told[], silent: string[]): Promise<boolean> {
    const scope = partitionScope(partition);
    const adopted = new Set((await ports.rows.rows('global_network', { scopes: [scope] })).map(({ key }) => key));
    for (const { id } of copy.list('globalnetwork')) {
      if (adopted.has(id)) continue;
      if ((await holder.adopt(partition, id)) === 'later') return false;
      orThrow(await ports.ask(blockAt(partition, id), 'fence', {}));
      adopted.add(id);
    }
    // A network that was made since, perhaps under the name of one that was at home elsewhere: until its home has brought it
    // back to the directory here, nobody would take its blocks.
    const isUnknown = (from: string, network: string): boolean => {
      const entry = copy.entry('globalnetwork', network);
      return entry?.home !== from || entry.entity === null;
    };
    const hasUnknown = ({ from, items }: Told): boolean =>
      itemsOf(items, 'block').some((item) => item.partition === partition && isUnknown(from, item.network));
    if (told.some(hasUnknown)) return false;
    for (const network of adopted) {
      const ask: BlockReconciliation = {
        blocks: await toldBlocks(partition, network, told),
        lent: toldLoans('borrowed', partition, network, told),
        borrowed: toldLoans('lent', partition, network, told),
        // What is lent within the site was restored at both ends.
        silent: [...silent, site],
      };
      orThrow(await ports.ask(blockAt(partition, network), 'reconcile', ask));
    }
    return true;
  }

  return {
    async fence() {
      for (const { scope, key } of await ports.rows.rows('global_network', { scopes: scopes() })) {
        orThrow(await ports.ask(blockAt(scopeId(scope), key), 'fence', {}));
      }
    },
    async compare() {
      const { told, silent } = await askAll();
      const isAlone = told.length + silent.length === 0 && copy.list('globalnetwork').length > 0;
      if (isAlone) missing = [NOBODY];
      if (missing.length > 0 && !isAccepted) return 'later';
      const { networks, deleted } = await restoreDirectory(told);
      for (const network of networks) await restoreNetwork(network, told, silent);
      for (const id of deleted) await endNetwork(id);
      for (const partition of ports.hosted()) {
        if (!(await restorePartition(partition, told, silent))) return 'later';
      }
      missing = [];
      return 'done';
    },
    get missing() {
      return missing;
    },
    goOnWithout() {
      isAccepted = true;
    },
  };
}

const itemsOf = <K extends Item['is']>(items: readonly Item[], is: K): Array<ItemOf<K> & { is: K }> =>
  items.filter((item): item is ItemOf<K> & { is: K } => item.is === is);
