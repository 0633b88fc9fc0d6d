// Drives the hand-over of blocks between the home of a global network and the partitions that hold them (design.md §6,
// reliability.md §7.2). All state is in rows, so it may be interrupted anywhere and repeated at will.
import { addressOf, isPartitionScope, partitionScope, scopeId, siteScope } from '../../actors/address.ts';
import type { Standing } from '../../actors/network/standing.ts';
import type { LogEntry } from '../../actors/ports.ts';
import type { Change, Row } from '../../actors/records.ts';
import { isRefusal, unreachable, type Refusal } from '../../actors/refusal.ts';
import type { AskHandler } from '../link/serve.ts';
import { createAttempts, type Attempt } from './blocks-attempts.ts';
import { createBlockHolder } from './blocks-holder.ts';
import { createBlockHome, type BlockHome } from './blocks-home.ts';
import { createKeptBlocks } from './blocks-kept.ts';
import { createBlockAsks } from './blocks-asks.ts';
import { createLoans } from './loans.ts';
import { nothingSchema, type LeaseAsk } from './blocks-messages.ts';
import { createPauses } from './blocks-pauses.ts';
import { createRecall, type Recalled, type RecallOf } from './blocks-recall.ts';
import { createOpenWants } from './blocks-wants.ts';
import { createLeaving } from './blocks-leaving.ts';
import { ASK_MS, isDeletedHere, isTransient, reasonOf, seldom, type BlockPorts } from './blocks-ports.ts';
import { createComparison, notCompared } from './restored.ts';

export type { BlockPorts, BlockStep } from './blocks-ports.ts';
export type { Recalled } from './blocks-recall.ts';

export interface BlockDriver {
  /** To be served to the other sites; each speaks for its own partitions and networks only. */
  readonly asks: Record<string, AskHandler>;
  /** Takes up what the rows say is open. Rejects when they can't be read. */
  start(): Promise<void>;
  /** What was just committed here, after the copy of the directory took it. */
  committed(entry: LogEntry): void;
  /**
   * Tells the partitions here of global networks now, for a caller that waits until they can be used, at most 250 ms
   * (design.md §2, read your writes); what fails is tried again without it.
   */
  adopted(networks: readonly string[]): Promise<void>;
  /** A partition was added to those hosted here. */
  hostedChanged(): Promise<void>;
  /**
   * Acts, e.g. deletes a partition here, once it has given all its blocks back and takes part in no global network, or says
   * why it can't. If nothing comes of it, it takes part again.
   */
  withoutBlocks<T>(partition: string, act: () => Promise<T | Refusal>): Promise<T | Refusal>;
  /**
   * Calls all idle blocks of a network of this site home, e.g. before it is deleted, or those of prefixes that are to be
   * removed; also those with addresses that are only kept back, if no address is in use. Answers who could not be asked.
   */
  recallAll(network: string, of?: RecallOf): Promise<Recalled>;
  /**
   * Tells all partitions again of a network that is at home here: whoever has no block of it leases one. After a recall
   * for a deletion that did not come about.
   */
  lease(network: string): void;
  /** Pieces of work that are not done yet; for inspection. */
  readonly open: number;
  /** Sites that a restored backup was not compared with yet, with the reason; null: nothing is fenced. */
  readonly restored: { missing: readonly string[] } | null;
  /** Why a global network can't be changed, made or deleted here: the same; undefined: it can. */
  refuseFenced(): Refusal | undefined;
  /** Blocks of the partitions here that give nothing out since a backup was restored. */
  closedBlocks(): Promise<number>;
  /**
   * An operator accepts what a restored backup lost: blocks that stay closed since then hand out again. Refused while
   * the comparison is not over, unless it is to go on `without` the sites that are missing. Answers how many blocks.
   */
  acceptLoss(options: { without: boolean }): Promise<{ blocks: number } | Refusal>;
  close(): void;
}

/** So long the ordinary way has to bring blocks to their receiver before the home offers them again. */
const OFFER_AFTER_MS = 5_000;

/** A borrowed address that nobody took goes back so soon: it was lent because somebody waited. */
const IDLE_MS = 5_000;

/** As long as a directory write waits for its members. */
const ADOPTED_WITHIN_MS = 250;

/** How often the home looks for blocks that are kept idle. */
const SPARE_MS = 60_000;

const FENCED = (site: string): string =>
  `site ${site} was restored from a backup, and compares its global networks with the other sites first`;

export interface BlockDriverOptions extends BlockPorts {
  /** The database was restored from a backup, and not compared with the other sites yet (reliability.md F24). */
  isRestored?: boolean;
  /** It was. */
  compared?(): void;
}

export function createBlockDriver(options: BlockDriverOptions): BlockDriver {
  const { site, copy } = options;
  const ports: BlockPorts = { ...options, odd: seldom(options) };
  const attempts = createAttempts(ports.world, (key, error) => {
    if (!isTransient(error)) ports.odd(`blocks: ${key}`, error);
  });
  const pauses = createPauses(ports.world);
  let home: BlockHome | undefined;
  const loans = createLoans(ports);
  const holder = createBlockHolder(ports, () => home as BlockHome, loans);
  const kept = createKeptBlocks(ports, attempts);
  home = createBlockHome(ports, holder, kept);
  const atHome = home;
  const leave = createLeaving(ports, holder);
  const wants = createOpenWants({ attempts, pauses, holder, loans });
  const comparison = createComparison(ports, holder);
  let isFenced = options.isRestored === true;
  const started = new Set<string>();
  const refuseFenced = (): Refusal | undefined => (isFenced ? unreachable(FENCED(site)) : undefined);

  let cancelSparing = (): void => {};
  /** Idle blocks beyond what a member may keep come home now and then, while there is space: nobody waits for them. */
  function spareLater(): void {
    cancelSparing = ports.world.after(SPARE_MS * (0.9 + 0.2 * ports.world.random()), () => {
      void Promise.all(isFenced ? [] : ownNetworks().map((id) => atHome.spareIdle(id)))
        .catch((error: unknown) => ports.odd('idle blocks beyond the share of their holders', error))
        .finally(spareLater);
    });
  }

  const ownNetworks = (): string[] =>
    copy.list('globalnetwork').flatMap(({ id }) => (copy.entry('globalnetwork', id)?.home === site ? [id] : []));

  const isHosted = (partition: string): boolean => ports.hosted().includes(partition);

  /** A block went home: if the partition has too few now, it leases another one when those who needed it have it. */
  function leaseLater(partition: string, network: string): void {
    const name = `lease|${partition}|${network}`;
    pauses.later(name, () => {
      pauses.end(name);
      if (started.has(partition) && copy.get('globalnetwork', network) !== undefined) adopt(partition, network);
    });
  }

  /** Addresses whose loan has work open, by scope and key. */
  const moving = new Set<string>();

  function seeAddress({ scope, key, value }: Extract<Change | Row, { table: 'ip' }>): void {
    const name = `ip|${scope}|${key}`;
    const loan = value?.loan;
    const isOpen = loan !== undefined && (loan.as === 'lent' ? loan.state === 'sent' : loan.state !== 'held');
    if (!isOpen || value === null) {
      if (moving.delete(name)) attempts.drop(name);
      return;
    }
    moving.add(name);
    const at = { network: value.network, address: value.address, partition: scopeId(scope) };
    if (loan.as === 'lent') attempts.run(name, () => loans.offer({ ...at, loan }), OFFER_AFTER_MS);
    else attempts.run(name, () => loans.giveBack({ ...at, loan }), loan.state === 'idle' ? IDLE_MS : 0);
  }

  function see(row: Change | Row): void {
    if (isFenced) return;
    const { scope, key } = row;
    if (isPartitionScope(scope) && isHosted(scopeId(scope))) {
      if (row.table === 'ip') return seeAddress(row);
      if (row.table === 'want') return wants.see(row);
      if (row.table !== 'holding') return;
      const name = `holding|${scope}|${key}`;
      if (row.value === null) leaseLater(scopeId(scope), key.slice(0, key.lastIndexOf('|')));
      if (row.value?.state !== 'returning') return attempts.drop(name);
      const { network, first, h, rest } = row.value;
      return attempts.run(name, () => holder.giveBack({ network, partition: scopeId(scope), first, h, rest }));
    }
    if (scope !== siteScope(site)) return;
    if (row.table === 'block' && row.value !== null) {
      const record = row.value;
      const name = `block|${record.network}|${record.h}|${record.holder}`;
      if (record.state === 'sent') attempts.run(name, () => atHome.offer(record), OFFER_AFTER_MS);
      // The others of the same h may still be on their way when one comes home to rest.
      else if (record.state === 'delivered') attempts.drop(name);
    }
    if (row.table === 'block') kept.tell(row.key.slice(0, row.key.lastIndexOf('|')));
    if (row.table !== 'directory' || row.value === null) return;
    if (row.value.kind === 'globalnetwork') adoptEverywhere(row.value.id);
    // Another site may have come.
    if (row.value.kind !== 'partition') return;
    for (const id of ownNetworks()) kept.tell(id);
    if (isDeletedHere(ports, row.value.id)) letGo(row.value.id);
  }

  const adopt = (partition: string, network: string): void =>
    attempts.run(`adopt|${partition}|${network}`, () => holder.adopt(partition, network));

  function adoptEverywhere(network: string): void {
    for (const partition of ports.hosted()) if (started.has(partition)) adopt(partition, network);
  }

  /** The partition is told of no network any more, and gets no block. */
  function letGo(partition: string): void {
    started.delete(partition);
    for (const { id } of copy.list('globalnetwork')) attempts.drop(`adopt|${partition}|${id}`);
    wants.drop(partition);
  }

  /** Has the sites of all partitions tell them of these networks of this site. */
  function lease(networks: readonly string[]): void {
    if (networks.length === 0) return;
    for (const id of networks) adoptEverywhere(id);
    const homes = copy.list('partition').map(({ id }) => copy.entry('partition', id)?.home ?? site);
    for (const member of new Set(homes)) {
      if (member === site) continue;
      const ask: LeaseAsk = { networks: [...networks] };
      attempts.run(`lease|${member}|${networks.join('|')}`, async () => {
        nothingSchema.parse(await ports.federation.ask(member, 'blocks.lease', ask, ASK_MS));
        return 'done';
      });
    }
  }

  async function take(partitions: readonly string[]): Promise<void> {
    if (partitions.length === 0 || isFenced) return;
    const scopes = partitions.map(partitionScope);
    for (const row of await ports.rows.rows('want', { scopes })) see(row);
    for (const row of await ports.rows.rows('holding', { scopes })) see(row);
    const standing: Standing[] = ['lent', 'idle', 'freed', 'recalled'];
    for (const row of await ports.rows.rows('ip', { scopes, standing })) see(row);
    const copies = await ports.rows.rows('global_network', { scopes });
    for (const partition of partitions) {
      started.add(partition);
      for (const { id } of copy.list('globalnetwork')) adopt(partition, id);
    }
    // What was deleted while this site was down.
    for (const { scope, key } of copies) if (copy.get('globalnetwork', key) === undefined) adopt(scopeId(scope), key);
  }

  const recallAll = createRecall(ports, atHome, (network) => lease([network]));

  const hostedChanged = (): Promise<void> => take(ports.hosted().filter((partition) => !started.has(partition)));

  /** What the rows say is open has been taken up; begins again from the start if it could not be read. */
  let isTakenUp = false;
  async function takeUp(): Promise<void> {
    for (const row of await ports.rows.rows('block', { scopes: [siteScope(site)] })) see(row);
    await take([...ports.hosted()]);
    const own = ownNetworks();
    for (const id of own) kept.tell(id);
    // A process that ended between a recall and what it was for has told nobody.
    lease(own);
    isTakenUp = true;
  }

  async function compareOnce(): Promise<Attempt> {
    if (isFenced) {
      if ((await comparison.compare()) === 'later') return 'later';
      isFenced = false;
      options.compared?.();
    }
    if (!isTakenUp) await takeUp();
    return 'done';
  }
  let comparing: Promise<Attempt> | undefined;
  /** One at a time: what was told before must not be applied after the fence is down. */
  function compare(): Promise<Attempt> {
    comparing ??= compareOnce().finally(() => (comparing = undefined));
    return comparing;
  }

  return {
    asks: createBlockAsks({
      ports,
      home: atHome,
      holder,
      loans,
      kept,
      adopt: adoptEverywhere,
      fence: () => (isFenced ? FENCED(site) : undefined),
    }),
    async start() {
      if (isFenced) {
        await comparison.fence();
        attempts.run('compare', compare);
      } else await takeUp();
      spareLater();
    },
    committed(entry) {
      for (const change of entry.changes) see(change);
    },
    async adopted(networks) {
      if (isFenced) return;
      const asks = networks.flatMap((network) =>
        ports.hosted().map((partition) => holder.adopt(partition, network).catch(() => undefined)),
      );
      if (asks.length === 0) return;
      await new Promise<void>((resolve) => {
        const cancel = ports.world.after(ADOPTED_WITHIN_MS, resolve);
        void Promise.all(asks).then(() => {
          cancel();
          resolve();
        });
      });
    },
    hostedChanged,
    refuseFenced,
    async withoutBlocks(partition, act) {
      const fenced = refuseFenced();
      if (fenced !== undefined) return fenced;
      letGo(partition);
      let isDone = false;
      try {
        const answer = (await leave(partition)) ?? (await act());
        isDone = !isRefusal(answer);
        return answer;
      } finally {
        if (!isDone) attempts.run('hosted', async () => hostedChanged().then(() => 'done'));
      }
    },
    lease: (network) => lease([network]),
    recallAll: async (network, of) =>
      isFenced ? { missing: [FENCED(site)], isCalled: false } : recallAll(network, of),
    get open() {
      return attempts.open;
    },
    get restored() {
      return isFenced ? { missing: comparison.missing } : null;
    },
    async closedBlocks() {
      const scopes = ports.hosted().map(partitionScope);
      const holdings = await ports.rows.rows('holding', { scopes });
      return holdings.filter(({ value }) => value.state === 'doubtful').length;
    },
    async acceptLoss({ without }) {
      if (isFenced && without) {
        comparison.goOnWithout();
        try {
          // One that began before did not know it.
          if ((await compare()) === 'later') await compare();
        } catch (error) {
          if (!isTransient(error)) throw error;
          return unreachable(`site ${site} can't be compared with the others at the moment: ${reasonOf(error)}`);
        }
      }
      if (isFenced) {
        return notCompared(site, comparison.missing);
      }
      let blocks = 0;
      const scopes = ports.hosted().map(partitionScope);
      for (const { scope, key } of await ports.rows.rows('global_network', { scopes })) {
        const trusted = await ports.ask(addressOf(scope, 'block', key), 'trust', {});
        if (isRefusal(trusted)) return trusted;
        blocks += trusted.blocks;
      }
      return { blocks };
    },
    close() {
      cancelSparing();
      pauses.close();
      attempts.close();
    },
  };
}
