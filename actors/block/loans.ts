// One address moved between partitions (design.md §6): it stays in its block, the row there becomes `lent`, the row at
// the receiver is `borrowed`. All of it goes through the holder of the block, and every step is idempotent under the
// operation id `h` (reliability.md §7.2).
import { parseAddress } from '../ipam/address.ts';
import { contains } from '../ipam/prefix.ts';
import { addressOf } from '../address.ts';
import { ipKey } from '../network/address-space.ts';
import { clearLater } from '../network/clearing.ts';
import { noSuchIp, prefixesOf } from '../network/ip-rules.ts';
import { released } from '../network/quarantine.ts';
import type { IpRecord, Loan } from '../network/record.ts';
import { isInUseHere, settled } from '../network/standing.ts';
import { changeRow } from '../change.ts';
import type { Change, RowOf } from '../records.ts';
import { conflict, unprocessable, type Refusal } from '../refusal.ts';
import type { Behaviour, Context } from '../runtime/behaviour.ts';
import type { LendReply } from './messages.ts';
import type { Lender } from './record.ts';
import { fenced } from './restored.ts';
import { partitionOf, type BlockState } from './state.ts';
import { bringWant, wantRow } from './wants.ts';

type Commands = Behaviour<'block', BlockState>['commands'];

export const ipAt = (state: BlockState, context: Context, address: string): RowOf<'ip'> | undefined =>
  context.row('ip', ipKey(state.id, address));

export const ipRow = (
  state: BlockState,
  context: Context,
  address: string,
  live: RowOf<'ip'> | undefined,
  value: IpRecord | null,
): Change =>
  changeRow({ scope: context.scope, owner: state.id }, 'ip', ipKey(state.id, address), live, context.version(), value);

const underWay = (state: BlockState, address: string): { wait: string } | undefined =>
  state.space.inFlight.has(address)
    ? { wait: `ip ${address} of network ${state.id} is part of an operation that is under way` }
    : undefined;

/** An address that is attached is not moved: its switches announce it where the machine is. */
const attachedTo = (state: BlockState, { address, machines: [machine] }: IpRecord): Refusal | undefined =>
  machine === undefined
    ? undefined
    : conflict(`ip ${address} is attached to machine ${machine} in partition ${partitionOf(state)}`);

const declined = ({ kind, message }: Refusal): { reply: LendReply } => ({
  reply: { as: 'declined', kind: kind === 'NotFound' ? 'NotFound' : 'Conflict', message },
});

/** An address that is here to be given out goes back as it came. */
export const unused = (loan: Extract<Loan, { as: 'borrowed' }>): Loan => ({ ...loan, state: 'freed', unused: true });

export const isBorrowed = (ip: IpRecord, h: string): ip is IpRecord & { loan: Extract<Loan, { as: 'borrowed' }> } =>
  ip.loan?.as === 'borrowed' && ip.loan.h === h;
export const isLent = (ip: IpRecord, h: string): ip is IpRecord & { loan: Extract<Loan, { as: 'lent' }> } =>
  ip.loan?.as === 'lent' && ip.loan.h === h;

/** Commands of `BlockCommands` about single addresses. */
export const loanCommands: Pick<
  Commands,
  'bring' | 'lend' | 'borrow' | 'lentDelivered' | 'giveUp' | 'takeBackAddress' | 'addressReturned'
> = {
  bring(state, { address, lender, site }, context) {
    const restored = fenced(state);
    if (restored !== undefined) return restored;
    const row = ipAt(state, context, address);
    if (row !== undefined && isInUseHere(row.value)) return { reply: {} };
    // What was lent from here comes back the same way as anybody's: through the holder of its block, which is us.
    const own: Lender = { partition: partitionOf(state), site };
    const from = row?.value.loan?.as === 'lent' ? own : lender;
    const network = state.copy?.value.network;
    const parsed = parseAddress(address);
    if (network === undefined || parsed === undefined) return noSuchIp(address);
    return bringWant(state, { address, family: parsed.family, lender: from }, context);
  },

  lend(state, { address, h, to, site }, context) {
    const row = ipAt(state, context, address);
    if (row === undefined || row.value.restingUntilMs !== undefined) return declined(noSuchIp(address));
    const waiting = underWay(state, address);
    if (waiting !== undefined) return waiting;
    const ip = row.value;
    if (isLent(ip, h)) return { reply: { as: 'lent', ip: settled(ip) } };
    if (ip.loan?.as === 'lent') {
      return { reply: { as: 'away', holder: { partition: ip.loan.to, site: ip.loan.site }, h: ip.loan.h } };
    }
    if (ip.loan?.as === 'borrowed') {
      return { reply: { as: 'elsewhere', lender: { partition: ip.loan.from, site: ip.loan.site } } };
    }
    if (to === partitionOf(state)) return { reply: { as: 'here' } };
    const attached = attachedTo(state, ip);
    if (attached !== undefined) return declined(attached);
    const lent: IpRecord = { ...ip, loan: { as: 'lent', to, site, h, state: 'sent' } };
    return { reply: { as: 'lent', ip: settled(ip) }, changes: [ipRow(state, context, address, row, lent)] };
  },

  borrow(state, { h, ip, lender }, context) {
    const { address } = ip;
    const row = ipAt(state, context, address);
    if (row !== undefined && isBorrowed(row.value, h)) return { reply: { taken: true } };
    const want = state.wants.get(h);
    // An h ends for good with its request: whatever comes for it later is an echo, and stays where it was.
    if (want === undefined) return { reply: { taken: false } };
    if (row !== undefined) return conflict(`ip ${address} of network ${state.id} is here under another operation`);
    const refused = checkBorrowed(state, ip, want.value.address);
    if (refused !== undefined) return refused;
    const loan: Loan = { as: 'borrowed', from: lender.partition, site: lender.site, h, state: 'held' };
    return {
      reply: { taken: true },
      changes: [
        ipRow(state, context, address, undefined, { ...settled(ip), loan }),
        wantRow(state, context, h, want, null),
      ],
    };
  },

  lentDelivered(state, { address, h }, context) {
    const row = ipAt(state, context, address);
    if (row === undefined || !isLent(row.value, h) || row.value.loan.state !== 'sent') return { reply: {} };
    const ip: IpRecord = { ...row.value, loan: { ...row.value.loan, state: 'delivered' } };
    return { reply: {}, changes: [ipRow(state, context, address, row, ip)] };
  },

  giveUp(state, { address, h, ifIdle = false }, context) {
    const row = ipAt(state, context, address);
    if (row === undefined || !isBorrowed(row.value, h)) {
      const want = state.wants.get(h);
      // Ended first: what the lender takes back after this must not be taken here any more.
      return { reply: { as: 'declined' }, changes: want === undefined ? [] : [wantRow(state, context, h, want, null)] };
    }
    const waiting = underWay(state, address);
    if (waiting !== undefined) return waiting;
    const ip = row.value;
    if (ip.loan.state === 'freed') {
      return { reply: { as: 'freed', ...(ip.loan.unused === true ? { unused: true } : {}) } };
    }
    if (ip.loan.state === 'idle') {
      return {
        reply: { as: 'freed', unused: true },
        changes: [ipRow(state, context, address, row, { ...ip, loan: unused(ip.loan) })],
      };
    }
    if (ifIdle) return { reply: { as: 'declined' } };
    const given = { as: 'given', ip: settled(ip) } as const;
    if (ip.loan.state === 'recalled') return { reply: given };
    const attached = attachedTo(state, ip);
    if (attached !== undefined) return attached;
    const recalled: IpRecord = { ...ip, loan: { ...ip.loan, state: 'recalled' } };
    return { reply: given, changes: [ipRow(state, context, address, row, recalled)] };
  },

  takeBackAddress(state, { address, h, from, back }, context) {
    const row = ipAt(state, context, address);
    if (row === undefined || !isLent(row.value, h) || row.value.loan.to !== from) return { reply: {} };
    const network = state.copy?.value.network;
    const wasIdle = row.value.loan.idle === true;
    const returned = (): IpRecord | null => {
      if (back.as === 'declined') return wasIdle ? null : settled(row.value);
      if (back.as === 'given') return { ...settled(back.ip), address, network: state.id, prefix: row.value.prefix };
      // Nobody had it, so that nobody has to forget whose it was.
      if (back.unused === true || network === undefined) return null;
      return released(row.value, network, context.nowMs);
    };
    const value = returned();
    const self = addressOf(state.scope, 'block', state.id);
    return {
      reply: {},
      changes: [ipRow(state, context, address, row, value)],
      hints: clearLater(state.space, self, context.nowMs, { untilMs: value?.restingUntilMs }),
    };
  },

  addressReturned(state, { address, h }, context) {
    const row = ipAt(state, context, address);
    if (row === undefined || !isBorrowed(row.value, h) || row.value.loan.state === 'held') return { reply: {} };
    return { reply: {}, changes: [ipRow(state, context, address, row, null)] };
  },
};

const loanIp = (state: BlockState, { address }: { address: string }) => [
  { table: 'ip' as const, key: ipKey(state.id, address) },
];
export const loanNeeds = {
  bring: loanIp,
  lend: loanIp,
  borrow: (state: BlockState, { ip }: { ip: IpRecord }) => loanIp(state, ip),
  lentDelivered: loanIp,
  giveUp: loanIp,
  takeBackAddress: loanIp,
  addressReturned: loanIp,
};

/** Why a lent address can't be taken: it is another one than was asked for, or lies in no prefix of the network. */
function checkBorrowed(state: BlockState, ip: IpRecord, wanted: string | null): Refusal | undefined {
  const network = state.copy?.value.network;
  const address = parseAddress(ip.address);
  const text = `ip ${ip.address} of network ${ip.network}`;
  if (network === undefined || ip.network !== state.id) {
    return unprocessable(`${text} was lent to partition ${partitionOf(state)} for network ${state.id}`);
  }
  if (wanted !== ip.address) return unprocessable(`${text} was lent, but ${wanted ?? 'a block'} was asked for`);
  if (address === undefined || !prefixesOf(network).some(({ prefix }) => contains(prefix, address))) {
    return unprocessable(`${text} lies in none of ${network.prefixes.join(', ')}`);
  }
  return undefined;
}
