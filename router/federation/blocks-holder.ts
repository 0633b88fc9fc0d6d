// The site of a partition that holds blocks: adopts global networks, fetches what its block actors want, and brings
// back what they return.
import { addressOf, partitionScope } from '../../actors/address.ts';
import type { WantRecord } from '../../actors/block/record.ts';
import { alreadyAllocated } from '../../actors/ipam/refusal-texts.ts';
import { isRefusal } from '../../actors/refusal.ts';
import type { Attempt } from './blocks-attempts.ts';
import type { BlockHome, LocalHolder } from './blocks-home.ts';
import {
  giveReplySchema,
  nothingSchema,
  type DeliveredAsk,
  type GiveAsk,
  type GiveReply,
  type TakeBackAsk,
} from './blocks-messages.ts';
import type { Loans } from './loans.ts';
import {
  ASK_MS,
  isDeletedHere,
  isTransient,
  orThrow,
  reasonOf,
  type BlockPorts,
  type BlockStep,
} from './blocks-ports.ts';

export interface BlockHolder extends LocalHolder {
  /** Tells a partition's block actor of the network as the directory has it now. */
  adopt(partition: string, network: string): Promise<Attempt>;
  /** Fetches what one open request wants. `current`: the request as last seen; undefined when it is over. */
  fetch(partition: string, current: () => WantRecord | undefined): Promise<Attempt>;
  /** The same for what was denied, unless it is not needed any more; then it is over. */
  fetchAgain(partition: string, current: () => WantRecord | undefined): Promise<Attempt>;
  /** Brings one returning block home. */
  giveBack(ask: TakeBackAsk): Promise<Attempt>;
}

/** A refusal is said, once, after so many in a row. */
const TRIES_SAID = 5;
/** All idle blocks of a network that is gone. */
const ALL = 65_536;

export function createBlockHolder(
  ports: BlockPorts,
  home: () => BlockHome,
  loans: Pick<Loans, 'takeFree' | 'lendFree'>,
): BlockHolder {
  const { site, copy } = ports;
  const step = (name: BlockStep): void => ports.step?.(name);
  const blockAt = (partition: string, network: string) => addressOf(partitionScope(partition), 'block', network);

  /** A tombstone keeps naming the home, so blocks find their way back from a network that is gone. */
  function homeOf(network: string): string {
    const entry = copy.entry('globalnetwork', network);
    if (entry === undefined) throw new Error(`network ${network} is not in the directory`);
    return entry.home;
  }

  async function give(ask: GiveAsk): Promise<GiveReply> {
    const to = homeOf(ask.network);
    if (to === site) return await home().give(ask, site);
    return giveReplySchema.parse(await ports.federation.ask(to, 'blocks.give', ask, ASK_MS));
  }

  async function delivered(ask: DeliveredAsk): Promise<void> {
    const to = homeOf(ask.network);
    if (to === site) await home().delivered(ask, site);
    else nothingSchema.parse(await ports.federation.ask(to, 'blocks.delivered', ask, ASK_MS));
  }

  async function takeBack(ask: TakeBackAsk): Promise<void> {
    const to = homeOf(ask.network);
    if (to === site) await home().takeBack(ask);
    else nothingSchema.parse(await ports.federation.ask(to, 'blocks.takeBack', ask, ASK_MS));
  }

  /** Refusals in a row by partition and network. */
  const refusals = new Map<string, number>();

  const holder: BlockHolder = {
    async adopt(partition, network) {
      const entry = copy.entry('globalnetwork', network);
      if (entry === undefined) return 'done';
      step('adopt');
      const to = blockAt(partition, network);
      const answer = await ports.ask(to, 'adopt', { network: entry.entity, home: entry.home });
      const which = `${partition}|${network}`;
      if (!isRefusal(answer)) {
        refusals.delete(which);
        return 'done';
      }
      if (entry.entity === null) {
        // Its blocks go home first; each one that did may be the last.
        for (const family of ['IPv4', 'IPv6'] as const) {
          orThrow(await ports.ask(to, 'recall', { count: ALL, family, resting: true }));
        }
      } else if (answer.kind !== 'Unavailable') {
        // At first it is often being changed, and taken at the next try.
        const tries = (refusals.get(which) ?? 0) + 1;
        refusals.set(which, tries);
        if (tries === TRIES_SAID)
          ports.odd(`partition ${partition} can't take network ${network}, ${tries} tries: ${answer.message}`);
      }
      return 'later';
    },

    async fetch(partition, current) {
      const want = current();
      if (want === undefined) return 'done';
      const { network, h, family, address, ahead, denied } = want;
      // Who waited for what was denied has heard so: it is asked for again ahead of need.
      const isAhead = ahead === true || denied !== null;
      const count = denied?.reason === 'exhausted' ? 1 : want.count;
      const to = blockAt(partition, network);

      /** Tells those who wait. What was said already is not written again. */
      const deny = async (reason: 'exhausted' | 'unreachable' | 'elsewhere', detail: string): Promise<void> => {
        if (current()?.denied != null) return;
        orThrow(await ports.ask(to, 'denied', { h, reason, detail, ahead: isAhead }));
      };

      step('give');
      let answer: GiveReply;
      try {
        answer = await give({ network, h, partition, family, address, count, single: !isAhead });
      } catch (error) {
        if (!isTransient(error)) ports.odd(`blocks of network ${network} for partition ${partition}`, error);
        await deny('unreachable', reasonOf(error));
        return 'later';
      }
      if (answer.lent !== undefined) return await loans.takeFree(partition, network, h, answer.lent);
      if (answer.isComing) return 'later';
      if (answer.blocks.length === 0) {
        if (answer.holder === partition) {
          // The ledger gave its block to this very partition for another request: it is on its way, or just came.
          await deny('unreachable', `the block of ${address} is on its way to this partition`);
          return 'done';
        }
        if (answer.holder !== null && address !== null) {
          const where = `it lies in a block that partition ${answer.holder} holds, and is not free there`;
          await deny('elsewhere', alreadyAllocated(`${address} of network ${network}, ${where}`));
          return 'done';
        }
        if (answer.unreachable.length > 0) {
          await deny('unreachable', answer.unreachable.join('; '));
          // A rest may last a year: whoever asks the next time clears the denial, and the changed row brings us back.
          return answer.restsMs === undefined ? 'later' : 'done';
        }
        await deny('exhausted', answer.others ?? '');
        // Whoever asks the next time clears the denial, and the changed row brings us back.
        return 'done';
      }
      step('receive');
      const received = await ports.ask(to, 'receive', { h, blocks: answer.blocks, exhausted: false });
      if (isRefusal(received)) {
        ports.odd(`partition ${partition} does not take blocks of network ${network}: ${received.message}`);
        return 'later';
      }
      if (received.refused.length > 0) step('refuse');
      for (const { first } of received.refused) await takeBack({ network, partition, first, h });
      const isRefused = (first: string): boolean => received.refused.some((block) => block.first === first);
      const firsts = answer.blocks.map(({ first }) => first).filter((first) => !isRefused(first));
      if (firsts.length === 0) return 'done';
      step('deliver');
      // The home would find out by offering again; this only spares it the question.
      await delivered({ network, h, firsts });
      step('delivered');
      return 'done';
    },

    async fetchAgain(partition, current) {
      const want = current();
      // Made anew by somebody who waits: that is another attempt's.
      if (want === undefined || want.denied === null) return 'done';
      const { network, h } = want;
      const { isWanted } = orThrow(await ports.ask(blockAt(partition, network), 'stillWanted', { h }));
      if (!isWanted || current()?.denied == null) return 'done';
      return await holder.fetch(partition, current);
    },

    async giveBack(ask) {
      step('return');
      await takeBack(ask);
      step('returned');
      await holder.returned(ask);
      return 'done';
    },

    lendFree: (ask, asker) => loans.lendFree(ask, asker),

    async offer({ network, partition, h, blocks }) {
      // It was under way when the partition was deleted: it goes back.
      if (isDeletedHere(ports, partition)) return { refused: blocks };
      const received = await ports.ask(blockAt(partition, network), 'receive', { h, blocks, exhausted: false });
      return { refused: orThrow(received).refused };
    },

    async recall({ network, partition, count, family, keep = 0, prefix, resting = false, look = false }, asker) {
      const ask = { count, family, keep, resting, look, ...(prefix === undefined ? {} : { prefix }) };
      return orThrow(await ports.ask(blockAt(partition, network), 'recall', ask, asker));
    },

    async returned({ network, partition, first, h }) {
      orThrow(await ports.ask(blockAt(partition, network), 'returned', { first, h }));
      return {};
    },
  };
  return holder;
}
