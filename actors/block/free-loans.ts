// Free addresses that one partition lends to another which has none left, before the network is said to be exhausted
// (design.md §6). They move as every lent address does; nobody has them on either side until the borrower gives them out.
import { formatAddress, parseAddress } from '../ipam/address.ts';
import { contains } from '../ipam/prefix.ts';
import { freeAddresses, freeOnes, ipKey, isHeld, pieceOf, wake } from '../network/address-space.ts';
import { noSuchNetwork } from '../network/network-rules.ts';
import { prefixesOf } from '../network/ip-rules.ts';
import type { IpRecord, Loan } from '../network/record.ts';
import type { Behaviour } from '../runtime/behaviour.ts';
import { ipAt, ipRow, isBorrowed, unused } from './loans.ts';
import { fenced } from './restored.ts';
import type { BlockState } from './state.ts';
import { wantRow } from './wants.ts';

type Commands = Behaviour<'block', BlockState>['commands'];

/** Of its free addresses a partition gives at most this share at once, and at least one. */
const SHARE = 4n;

const idleIp = (network: string, address: string, prefix: string, nowMs: number, loan: Loan): IpRecord => ({
  address,
  uuid: '',
  network,
  project: '',
  name: '',
  description: '',
  type: 'ephemeral',
  tags: [],
  machines: [],
  prefix,
  created: nowMs,
  changed: nowMs,
  loan,
});

/** Free addresses here that a partition may have: the named one, or the lowest. */
function lendable(state: BlockState, ask: { family: 'IPv4' | 'IPv6'; count: number; address: string | null }) {
  if (ask.address === null) {
    const share = freeAddresses(state.space, ask.family, SHARE * BigInt(ask.count)) / SHARE;
    return freeOnes(state.space, ask.family, Math.max(1, Math.min(ask.count, Number(share))));
  }
  const address = parseAddress(ask.address);
  const piece = address === undefined ? undefined : pieceOf(state.space, address);
  if (address === undefined || !piece?.open || piece.set.isReserved(address) || isHeld(state.space, address)) return [];
  return [{ piece, address }];
}

/** Whether somebody has the named address here: not lent or coming back, and its block is not on its way. */
function isTaken({ space }: BlockState, text: string | null): boolean {
  const address = text === null ? undefined : parseAddress(text);
  if (text === null || address === undefined) return false;
  if (pieceOf(space, address)?.set.isReserved(address)) return true;
  return isHeld(space, address) && !space.loans.has(text) && !space.inFlight.has(text);
}

export const freeLoanCommands: Pick<Commands, 'lendFree' | 'borrowFree'> = {
  lendFree(state, ask, context) {
    const refused = fenced(state);
    if (refused !== undefined) return refused;
    if (state.copy === null) return noSuchNetwork(state.id);
    const { h, to, site } = ask;
    const given = [...state.space.loans].filter(([, loan]) => loan.as === 'lent' && loan.h === h);
    if (given.length > 0) return { reply: { addresses: given.map(([address]) => address), isComing: false } };
    wake(state.space, context.nowMs);
    const chosen = lendable(state, ask);
    if (chosen.length > 0) {
      const loan: Loan = { as: 'lent', to, site, h, state: 'sent', idle: true };
      const lent = chosen.map(({ piece, address }) =>
        idleIp(state.id, formatAddress(address), piece.prefix, context.nowMs, loan),
      );
      return {
        reply: { addresses: lent.map(({ address }) => address), isComing: false },
        changes: lent.map((ip) => {
          const version = state.space.resting.version(ip.address);
          const row = version === undefined ? undefined : ({ version } as ReturnType<typeof ipAt>);
          return ipRow(state, context, ip.address, row, ip);
        }),
      };
    }
    // Borrowed itself, and not needed so far: through its lender it comes to whoever needs it.
    const idle = [...state.space.idle].find(
      ([text, one]) => one.family === ask.family && !state.space.inFlight.has(text) && ask.address === null,
    );
    const row = idle === undefined ? undefined : ipAt(state, context, idle[0]);
    if (row === undefined || row.value.loan?.as !== 'borrowed')
      return { reply: { addresses: [], isComing: false, isTaken: isTaken(state, ask.address) } };
    const freed: IpRecord = { ...row.value, loan: unused(row.value.loan) };
    return { reply: { addresses: [], isComing: true }, changes: [ipRow(state, context, freed.address, row, freed)] };
  },

  borrowFree(state, { h, addresses, lender }, context) {
    const network = state.copy?.value.network;
    const want = state.wants.get(h);
    const known = addresses.filter((address) => {
      const row = ipAt(state, context, address);
      return row !== undefined && isBorrowed(row.value, h);
    });
    const isOpen = want !== undefined && !state.inFlight.has(`want:${state.id}|${h}`);
    const fresh = addresses.flatMap((text) => {
      const address = parseAddress(text);
      if (!isOpen || network === undefined || address?.family !== want.value.family) return [];
      if (want.value.address !== null && want.value.address !== text) return [];
      if (ipAt(state, context, text) !== undefined || pieceOf(state.space, address) !== undefined) return [];
      const prefix = prefixesOf(network).find((one) => contains(one.prefix, address));
      return prefix === undefined ? [] : [{ text, prefix: prefix.text }];
    });
    const loan: Loan = { as: 'borrowed', from: lender.partition, site: lender.site, h, state: 'idle' };
    return {
      reply: { taken: [...known, ...fresh.map(({ text }) => text)] },
      changes: [
        ...fresh.map(({ text, prefix }) =>
          ipRow(state, context, text, undefined, idleIp(state.id, text, prefix, context.nowMs, loan)),
        ),
        ...(fresh.length === 0 || want === undefined ? [] : [wantRow(state, context, h, want, null)]),
      ],
    };
  },
};

const rowsAt = (state: BlockState, addresses: Iterable<string>) =>
  [...addresses].map((address) => ({ table: 'ip' as const, key: ipKey(state.id, address) }));

export const freeLoanNeeds = {
  lendFree: (state: BlockState) => rowsAt(state, state.space.idle.keys()),
  borrowFree: (state: BlockState, { addresses }: { addresses: string[] }) => rowsAt(state, addresses),
};
