// Drives the hand-over of blocks between the home of a global network and the partitions that hold them (design.md §6,
// reliability.md §7.2). All state is in rows, so it may be interrupted anywhere and repeated at will.
import { isPartitionScope, partitionScope, scopeId, siteScope } from '../../actors/address.ts';
import type { WantRecord } from '../../actors/block/record.ts';
import type { Standing } from '../../actors/network/standing.ts';
import type { LogEntry } from '../../actors/ports.ts';
import type { Change, Row } from '../../actors/records.ts';
import type { Family } from '../../actors/ipam/address.ts';
import { refuseAsk } from '../link/failure.ts';
import type { Peer } from '../link/link.ts';
import type { AskHandler } from '../link/serve.ts';
import { createAttempts } from './blocks-attempts.ts';
import { createBlockHolder } from './blocks-holder.ts';
import { createBlockHome, type BlockHome } from './blocks-home.ts';
import {
  deliveredSchema,
  giveSchema,
  offerSchema,
  recallSchema,
  returnedSchema,
  takeBackSchema,
} from './blocks-messages.ts';
import * as loanMessages from './loans-messages.ts';
import { createLoans } from './loans.ts';
import { isTransient, reasonOf, type BlockPorts } from './blocks-ports.ts';

export type { BlockPorts, BlockStep } from './blocks-ports.ts';

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
  /** Calls all idle blocks of a network of this site home, e.g. before it is deleted; answers who could not be asked. */
  recallAll(network: string): Promise<string[]>;
  /** Pieces of work that are not done yet; for inspection. */
  readonly open: number;
  close(): void;
}

/** So long the ordinary way has to bring blocks to their receiver before the home offers them again. */
const OFFER_AFTER_MS = 5_000;

/** As long as a directory write waits for its members. */
const ADOPTED_WITHIN_MS = 250;

/** How often the home looks for blocks that are kept idle. */
const SPARE_MS = 60_000;

type Told = Pick<Row, 'table' | 'scope' | 'key' | 'version'> & { value: unknown };

/** Attempts are repeated for ever; that the same thing is odd is worth a line now and then. */
const SAY_AGAIN_MS = 60_000;

function seldom(ports: BlockPorts): BlockPorts['odd'] {
  const said = new Map<string, number>();
  return (what, error) => {
    const nowMs = ports.world.monotonicMs();
    if (nowMs - (said.get(what) ?? -Infinity) < SAY_AGAIN_MS) return;
    if (said.size >= 1_000) said.clear();
    said.set(what, nowMs);
    ports.odd(what, error);
  };
}

export function createBlockDriver(options: BlockPorts): BlockDriver {
  const { site, copy } = options;
  const ports: BlockPorts = { ...options, odd: seldom(options) };
  const attempts = createAttempts(ports.world, (key, error) => {
    if (!isTransient(error)) ports.odd(`blocks: ${key}`, error);
  });
  let home: BlockHome | undefined;
  const holder = createBlockHolder(ports, () => home as BlockHome);
  home = createBlockHome(ports, holder);
  const atHome = home;
  const loans = createLoans(ports);
  /** Open requests of the hosted partitions, by scope and key; with the version, since rows and log may overtake. */
  const wants = new Map<string, { version: number; record: WantRecord }>();
  const started = new Set<string>();

  let cancelSparing = (): void => {};
  /** Idle blocks beyond what a member may keep come home now and then, while there is space: nobody waits for them. */
  function spareLater(): void {
    cancelSparing = ports.world.after(SPARE_MS * (0.9 + 0.2 * ports.world.random()), () => {
      const own = copy.list('globalnetwork').filter(({ id }) => copy.entry('globalnetwork', id)?.home === site);
      void Promise.all(own.map(({ id }) => atHome.spareIdle(id)))
        .catch((error: unknown) => ports.odd('idle blocks beyond the share of their holders', error))
        .finally(spareLater);
    });
  }

  const isHosted = (partition: string): boolean => ports.hosted().includes(partition);

  function seeWant({ scope, key, version, value }: Told): void {
    const name = `want|${scope}|${key}`;
    const known = wants.get(name);
    if (known !== undefined && known.version > version) return;
    const record = value as WantRecord | null;
    if (record === null) {
      wants.delete(name);
      return attempts.drop(name);
    }
    wants.set(name, { version, record });
    const reason = record.denied?.reason;
    if (reason === 'exhausted' || reason === 'elsewhere' || reason === 'declined') return;
    // Our own word that somebody can't be reached must not bring the next attempt forward.
    if (reason === 'unreachable' && known !== undefined) return;
    const current = (): WantRecord | undefined => wants.get(name)?.record;
    const isLoan = record.lender !== undefined;
    // A single address is asked for once a request: that it comes when nobody waits any more would be a surprise.
    if (isLoan && reason !== undefined) return;
    attempts.run(name, () => (isLoan ? loans : holder).fetch(scopeId(scope), current));
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
    else attempts.run(name, () => loans.giveBack({ ...at, loan }));
  }

  function see(row: Change | Row): void {
    const { scope, key } = row;
    if (isPartitionScope(scope) && isHosted(scopeId(scope))) {
      if (row.table === 'ip') return seeAddress(row);
      if (row.table === 'want') return seeWant(row);
      if (row.table !== 'holding') return;
      const name = `holding|${scope}|${key}`;
      if (row.value?.state !== 'returning') return attempts.drop(name);
      const { network, first, h } = row.value;
      return attempts.run(name, () => holder.giveBack({ network, partition: scopeId(scope), first, h }));
    }
    if (scope !== siteScope(site)) return;
    if (row.table === 'block' && row.value !== null) {
      const record = row.value;
      const name = `block|${record.network}|${record.h}|${record.holder}`;
      if (record.state === 'sent') attempts.run(name, () => atHome.offer(record), OFFER_AFTER_MS);
      else attempts.drop(name);
    }
    if (row.table === 'directory' && row.value?.kind === 'globalnetwork') adoptEverywhere(row.value.id);
  }

  const adopt = (partition: string, network: string): void =>
    attempts.run(`adopt|${partition}|${network}`, () => holder.adopt(partition, network));

  function adoptEverywhere(network: string): void {
    for (const partition of ports.hosted()) if (started.has(partition)) adopt(partition, network);
  }

  async function take(partitions: readonly string[]): Promise<void> {
    if (partitions.length === 0) return;
    const scopes = partitions.map(partitionScope);
    for (const row of await ports.rows.rows('want', { scopes })) see(row);
    for (const row of await ports.rows.rows('holding', { scopes })) see(row);
    const standing: Standing[] = ['lent', 'freed', 'recalled'];
    for (const row of await ports.rows.rows('ip', { scopes, standing })) see(row);
    const copies = await ports.rows.rows('global_network', { scopes });
    for (const partition of partitions) {
      started.add(partition);
      for (const { id } of copy.list('globalnetwork')) adopt(partition, id);
    }
    // What was deleted while this site was down.
    for (const { scope, key } of copies) if (copy.get('globalnetwork', key) === undefined) adopt(scopeId(scope), key);
  }

  const siteOf = (peer: Peer): string => {
    if (peer.kind !== 'site') throw refuseAsk('Forbidden', `only sites hand blocks over, not a ${peer.kind}`);
    return peer.name;
  };
  /** A site speaks for its own partitions only (reliability.md §9). */
  const speaksForPartition = (peer: Peer, partition: string): string => {
    const member = siteOf(peer);
    const owner = copy.entry('partition', partition)?.home;
    if (owner === member) return member;
    if (owner === undefined) throw refuseAsk('Unavailable', `partition ${partition} is not known at site ${site} yet`);
    throw refuseAsk('Forbidden', `site ${member} can't speak for partition ${partition} of site ${owner}`);
  };
  const speaksForNetwork = (peer: Peer, network: string, partition: string): void => {
    const member = siteOf(peer);
    const owner = copy.entry('globalnetwork', network)?.home;
    if (owner === undefined) throw refuseAsk('Unavailable', `network ${network} is not known at site ${site} yet`);
    if (owner !== member) {
      throw refuseAsk('Forbidden', `site ${member} can't speak for network ${network} of site ${owner}`);
    }
    if (!isHosted(partition)) throw refuseAsk('NotFound', `partition ${partition} is not hosted by site ${site}`);
  };

  /** The peer's partition is one of its own, ours is hosted here. */
  const between = (peer: Peer, theirs: string, ours: string): string => {
    const member = speaksForPartition(peer, theirs);
    if (!isHosted(ours)) throw refuseAsk('NotFound', `partition ${ours} is not hosted by site ${site}`);
    return member;
  };

  return {
    asks: {
      'addresses.lend': async (body, peer) => {
        const ask = loanMessages.lendSchema.parse(body);
        return await loans.lend(ask, between(peer, ask.to, ask.lender));
      },
      'addresses.lent': async (body, peer) => {
        const ask = loanMessages.returnedSchema.parse(body);
        between(peer, ask.borrower, ask.lender);
        return await loans.lent(ask);
      },
      'addresses.giveUp': async (body, peer) => {
        const ask = loanMessages.giveUpSchema.parse(body);
        between(peer, ask.lender, ask.borrower);
        return await loans.giveUp(ask);
      },
      'addresses.back': async (body, peer) => {
        const ask = loanMessages.backSchema.parse(body);
        between(peer, ask.borrower, ask.lender);
        return await loans.takeBack(ask);
      },
      'addresses.returned': async (body, peer) => {
        const ask = loanMessages.returnedSchema.parse(body);
        between(peer, ask.lender, ask.borrower);
        return await loans.returned(ask);
      },
      'addresses.offer': async (body, peer) => {
        const ask = loanMessages.offerSchema.parse(body);
        return await loans.offered(ask, between(peer, ask.lender, ask.borrower));
      },
      'blocks.give': async (body, peer) => {
        const ask = giveSchema.parse(body);
        return await atHome.give(ask, speaksForPartition(peer, ask.partition));
      },
      'blocks.delivered': async (body, peer) => {
        await atHome.delivered(deliveredSchema.parse(body), siteOf(peer));
        return {};
      },
      'blocks.takeBack': async (body, peer) => {
        const ask = takeBackSchema.parse(body);
        speaksForPartition(peer, ask.partition);
        await atHome.takeBack(ask);
        return {};
      },
      'blocks.offer': async (body, peer) => {
        const ask = offerSchema.parse(body);
        speaksForNetwork(peer, ask.network, ask.partition);
        return await holder.offer(ask);
      },
      'blocks.recall': async (body, peer) => {
        const ask = recallSchema.parse(body);
        speaksForNetwork(peer, ask.network, ask.partition);
        return await holder.recall(ask);
      },
      'blocks.returned': async (body, peer) => {
        const ask = returnedSchema.parse(body);
        speaksForNetwork(peer, ask.network, ask.partition);
        return await holder.returned(ask);
      },
    },
    async start() {
      for (const row of await ports.rows.rows('block', { scopes: [siteScope(site)] })) see(row);
      await take([...ports.hosted()]);
      spareLater();
    },
    committed(entry) {
      for (const change of entry.changes) see(change);
    },
    async adopted(networks) {
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
    async hostedChanged() {
      await take(ports.hosted().filter((partition) => !started.has(partition)));
    },
    async recallAll(network) {
      const missing = new Set<string>();
      for (const family of ['IPv4', 'IPv6'] satisfies Family[]) {
        try {
          for (const one of await atHome.recallIdle(network, family, { count: 65_536 })) missing.add(one);
        } catch (error) {
          if (!isTransient(error)) throw error;
          missing.add(`the ledger of network ${network} at site ${site}: ${reasonOf(error)}`);
        }
      }
      return [...missing];
    },
    get open() {
      return attempts.open;
    },
    close() {
      cancelSparing();
      attempts.close();
    },
  };
}
