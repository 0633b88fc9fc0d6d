// What a partition does after its site was restored from a backup (reliability.md F24): it hands out nothing global, hears
// from the others how things stand, and keeps every block of before closed, since what was handed out of it after the
// backup nobody knows.
import { formatAddress, parseAddress } from '../ipam/address.ts';
import { contains } from '../ipam/prefix.ts';
import { changeRow } from '../change.ts';
import { ipKey } from '../network/address-space.ts';
import { blockKey } from '../network/ledger.ts';
import type { IpRecord, Loan } from '../network/record.ts';
import { settled } from '../network/standing.ts';
import type { RowKey } from '../ports.ts';
import type { Change, RowOf } from '../records.ts';
import { unavailable, type Refusal } from '../refusal.ts';
import type { Behaviour, Context } from '../runtime/behaviour.ts';
import type { BlockReconciliation, ToldBlock, ToldLoan } from './messages.ts';
import type { GlobalNetworkRecord, HoldingRecord } from './record.ts';
import { partitionOf, type BlockState, type Holding } from './state.ts';
import { wantRow } from './wants.ts';

type Commands = Behaviour<'block', BlockState>['commands'];

/** Why nothing of the network is handed out or attached at the moment. */
export const fenced = (state: BlockState): Refusal | undefined =>
  state.copy?.value.fencedMs === undefined
    ? undefined
    : unavailable(
        `partition ${partitionOf(state)} was restored from a backup: addresses of network ${state.id} are given out again once its site has compared its blocks with the other sites`,
      );

const at = (state: BlockState, context: Context) => ({ scope: context.scope, owner: state.id });

function copyRow(state: BlockState, context: Context, value: GlobalNetworkRecord): Change {
  return changeRow(at(state, context), 'global_network', state.id, state.copy, context.version(), value);
}

const holdingRow = (
  state: BlockState,
  context: Context,
  live: Holding | null,
  first: string,
  value: HoldingRecord | null,
): Change => changeRow(at(state, context), 'holding', blockKey(state.id, first), live, context.version(), value);

const ipRow = (state: BlockState, context: Context, address: string, value: IpRecord | null): Change | undefined => {
  const live = context.row('ip', ipKey(state.id, address));
  if (live === undefined && value === null) return undefined;
  return changeRow(at(state, context), 'ip', ipKey(state.id, address), live, context.version(), value);
};

const existing = <T>(value: T | undefined): T[] => (value === undefined ? [] : [value]);

const isUnderWay = (state: BlockState): { wait: string } | undefined =>
  state.inFlight.size + state.space.inFlight.size > 0
    ? { wait: `operations on blocks of network ${state.id} in partition ${partitionOf(state)} are under way` }
    : undefined;

/** Blocks that the ledger gives to somebody else: they were returned after the backup. */
const lostBlocks = (state: BlockState, blocks: readonly ToldBlock[] | null): Holding[] => {
  if (blocks === null) return [];
  const own = new Set(blocks.map(({ first }) => first));
  return [...state.holdings].flatMap(([first, holding]) => (own.has(first) ? [] : [holding]));
};

/** Those that rested and were not given out since have a row, too. */
const addressesIn = ({ space }: BlockState, { piece }: Holding): string[] => {
  const resting = [...space.resting].flatMap(([text]) => {
    const address = parseAddress(text);
    return address !== undefined && contains(piece.set.prefix, address) ? [text] : [];
  });
  return [...new Set([...Array.from(piece.set, formatAddress), ...resting])];
};

function reconciledHoldings(state: BlockState, { blocks }: BlockReconciliation, context: Context): Change[] {
  const changes: Change[] = [];
  for (const holding of lostBlocks(state, blocks)) {
    changes.push(holdingRow(state, context, holding, holding.value.first, null));
    for (const address of addressesIn(state, holding)) changes.push(...existing(ipRow(state, context, address, null)));
  }
  for (const { first, length, prefix, h } of blocks ?? []) {
    const holding = state.holdings.get(first) ?? null;
    if (holding?.value.h === h) continue;
    const record: HoldingRecord = { network: state.id, first, length, prefix, h, state: 'doubtful' };
    changes.push(holdingRow(state, context, holding, first, record));
  }
  return changes;
}

/** Whether the row says already what the other end tells. */
const says = (row: RowOf<'ip'> | undefined, as: Loan['as'], h: string): boolean =>
  row?.value.loan?.as === as && row.value.loan.h === h;

function reconciledLoans(state: BlockState, ask: BlockReconciliation, context: Context): Change[] {
  const lost = lostBlocks(state, ask.blocks).flatMap((holding) => addressesIn(state, holding));
  const done = new Set(lost);
  const changes: Change[] = [];
  const told = (as: Loan['as'], loans: readonly ToldLoan[], loanOf: (loan: ToldLoan) => Loan): void => {
    for (const one of loans) {
      if (done.has(one.address)) continue;
      done.add(one.address);
      const row = context.row('ip', ipKey(state.id, one.address));
      if (says(row, as, one.h)) {
        // It may have been given out since; its user, or an operator, frees it.
        if (row?.value.loan?.state !== 'idle') continue;
      }
      // What was there belongs to the time before the address moved.
      const ip = settled(as === 'lent' ? (row?.value ?? one.ip) : one.ip);
      changes.push(...existing(ipRow(state, context, one.address, { ...ip, machines: [], loan: loanOf(one) })));
    }
  };
  told('lent', ask.lent, ({ partition, site, h }) => ({ as: 'lent', to: partition, site, h, state: 'delivered' }));
  told('borrowed', ask.borrowed, ({ partition, site, h }) => ({
    as: 'borrowed',
    from: partition,
    site,
    h,
    state: 'held',
  }));
  for (const [address, loan] of state.space.loans) {
    if (done.has(address) || ask.silent.includes(loan.site)) continue;
    const row = context.row('ip', ipKey(state.id, address));
    if (row === undefined) continue;
    // The borrower may still ask for what is on its way: offering it again brings that to its end.
    const sent = { ...row.value, loan: { ...loan, state: 'sent' } as Loan };
    changes.push(...existing(ipRow(state, context, address, loan.as === 'lent' ? sent : null)));
  }
  return changes;
}

/** Commands of `BlockCommands` about a restored backup. */
export const restoredCommands: Pick<Commands, 'fence' | 'reconcile' | 'trust' | 'keep'> = {
  fence(state, _ask, context) {
    if (state.copy === null || state.copy.value.fencedMs !== undefined) return { reply: {} };
    const waiting = isUnderWay(state);
    if (waiting !== undefined) return waiting;
    const held = [...state.holdings.values()].filter(({ value }) => value.state === 'held');
    return {
      reply: {},
      changes: [
        copyRow(state, context, { ...state.copy.value, fencedMs: context.nowMs }),
        ...held.map((holding) =>
          holdingRow(state, context, holding, holding.value.first, { ...holding.value, state: 'doubtful' }),
        ),
        // An h of before may have had its answer after the backup.
        ...[...state.wants.values()].map((want) => wantRow(state, context, want.value.h, want, null)),
      ],
    };
  },

  reconcile(state, ask, context) {
    const copy = state.copy?.value;
    if (copy?.fencedMs === undefined) return { reply: {} };
    const waiting = isUnderWay(state);
    if (waiting !== undefined) return waiting;
    const open = { ...copy };
    delete open.fencedMs;
    return {
      reply: {},
      changes: [
        copyRow(state, context, open),
        ...reconciledLoans(state, ask, context),
        ...reconciledHoldings(state, ask, context),
      ],
    };
  },

  trust(state, _ask, context) {
    const doubtful = [...state.holdings.values()].filter(({ value }) => value.state === 'doubtful');
    return {
      reply: { blocks: doubtful.length },
      changes: doubtful.map((holding) =>
        holdingRow(state, context, holding, holding.value.first, { ...holding.value, state: 'held' }),
      ),
    };
  },

  keep(state, { kept }, context) {
    if (state.copy === null) {
      return unavailable(`partition ${partitionOf(state)} does not know network ${state.id} yet`);
    }
    const { value } = state.copy;
    if (value.kept !== undefined && value.kept.version >= kept.version) return { reply: {} };
    if (state.inFlight.has(`global_network:${state.id}`)) return { wait: `the copy of ${state.id} is being changed` };
    return { reply: {}, changes: [copyRow(state, context, { ...value, kept })] };
  },
};

export const restoredNeeds = {
  reconcile: (state: BlockState, ask: BlockReconciliation): RowKey[] =>
    [
      ...state.space.loans.keys(),
      ...[...ask.lent, ...ask.borrowed].map(({ address }) => address),
      ...lostBlocks(state, ask.blocks).flatMap((holding) => addressesIn(state, holding)),
    ].map((address) => ({ table: 'ip', key: ipKey(state.id, address) })),
};
