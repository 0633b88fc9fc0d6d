// What the other sites may ask about blocks and single addresses. Each speaks for its own partitions and networks only
// (reliability.md §9).
import { refuseAsk } from '../link/failure.ts';
import type { Peer } from '../link/link.ts';
import type { AskHandler } from '../link/serve.ts';
import type { BlockHolder } from './blocks-holder.ts';
import type { BlockHome } from './blocks-home.ts';
import type { KeptBlocks } from './blocks-kept.ts';
import {
  deliveredSchema,
  giveSchema,
  leaseSchema,
  offerSchema,
  recallSchema,
  returnedSchema,
  takeBackSchema,
} from './blocks-messages.ts';
import { isDeletedHere, type BlockPorts } from './blocks-ports.ts';
import * as loanMessages from './loans-messages.ts';
import type { Loans } from './loans.ts';
import { answerInventory } from './restored-answers.ts';
import { INVENTORY_ASK, KEEP_ASK, keepSchema } from './restored-messages.ts';

export interface BlockAsksOptions {
  ports: BlockPorts;
  home: BlockHome;
  holder: BlockHolder;
  loans: Loans;
  kept: KeptBlocks;
  /** Tells the partitions here of a global network once more. */
  adopt(network: string): void;
  /** Why nothing is answered at the moment; undefined: it is. */
  fence(): string | undefined;
}

export function createBlockAsks(options: BlockAsksOptions): Record<string, AskHandler> {
  const { ports, home: atHome, holder, loans, kept } = options;
  const { site, copy } = ports;
  const isHosted = (partition: string): boolean => ports.hosted().includes(partition);

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
  /** `partition`: has to be hosted here. */
  const speaksForNetwork = (peer: Peer, network: string, partition: string | undefined): void => {
    const member = siteOf(peer);
    const owner = copy.entry('globalnetwork', network)?.home;
    if (owner === undefined) throw refuseAsk('Unavailable', `network ${network} is not known at site ${site} yet`);
    if (owner !== member) {
      throw refuseAsk('Forbidden', `site ${member} can't speak for network ${network} of site ${owner}`);
    }
    if (partition !== undefined && !isHosted(partition))
      throw refuseAsk('NotFound', `partition ${partition} is not hosted by site ${site}`);
  };

  /** The peer's partition is one of its own, ours is hosted here. */
  const between = (peer: Peer, theirs: string, ours: string): string => {
    const member = speaksForPartition(peer, theirs);
    if (!isHosted(ours)) throw refuseAsk('NotFound', `partition ${ours} is not hosted by site ${site}`);
    return member;
  };

  /** What the other sites may ask once this one knows how things stand. */
  const unfenced = (asks: Record<string, AskHandler>): Record<string, AskHandler> =>
    Object.fromEntries(
      Object.entries(asks).map(([kind, handler]): [string, AskHandler] => [
        kind,
        (body, peer, asker) => {
          const why = options.fence();
          if (why !== undefined) throw refuseAsk('Unavailable', why);
          return handler(body, peer, asker);
        },
      ]),
    );
  const inventory = answerInventory(ports);

  return {
    [KEEP_ASK]: async (body, peer) => {
      const ask = keepSchema.parse(body);
      const member = siteOf(peer);
      if (copy.entry('globalnetwork', ask.network)?.home !== member) {
        throw refuseAsk('Unavailable', `network ${ask.network} is not known at site ${site} as one of ${member} yet`);
      }
      return await kept.note(ask);
    },
    ...unfenced({
      [INVENTORY_ASK]: async (body, peer, asker) => {
        const member = siteOf(peer);
        // Only who was restored asks.
        kept.tellAgain(member);
        return await inventory(body, member, asker);
      },
      'addresses.lend': async (body, peer, asker) => {
        const ask = loanMessages.lendSchema.parse(body);
        return await loans.lend(ask, between(peer, ask.to, ask.lender), asker);
      },
      'addresses.lent': async (body, peer) => {
        const ask = loanMessages.returnedSchema.parse(body);
        between(peer, ask.borrower, ask.lender);
        return await loans.lent(ask);
      },
      'addresses.giveUp': async (body, peer, asker) => {
        const ask = loanMessages.giveUpSchema.parse(body);
        between(peer, ask.lender, ask.borrower);
        return await loans.giveUp(ask, asker);
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
      'addresses.lendFree': async (body, peer, asker) => {
        const ask = loanMessages.lendFreeSchema.parse(body);
        speaksForNetwork(peer, ask.network, ask.lender);
        const owner = copy.entry('partition', ask.to)?.home ?? ask.site;
        if (owner !== ask.site) throw refuseAsk('Forbidden', `partition ${ask.to} is not of site ${ask.site}`);
        return await loans.lendFree(ask, asker);
      },
      'addresses.offerFree': async (body, peer) => {
        const ask = loanMessages.offerFreeSchema.parse(body);
        return await loans.offeredFree(ask, between(peer, ask.lender, ask.borrower));
      },
      'blocks.give': async (body, peer, asker) => {
        const ask = giveSchema.parse(body);
        return await atHome.give(ask, speaksForPartition(peer, ask.partition), asker);
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
        speaksForNetwork(peer, ask.network, isDeletedHere(ports, ask.partition) ? undefined : ask.partition);
        return await holder.offer(ask);
      },
      'blocks.recall': async (body, peer, asker) => {
        const ask = recallSchema.parse(body);
        speaksForNetwork(peer, ask.network, ask.partition);
        return await holder.recall(ask, asker);
      },
      'blocks.lease': (body, peer) => {
        const { networks } = leaseSchema.parse(body);
        const member = siteOf(peer);
        // What is not known here as one of the member's yet is told when it is.
        for (const id of networks) if (copy.entry('globalnetwork', id)?.home === member) options.adopt(id);
        return {};
      },
      'blocks.returned': async (body, peer) => {
        const ask = returnedSchema.parse(body);
        speaksForNetwork(peer, ask.network, ask.partition);
        return await holder.returned(ask);
      },
    }),
  };
}
