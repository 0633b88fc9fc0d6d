// Moves single addresses between partitions, through the holder of their block (design.md §6). All state is in rows of
// the two block actors, so it may be interrupted anywhere and repeated at will (reliability.md §7.2).
import type { Asker } from '../../actors/asker.ts';
import { addressOf, partitionScope } from '../../actors/address.ts';
import type { Lender, WantRecord } from '../../actors/block/record.ts';
import type { Loan } from '../../actors/network/record.ts';
import { isRefusal } from '../../actors/refusal.ts';
import { isLinkFailure } from '../link/failure.ts';
import type { Attempt } from './blocks-attempts.ts';
import { nothingSchema, type GiveReply } from './blocks-messages.ts';
import { ASK_MS, isTransient, orThrow, reasonOf, RECALL_MS, type BlockPorts, type BlockStep } from './blocks-ports.ts';
import {
  givenUpSchema,
  lendReplySchema,
  offerFreeReplySchema,
  offerReplySchema,
  type BackAsk,
  type GivenUp,
  type GiveUpAsk,
  type LendAsk,
  type LendFreeAsk,
  type LendFreeReply,
  type LendReply,
  type LentAsk,
  type OfferAsk,
  type OfferFreeAsk,
  type ReturnedAsk,
} from './loans-messages.ts';

type Lent = Extract<Loan, { as: 'lent' }>;
type Borrowed = Extract<Loan, { as: 'borrowed' }>;

/** One address that is lent or borrowed by a partition of this site. */
export interface LoanAt<L extends Loan> {
  network: string;
  address: string;
  partition: string;
  loan: L;
}

export interface Loans {
  /** Borrower: fetches the address that one open request wants. `current`: undefined when the request is over. */
  fetch(partition: string, current: () => WantRecord | undefined): Promise<Attempt>;
  /** Borrower: brings back what was freed or recalled. */
  giveBack(at: LoanAt<Borrowed>): Promise<Attempt>;
  /** Lender: brings what stands as `sent` to its end: taken by the borrower, or taken back. */
  offer(at: LoanAt<Lent>): Promise<Attempt>;

  /** Borrower: takes the free addresses that `lender` gave for one open request. */
  takeFree(partition: string, network: string, h: string, lent: NonNullable<GiveReply['lent']>): Promise<Attempt>;

  // What the other site asks; `site` is the peer's.
  lendFree(ask: LendFreeAsk, asker?: Asker): Promise<LendFreeReply>;
  offeredFree(ask: OfferFreeAsk, site: string): Promise<{ taken: string[] }>;
  lend(ask: LendAsk, site: string, asker?: Asker): Promise<LendReply>;
  lent(ask: LentAsk): Promise<Record<string, never>>;
  giveUp(ask: GiveUpAsk, asker?: Asker): Promise<GivenUp>;
  takeBack(ask: BackAsk): Promise<Record<string, never>>;
  returned(ask: ReturnedAsk): Promise<Record<string, never>>;
  offered(ask: OfferAsk, site: string): Promise<{ taken: boolean }>;
}

/** Who has the address may be told wrongly once: it moved meanwhile. */
const MOST_LENDERS = 3;

export function createLoans(ports: BlockPorts): Loans {
  const { site } = ports;
  const step = (name: BlockStep): void => ports.step?.(name);
  const blockAt = (partition: string, network: string) => addressOf(partitionScope(partition), 'block', network);

  async function at<R>(
    where: string,
    kind: string,
    body: unknown,
    local: () => Promise<R>,
    schema: { parse(value: unknown): R },
    withinMs = ASK_MS,
  ): Promise<R> {
    return where === site ? await local() : schema.parse(await ports.federation.ask(where, kind, body, withinMs));
  }

  /** Calls an address back from the partition that borrowed it, before it is lent anew. undefined: it is back. */
  async function recall(ask: LendAsk, holder: Lender, h: string): Promise<LendReply | undefined> {
    const { network, address, lender } = ask;
    const wanted: GiveUpAsk = { network, address, h, lender, borrower: holder.partition };
    step('lender.recall');
    let back: GivenUp;
    try {
      back = await at(holder.site, 'addresses.giveUp', wanted, () => loans.giveUp(wanted), givenUpSchema, RECALL_MS);
    } catch (error) {
      // Anything else than its own word is no word: it may have given the address up.
      if (!isLinkFailure(error) || error.refusal?.kind !== 'Conflict') {
        return { as: 'unreachable', detail: `partition ${holder.partition} (site ${holder.site}): ${reasonOf(error)}` };
      }
      return { as: 'declined', kind: 'Conflict', message: reasonOf(error) };
    }
    step('lender.takeBack');
    await loans.takeBack({ ...wanted, back });
    // Only sooner: the borrower's own site brings a returning address to its end. But what comes back to where it goes
    // anyway must have left first.
    const returned: ReturnedAsk = wanted;
    await at(
      holder.site,
      'addresses.returned',
      returned,
      () => loans.returned(returned),
      nothingSchema,
      RECALL_MS,
    ).catch(() => {});
    return undefined;
  }

  /** The same for an address that nobody had. */
  async function offerFree({ network, address, partition, loan }: LoanAt<Lent>): Promise<Attempt> {
    const { h, to: borrower } = loan;
    step('lender.offer');
    const ask: OfferFreeAsk = { network, h, lender: partition, borrower, addresses: [address] };
    const { taken } = await at(
      loan.site,
      'addresses.offerFree',
      ask,
      () => loans.offeredFree(ask, site),
      offerFreeReplySchema,
    );
    if (taken.includes(address)) await loans.lent({ network, address, h, lender: partition });
    else await loans.takeBack({ network, address, h, lender: partition, borrower, back: { as: 'declined' } });
    return 'done';
  }

  const loans: Loans = {
    async fetch(partition, current) {
      const first = current();
      if (first?.lender === undefined || first.address === null || first.denied !== null) return 'done';
      const { network, address, h } = first;
      const to = blockAt(partition, network);
      const deny = async (
        reason: 'unreachable' | 'declined',
        detail: string,
        kind: 'NotFound' | 'Conflict' = 'Conflict',
      ): Promise<Attempt> => {
        orThrow(await ports.ask(to, 'denied', { h, reason, detail, kind }));
        return 'done';
      };
      let { lender } = first;
      let answer: LendReply;
      for (let asked = 1; ; asked++) {
        const ask: LendAsk = { network, address, h, lender: lender.partition, to: partition };
        step('lend');
        try {
          answer = await at(lender.site, 'addresses.lend', ask, () => loans.lend(ask, site), lendReplySchema);
        } catch (error) {
          if (!isTransient(error)) ports.odd(`ip ${address} of network ${network} for partition ${partition}`, error);
          return await deny('unreachable', reasonOf(error));
        }
        if (answer.as !== 'elsewhere') break;
        if (asked === MOST_LENDERS) return await deny('unreachable', 'it is being moved; try again');
        lender = answer.lender;
      }
      if (answer.as === 'unreachable') return await deny('unreachable', answer.detail);
      if (answer.as === 'declined') return await deny('declined', answer.message, answer.kind);
      if (answer.as === 'here') {
        // It was lent, and came back: the request is over as if it had never been made.
        orThrow(await ports.ask(to, 'giveUp', { address, h }));
        return 'done';
      }
      step('borrow');
      const taken = await ports.ask(to, 'borrow', { h, ip: answer.ip, lender });
      if (isRefusal(taken)) {
        if (taken.kind !== 'Conflict')
          ports.odd(`partition ${partition} does not take ip ${address}: ${taken.message}`);
        return 'later';
      }
      const lent: LentAsk & { borrower: string } = {
        network,
        address,
        h,
        lender: lender.partition,
        borrower: partition,
      };
      if (!taken.taken) {
        const back: BackAsk = { ...lent, back: { as: 'declined' } };
        step('refuseLent');
        await at(lender.site, 'addresses.back', back, () => loans.takeBack(back), nothingSchema);
        return 'done';
      }
      step('lent');
      // The lender would find out by offering again; this only spares it the question.
      await at(lender.site, 'addresses.lent', lent, () => loans.lent(lent), nothingSchema);
      return 'done';
    },

    async giveBack({ network, address, partition, loan }) {
      const { h, from: lender } = loan;
      step('bringBack');
      const ifIdle = loan.state === 'idle';
      const given = orThrow(await ports.ask(blockAt(partition, network), 'giveUp', { address, h, ifIdle }));
      // Somebody took it at the last moment.
      if (ifIdle && given.as === 'declined') return 'done';
      const ask: BackAsk = { network, address, h, lender, borrower: partition, back: given as GivenUp };
      await at(loan.site, 'addresses.back', ask, () => loans.takeBack(ask), nothingSchema);
      step('broughtBack');
      await loans.returned(ask);
      return 'done';
    },

    async offer({ network, address, partition, loan }) {
      const { h, to: borrower } = loan;
      // The same h is answered the same again: this reads what was lent.
      if (loan.idle) return await offerFree({ network, address, partition, loan });
      const lent = orThrow(await ports.ask(blockAt(partition, network), 'lend', { address, h, to: borrower, site }));
      if (lent.as !== 'lent') return 'done';
      step('lender.offer');
      const ask: OfferAsk = { network, h, lender: partition, borrower, ip: { ...lent.ip, machines: [] } };
      const { taken } = await at(loan.site, 'addresses.offer', ask, () => loans.offered(ask, site), offerReplySchema);
      if (taken) return (await loans.lent({ network, address, h, lender: partition }), 'done');
      await loans.takeBack({ network, address, h, lender: partition, borrower, back: { as: 'declined' } });
      return 'done';
    },

    async takeFree(partition, network, h, lent) {
      const lender: Lender = { partition: lent.partition, site: lent.site };
      step('borrowFree');
      const body = { h, addresses: lent.addresses, lender };
      const { taken } = orThrow(await ports.ask(blockAt(partition, network), 'borrowFree', body));
      for (const address of lent.addresses) {
        const told = { network, address, h, lender: lender.partition, borrower: partition };
        if (taken.includes(address)) {
          step('lent');
          await at(lender.site, 'addresses.lent', told, () => loans.lent(told), nothingSchema);
          continue;
        }
        const back: BackAsk = { ...told, back: { as: 'declined' } };
        await at(lender.site, 'addresses.back', back, () => loans.takeBack(back), nothingSchema);
      }
      return 'done';
    },

    async lendFree({ network, lender, ...ask }, asker) {
      step('lendFree');
      return orThrow(await ports.ask(blockAt(lender, network), 'lendFree', ask, asker));
    },

    async offeredFree({ network, h, lender, borrower, addresses }, peer) {
      const body = { h, addresses, lender: { partition: lender, site: peer } };
      return orThrow(await ports.ask(blockAt(borrower, network), 'borrowFree', body));
    },

    async lend(ask, borrower, asker) {
      const { network, lender, address, h, to } = ask;
      const block = blockAt(lender, network);
      const body = { address, h, to, site: borrower };
      step('lender.lend');
      let answer = orThrow(await ports.ask(block, 'lend', body, asker));
      if (answer.as === 'away') {
        const failed = await recall(ask, answer.holder, answer.h);
        if (failed !== undefined) return failed;
        answer = orThrow(await ports.ask(block, 'lend', body, asker));
        if (answer.as === 'away') return { as: 'unreachable', detail: 'it is being moved; try again' };
      }
      return lendReplySchema.parse(answer);
    },

    async lent({ network, lender, address, h }) {
      step('lender.lent');
      return orThrow(await ports.ask(blockAt(lender, network), 'lentDelivered', { address, h }));
    },

    async giveUp({ network, borrower, address, h }, asker) {
      return orThrow(await ports.ask(blockAt(borrower, network), 'giveUp', { address, h }, asker)) as GivenUp;
    },

    async takeBack({ network, lender, borrower, address, h, back }) {
      return orThrow(
        await ports.ask(blockAt(lender, network), 'takeBackAddress', { address, h, from: borrower, back }),
      );
    },

    async returned({ network, borrower, address, h }) {
      return orThrow(await ports.ask(blockAt(borrower, network), 'addressReturned', { address, h }));
    },

    async offered({ network, h, lender, borrower, ip }, peer) {
      const body = { h, ip, lender: { partition: lender, site: peer } };
      return orThrow(await ports.ask(blockAt(borrower, network), 'borrow', body));
    },
  };
  return loans;
}
