// The home of a global network gives blocks, calls idle ones back before it says that nothing is left, and offers what
// it gave until the receiver has it.
import type { Asker } from '../../actors/asker.ts';
import { addressOf, siteScope } from '../../actors/address.ts';
import type { BlockRecord } from '../../actors/block/record.ts';
import { isRefusal } from '../../actors/refusal.ts';
import { familyOf } from '../../actors/ipam/address.ts';
import { refuseAsk } from '../link/failure.ts';
import type { Attempt } from './blocks-attempts.ts';
import type { NotIdle } from './blocks-in-use.ts';
import type { KeptBlocks } from './blocks-kept.ts';
import {
  nothingSchema,
  offerReplySchema,
  recallReplySchema,
  type DeliveredAsk,
  type GiveAsk,
  type GiveReply,
  type OfferAsk,
  type RecallAsk,
  type RecallReply,
  type ReturnedAsk,
  type TakeBackAsk,
} from './blocks-messages.ts';
import { isTransient, orThrow, RECALL_MS, type BlockPorts } from './blocks-ports.ts';
import { lendFreeReplySchema, type LendFreeAsk, type LendFreeReply } from './loans-messages.ts';

/** What the home asks of a holder, when that is a partition of the home itself. */
export interface LocalHolder {
  offer(ask: OfferAsk): Promise<{ refused: OfferAsk['blocks'] }>;
  recall(ask: RecallAsk, asker?: Asker): Promise<RecallReply>;
  returned(ask: ReturnedAsk): Promise<Record<string, never>>;
  lendFree(ask: LendFreeAsk, asker?: Asker): Promise<LendFreeReply>;
}

export interface RecallOptions extends Pick<RecallAsk, 'count' | 'keep' | 'prefix' | 'resting'> {
  except?: string;
}

/** All idle blocks that a holder may have. */
export const ALL = 65_536;

export interface BlockHome {
  give(ask: GiveAsk, site: string, asker?: Asker): Promise<GiveReply>;
  /** Forbidden when one of the blocks was not given to that site under this h. */
  delivered(ask: DeliveredAsk, site: string): Promise<void>;
  takeBack(ask: TakeBackAsk): Promise<void>;
  /** Brings blocks that stand as `sent` to their end: held by the receiver, or taken back. */
  offer(record: Pick<BlockRecord, 'network' | 'h' | 'holder' | 'holderSite'>): Promise<Attempt>;
  /**
   * Calls idle blocks back from every holder but `except`, at most `count` of each. Before a global network is deleted:
   * everything that is idle, with what only rests.
   */
  recallIdle(network: string, family: GiveAsk['family'], options: RecallOptions): Promise<string[]>;
  /**
   * What holders have of a global network, or of one of its prefixes, that a recall would not bring home, also of what only
   * rests; and who could not be asked, as text. Nothing is called back.
   */
  notIdle(
    network: string,
    only: { family: GiveAsk['family']; prefix?: string },
  ): Promise<NotIdle & { missing: string[] }>;
  /** Calls back what the holders keep idle beyond their share of a network of this site (design.md §6). */
  spareIdle(network: string): Promise<void>;
}

/** Idle blocks are called home so often for those who ask ahead: together they would ask all holders all the time. */
const RECALL_AHEAD_MS = 10_000;

/** So many partitions a refusal names. */
const MOST_NAMED = 8;
const blocksText = (count: number): string => `${count} ${count === 1 ? 'block' : 'blocks'}`;

export function createBlockHome(ports: BlockPorts, here: LocalHolder, kept: Pick<KeptBlocks, 'told'>): BlockHome {
  const { site } = ports;
  const step = (name: Parameters<NonNullable<BlockPorts['step']>>[0]): void => ports.step?.(name);
  const networkAt = (id: string) => addressOf(siteScope(site), 'network', id);
  /** Many partitions that find nothing at the same moment make one round of asking. */
  const recalls = new Map<string, Promise<string[]>>();

  /** How many are waiting for blocks that are called home, by network and family. */
  const needing = new Map<string, number>();
  /** When idle blocks were called home last for somebody who asked ahead, by network and family. */
  const aheadMs = new Map<string, number>();
  function mayRecallAhead(which: string): boolean {
    const nowMs = ports.world.monotonicMs();
    if (nowMs - (aheadMs.get(which) ?? -Infinity) < RECALL_AHEAD_MS) return false;
    aheadMs.set(which, nowMs);
    return true;
  }

  const toHolder = async <R>(
    holderSite: string,
    kind: string,
    body: unknown,
    local: () => Promise<R>,
    schema: { parse(value: unknown): R },
  ): Promise<R> =>
    holderSite === site ? await local() : schema.parse(await ports.federation.ask(holderSite, kind, body, RECALL_MS));

  async function takeBack(ask: TakeBackAsk): Promise<void> {
    step('home.takeBack');
    const { network, ...body } = ask;
    orThrow(await ports.ask(networkAt(network), 'takeBack', body));
  }

  /** The partitions that hold blocks, with their sites. */
  async function holdersOf(network: string, except?: string): Promise<Map<string, string>> {
    const { blocks } = orThrow(await ports.ask(networkAt(network), 'ledger', {}));
    const out = blocks.filter(({ state, holder }) => state !== 'resting' && holder !== except);
    return new Map(out.map(({ holder, holderSite }) => [holder, holderSite]));
  }

  async function recallFrom(holder: string, holderSite: string, ask: RecallAsk): Promise<void> {
    const { blocks } = await toHolder(holderSite, 'blocks.recall', ask, () => here.recall(ask), recallReplySchema);
    for (const { first, h, rest } of blocks) {
      const returned: ReturnedAsk = { network: ask.network, partition: holder, first, h };
      await takeBack({ ...returned, rest });
      // Only sooner: the holder's own site brings a returning block to its end.
      await toHolder(holderSite, 'blocks.returned', returned, () => here.returned(returned), nothingSchema).catch(
        () => {},
      );
    }
  }

  /** Asks holders, all at once; answers who could not be asked, as text. */
  async function askHolders(
    network: string,
    holders: ReadonlyMap<string, string>,
    ask: (partition: string, holderSite: string) => Promise<void>,
  ): Promise<string[]> {
    const missing: string[] = [];
    await Promise.all(
      [...holders].map(async ([partition, holderSite]) => {
        try {
          await ask(partition, holderSite);
        } catch (error) {
          missing.push(`partition ${partition} (site ${holderSite}) can't be reached`);
          if (holderSite === site) ports.odd(`idle blocks of network ${network} in partition ${partition}`, error);
        }
      }),
    );
    return missing.sort();
  }

  async function recallRound(
    network: string,
    family: GiveAsk['family'],
    { except, ...wanted }: RecallOptions,
  ): Promise<string[]> {
    step('home.recall');
    return askHolders(network, await holdersOf(network, except), (partition, holderSite) =>
      recallFrom(partition, holderSite, { network, partition, family, ...wanted }),
    );
  }

  /** Nobody keeps idle more than max(one block, free / (2 × members)). */
  async function spareIdle(network: string): Promise<void> {
    const { blocks, spare } = orThrow(await ports.ask(networkAt(network), 'ledger', {}));
    const held = blocks.filter(({ state }) => state !== 'resting');
    const members = Math.max(1, new Set(held.map(({ holder }) => holder)).size);
    for (const family of ['IPv4', 'IPv6'] as const) {
      const own = spare.filter(({ prefix }) => familyOf(prefix) === family);
      if (own.every(({ given }) => given <= members)) continue;
      const free = own.reduce((sum, one) => sum + Number(one.free), 0);
      const keep = Math.min(ALL, Math.max(1, Math.floor(free / (2 * members))));
      await recallRound(network, family, { count: ALL, keep });
    }
  }

  type Asked = Omit<GiveAsk, 'network'> & { site: string };
  type Given = Omit<GiveReply, 'unreachable'>;

  async function askToLend(
    network: string,
    { h, partition: to, site: toSite, family, count, address }: Asked,
    lender: { partition: string; site: string },
  ): Promise<LendFreeReply> {
    const ask: LendFreeAsk = { network, h, lender: lender.partition, to, site: toSite, family, count, address };
    return await toHolder(lender.site, 'addresses.lendFree', ask, () => here.lendFree(ask), lendFreeReplySchema);
  }

  /** `partition muc holds 6 blocks, partition fra holds 1 block`: why nothing is left for the one that asks. */
  async function othersText(network: string, { partition: asker, family }: Asked): Promise<string> {
    const { blocks } = orThrow(await ports.ask(networkAt(network), 'ledger', {}));
    const held = new Map<string, number>();
    let resting = 0;
    for (const { holder, first, state } of blocks) {
      if (first.includes(':') !== (family === 'IPv6')) continue;
      if (state === 'resting') resting++;
      else if (holder !== asker) held.set(holder, (held.get(holder) ?? 0) + 1);
    }
    const most = [...held].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
    const named = most.slice(0, MOST_NAMED).map(([holder, count]) => `partition ${holder} holds ${blocksText(count)}`);
    const more = most.slice(MOST_NAMED).reduce((sum, [, count]) => sum + count, 0);
    if (more > 0) named.push(`${most.length - MOST_NAMED} others hold ${blocksText(more)}`);
    if (resting > 0) named.push(`${blocksText(resting)} at home kept back by the quarantine`);
    return named.join(', ');
  }

  /** Nothing is exhausted while another partition has a free address: one after the other is asked for some. */
  async function lendSingle(network: string, asked: Asked, given: Given, missing: string[]): Promise<GiveReply> {
    const holders = await holdersOf(network, asked.partition);
    const unreachable = new Set(missing);
    let isComing = false;
    for (const [partition, holderSite] of holders) {
      const silent = `partition ${partition} (site ${holderSite}) can't be reached`;
      if (unreachable.has(silent)) continue;
      try {
        const lent = await askToLend(network, asked, { partition, site: holderSite });
        if (lent.addresses.length > 0) {
          const { addresses } = lent;
          return { ...given, exhausted: false, unreachable: [], lent: { partition, site: holderSite, addresses } };
        }
        isComing ||= lent.isComing;
      } catch (error) {
        if (!isTransient(error)) throw error;
        unreachable.add(silent);
      }
    }
    const others = await othersText(network, asked);
    return { ...given, unreachable: [...unreachable].sort(), others, ...(isComing ? { isComing } : {}) };
  }

  /** The address that is asked for lies in the block of another partition, which lends it if nobody has it. */
  async function askHolder(network: string, asked: Asked, given: Given): Promise<GiveReply> {
    const holderSite = given.holder === null ? undefined : (await holdersOf(network)).get(given.holder);
    if (given.holder === null || holderSite === undefined || given.holder === asked.partition)
      return { ...given, unreachable: [] };
    try {
      const lender = { partition: given.holder, site: holderSite };
      const { addresses, isTaken } = await askToLend(network, asked, lender);
      if (addresses.length > 0) return { ...given, unreachable: [], lent: { ...lender, addresses } };
      if (isTaken === true) return { ...given, unreachable: [] };
      const moving = `it, or the block it lies in, is on its way to or from partition ${given.holder}`;
      return { ...given, holder: null, unreachable: [moving] };
    } catch (error) {
      if (!isTransient(error)) throw error;
      const silent = `partition ${given.holder} (site ${holderSite}), whose block it lies in, can't be reached`;
      return { ...given, holder: null, unreachable: [silent] };
    }
  }

  const home: BlockHome = {
    spareIdle,
    async give({ network, ...asked }, holderSite, asker) {
      step('home.give');
      const ask = { ...asked, site: holderSite };
      const giveBlocks = async () => {
        const given = orThrow(await ports.ask(networkAt(network), 'giveBlocks', ask, asker));
        // What goes to another site is known there; what stays here somebody else has to know (reliability.md F24).
        if (holderSite === site && given.blocks.length > 0) await kept.told(network);
        return given;
      };
      // Whoever needs a block has one called home, and is given it before those who only ask ahead.
      const isAhead = asked.single !== true && asked.address === null;
      const which = `${network}|${asked.family}`;
      if (isAhead && needing.has(which)) return { blocks: [], exhausted: true, holder: null, unreachable: [] };
      const given = await giveBlocks();
      if (given.restsMs !== undefined) {
        const kept = `the block of ${asked.address} is kept back at site ${site} for another ${Math.ceil(given.restsMs / 1_000)} s, since addresses in it were released`;
        return { ...given, unreachable: [kept] };
      }
      if (given.holder !== null && asked.address !== null) return await askHolder(network, ask, given);
      if (!given.exhausted || asked.address !== null) return { ...given, unreachable: [] };
      const wanted: RecallOptions = { except: asked.partition, count: 1 };
      if (isAhead) {
        if (!mayRecallAhead(which)) return { ...given, unreachable: [] };
        // Everybody keeps an idle one: else the last one would go round.
        const missing = await home.recallIdle(network, asked.family, { ...wanted, keep: 1 });
        const again = needing.has(which) ? given : await giveBlocks();
        return { ...again, unreachable: again.exhausted ? missing : [] };
      }
      needing.set(which, (needing.get(which) ?? 0) + 1);
      try {
        const missing = await home.recallIdle(network, asked.family, wanted);
        const again = await giveBlocks();
        return again.exhausted ? await lendSingle(network, ask, again, missing) : { ...again, unreachable: [] };
      } finally {
        const others = (needing.get(which) ?? 0) - 1;
        if (others > 0) needing.set(which, others);
        else needing.delete(which);
      }
    },

    async delivered({ network, h, firsts }, holderSite) {
      const keys = firsts.map((first) => `${network}|${first}`);
      const rows = await ports.rows.rows('block', { scopes: [siteScope(site)], keys });
      const foreign = rows.find(({ value }) => value.h === h && value.holderSite !== holderSite);
      if (foreign !== undefined) {
        throw refuseAsk('Forbidden', `block ${foreign.value.first} was given to site ${foreign.value.holderSite}`);
      }
      step('home.deliver');
      // Taken back, or given under another h meanwhile: an echo.
      if (!rows.some(({ value }) => value.h === h)) return;
      orThrow(await ports.ask(networkAt(network), 'blocksDelivered', { h }));
    },

    takeBack,

    async offer({ network, h, holder, holderSite }) {
      const ledger = await ports.ask(networkAt(network), 'ledger', {});
      // A network is deleted only when none of its blocks is out.
      if (isRefusal(ledger) && ledger.kind === 'NotFound') return 'done';
      const { blocks: all } = orThrow(ledger);
      const sent = all.filter((block) => block.h === h && block.holder === holder && block.state === 'sent');
      if (sent.length === 0) return 'done';
      step('home.offer');
      const blocks = sent.map(({ first, length, prefix }) => ({ first, length, prefix }));
      const ask: OfferAsk = { network, partition: holder, h, blocks };
      const { refused } = await toHolder(holderSite, 'blocks.offer', ask, () => here.offer(ask), offerReplySchema);
      for (const { first } of refused) await takeBack({ network, partition: holder, first, h });
      if (refused.length < sent.length) orThrow(await ports.ask(networkAt(network), 'blocksDelivered', { h }));
      return 'done';
    },

    async notIdle(network, { family, ...only }) {
      const { blocks } = orThrow(await ports.ask(networkAt(network), 'ledger', {}));
      const concerned = blocks.filter(
        ({ prefix, state }) =>
          state !== 'resting' && familyOf(prefix) === family && (only.prefix === undefined || prefix === only.prefix),
      );
      const holders = new Map(concerned.map(({ holder, holderSite }) => [holder, holderSite]));
      const notIdle: NotIdle = { blocks: [], inUse: [] };
      const borrowers = new Map<string, string>();
      const look = async (partition: string, holderSite: string): Promise<void> => {
        const ask: RecallAsk = { network, partition, count: ALL, family, look: true, resting: true, ...only };
        const idle = await toHolder(holderSite, 'blocks.recall', ask, () => here.recall(ask), recallReplySchema);
        const firsts = new Set(idle.blocks.map(({ first }) => first));
        notIdle.blocks.push(...concerned.filter(({ first, holder }) => holder === partition && !firsts.has(first)));
        if (idle.inUse === undefined) return;
        notIdle.inUse.push(idle.inUse);
        for (const borrower of idle.inUse.borrowers) borrowers.set(borrower.partition, borrower.site);
      };
      const missing = await askHolders(network, holders, look);
      // Whoever has an address of theirs may hold no block.
      for (const partition of holders.keys()) borrowers.delete(partition);
      missing.push(...(await askHolders(network, borrowers, look)));
      return { ...notIdle, missing };
    },

    recallIdle(network, family, options) {
      const { except = '', count, keep = 0, prefix = '', resting = false } = options;
      const key = `${network}|${family}|${except}|${count}|${keep}|${prefix}|${resting}`;
      let running = recalls.get(key);
      if (running === undefined) {
        running = recallRound(network, family, options).finally(() => recalls.delete(key));
        recalls.set(key, running);
      }
      return running;
    },
  };
  return home;
}
