// What an actor that gives out addresses decides about them: written once for networks and for blocks of global ones.
import { formatAddress, type Address, type Family } from '../ipam/address.ts';
import { defaultReserved } from '../ipam/address-set.ts';
import { alreadyAllocated, reservedAddress } from '../ipam/refusal-texts.ts';
import { contains, type Prefix } from '../ipam/prefix.ts';
import { addressOf } from '../address.ts';
import type { RowKey } from '../ports.ts';
import { changeRow } from '../change.ts';
import { oncePerRow, type Change, type RowOf } from '../records.ts';
import { conflict, isRefusal, unavailable, type Refusal } from '../refusal.ts';
import type { Context, Decision, Granting, Waiting } from '../runtime/behaviour.ts';
import { acquireAttached, detachByRequest, type IpHolder } from './attachment.ts';
import {
  idleAddress,
  ipKey,
  isHeld,
  lowestFree,
  pieceOf,
  wake,
  type AddressSpace,
  type Piece,
} from './address-space.ts';
import { clearLater, clearRested } from './clearing.ts';
import * as rules from './ip-rules.ts';
import type { IpChange, IpPatch, IpRequest, IpsForMachine } from './messages.ts';
import { released } from './quarantine.ts';
import type { IpRecord, Loan, NetworkRecord } from './record.ts';
import { isInUseHere } from './standing.ts';
import { takenIn } from './usage.ts';

/** Where an actor's addresses come from. */
export interface AddressSource<S> {
  /** Which kind of actor it is. */
  holder: IpHolder['holder'];
  space(state: S): AddressSpace;
  /** The network, or why it gives nothing out. */
  network(state: S): NetworkRecord | Refusal;
  /** Nothing open has an address of the family (or that address). */
  shortage(
    state: S,
    wanted: { family: Family; address: string | null },
    network: NetworkRecord,
    context: Context,
  ): Refusal | Waiting;
  /** What rests in the piece is of no use here any more. */
  isGone(piece: Piece): boolean;
  /** What goes with an acquisition from the family: asking for more before it runs out. */
  ahead(state: S, family: Family, context: Context): Change[];
}

interface Taken {
  address: Address;
  prefix: string;
}

const isTaken = (value: Taken | Refusal | Waiting): value is Taken => 'address' in value;

/** The prefix's own first and, for IPv4, last address count as taken. */
const isReserved = (prefix: Prefix, address: Address): boolean =>
  address.value === prefix.first ||
  (defaultReserved(prefix) === 'network-and-broadcast' && address.value === prefix.last);

function taken(network: string, space: AddressSpace, address: Address, nowMs: number): Refusal {
  const text = formatAddress(address);
  const untilMs = space.resting.untilMs(text);
  const isRested = untilMs !== undefined && (untilMs <= nowMs || space.inFlight.has(text));
  // Nobody has it yet, and perhaps nobody will.
  if (isRested || space.acquiring.has(text)) {
    return conflict(alreadyAllocated(`${text} of network ${network} is being taken by another operation`));
  }
  if (untilMs === undefined) return conflict(alreadyAllocated(`${text} is held in network ${network}`));
  const seconds = Math.ceil((untilMs - nowMs) / 1_000);
  return conflict(
    alreadyAllocated(`${text} of network ${network} was released and is kept back for another ${seconds} s`),
  );
}

/** Whether an address can be had that is lent, or goes back, nobody here can say: it may have been freed a moment ago. */
function onTheWay(network: string, address: string, loan: Loan | undefined): Refusal | undefined {
  if (loan?.as === 'lent') {
    return unavailable(`ip ${address} of network ${network} is lent to partition ${loan.to} (site ${loan.site})`);
  }
  return loan?.state === 'recalled' || loan?.state === 'freed'
    ? unavailable(`ip ${address} of network ${network} is on its way to partition ${loan.from}; try again`)
    : undefined;
}

/** Why a row that is not in use here is not changed here. */
function notHere({ address, network, loan }: IpRecord, text: string): Refusal {
  const isGone = loan?.state === 'freed';
  return (isGone ? undefined : onTheWay(network, address, loan)) ?? rules.noSuchIp(text);
}

export function ipTurns<S extends { readonly id: string }>(source: AddressSource<S>) {
  function choose(
    state: S,
    network: NetworkRecord,
    wanted: { address?: string; family?: Family },
    context: Context,
  ): Taken | Refusal | Waiting {
    const space = source.space(state);
    const named = wanted.address === undefined ? undefined : rules.canonicalAddress(wanted.address);
    let isMore = wake(space, context.nowMs, named);
    space.growth.note(context.nowMs, () => takenIn(space));
    if (wanted.address === undefined) {
      const family = rules.familyToAcquire(network, wanted.family);
      let free = lowestFree(space, family);
      // Those that woke may lie in prefixes that are on their way out.
      while (free === undefined && isMore) {
        isMore = wake(space, context.nowMs);
        free = lowestFree(space, family);
      }
      if (free !== undefined) return { address: free.address, prefix: free.piece.prefix };
      const idle = idleAddress(space, family);
      if (idle === undefined) return source.shortage(state, { family, address: null }, network, context);
      return { address: idle, prefix: rules.prefixesOf(network).find(({ prefix }) => contains(prefix, idle))!.text };
    }
    const located = rules.locateSpecific(network, wanted.address);
    if (isRefusal(located)) return located;
    const { address, prefix, text } = located;
    const piece = pieceOf(space, address);
    const known = formatAddress(address);
    if (space.idle.has(known) && !space.inFlight.has(known)) return { address, prefix: text };
    const moving = onTheWay(network.id, known, space.loans.get(known));
    if (moving !== undefined) return moving;
    if (isReserved(prefix, address)) return conflict(alreadyAllocated(reservedAddress(address, prefix)));
    if (isHeld(space, address)) return taken(network.id, space, address, context.nowMs);
    if (piece === undefined || !piece.open) {
      return source.shortage(state, { family: address.family, address: formatAddress(address) }, network, context);
    }
    return { address, prefix: text };
  }

  const change = (
    state: S,
    context: Context,
    address: string,
    live: { version: number } | null,
    value: IpRecord | null,
  ): Change =>
    changeRow(
      { scope: context.scope, owner: state.id },
      'ip',
      ipKey(state.id, address),
      live as RowOf<'ip'> | null,
      context.version(),
      value,
    );

  /** Nobody had the address, or its row rested for long enough, or it was borrowed to be given out. */
  function acquired(state: S, context: Context, ip: IpRecord): Change {
    const { idle, resting } = source.space(state);
    const borrowed = idle.get(ip.address);
    if (borrowed !== undefined) {
      const loan = { ...borrowed.loan, state: 'held' } as Loan;
      return change(state, context, ip.address, borrowed, { ...ip, loan });
    }
    const version = resting.version(ip.address);
    return change(state, context, ip.address, version === undefined ? null : { version }, ip);
  }

  /** Nobody needs the address any more. One that was borrowed is given to nobody until its lender knows. */
  function freed(state: S, context: Context, { value: ip }: RowOf<'ip'>): IpRecord | null {
    if (ip.loan?.as === 'borrowed') {
      return { ...ip, machines: [], changed: context.nowMs, loan: { ...ip.loan, state: 'freed' } };
    }
    const network = source.network(state);
    return isRefusal(network) ? null : released(ip, network, context.nowMs);
  }

  const self = ({ id }: S, { scope }: Context) => addressOf(scope, source.holder, id);

  /** What rests, or is about to, is to be cleared away when its time has come. */
  const later = (state: S, context: Context, untilMs?: number) =>
    clearLater(source.space(state), self(state, context), context.nowMs, { untilMs });

  const newIp = (state: S, taken: Taken, context: Context): rules.NewIp => ({
    address: formatAddress(taken.address),
    uuid: context.uuid(),
    network: state.id,
    prefix: taken.prefix,
    nowMs: context.nowMs,
  });

  function rowOf(state: S, text: string, context: Context): RowOf<'ip'> | Refusal {
    const address = rules.canonicalAddress(text);
    const row = context.row('ip', ipKey(state.id, address));
    if (row === undefined) return rules.noSuchIp(text);
    return isInUseHere(row.value) ? row : notHere(row.value, text);
  }

  /** A row that nobody else is about to change. */
  function idleRow(state: S, text: string, context: Context): RowOf<'ip'> | Refusal {
    const row = rowOf(state, text, context);
    if (isRefusal(row)) return row;
    return source.space(state).inFlight.has(row.value.address) ? rules.ipInOperation(row.value.address) : row;
  }

  function acquire(state: S, request: IpRequest, context: Context): Refusal | Waiting | Granting<IpRecord> {
    const network = source.network(state);
    if (isRefusal(network)) return network;
    const refused = rules.checkIpRequest(network, request) ?? rules.checkIpQuota(request.quota, 1);
    if (refused !== undefined) return refused;
    const taken = choose(state, network, request, context);
    if (!isTaken(taken)) return taken;
    const ip = rules.requestedIp(request, newIp(state, taken, context));
    return {
      reply: ip,
      changes: [acquired(state, context, ip), ...source.ahead(state, taken.address.family, context)],
      hints: later(state, context),
    };
  }

  function update(state: S, row: RowOf<'ip'>, patch: IpPatch, context: Context): Refusal | Granting<IpRecord> {
    const ip = rules.updatedIp(row.value, patch, context.nowMs);
    return isRefusal(ip) ? ip : { reply: ip, changes: [change(state, context, ip.address, row, ip)] };
  }

  const here = (state: S, { scope }: Context): IpHolder => ({ scope, network: state.id, holder: source.holder });

  const commands = {
    allocateIp(state: S, request: IpRequest, context: Context): Decision<IpRecord> {
      const { machine: id, machinePartition: partition } = request;
      return id === undefined || partition === undefined
        ? acquire(state, request, context)
        : { coordinate: () => acquireAttached(here(state, context), request, { id, partition }) };
    },

    getIp(state: S, ask: { address: string }, context: Context): Decision<IpRecord> {
      const row = rowOf(state, ask.address, context);
      return isRefusal(row) ? row : { reply: row.value };
    },

    updateIp(state: S, patch: IpPatch, context: Context): Decision<IpRecord> {
      const row = idleRow(state, patch.address, context);
      if (isRefusal(row)) return row;
      const dropped = rules.droppedMachines(row.value, patch);
      return dropped.length === 0
        ? update(state, row, patch, context)
        : {
            coordinate: () => detachByRequest(here(state, context), { ...patch, address: row.value.address }, dropped),
          };
    },

    freeIp(state: S, ask: { address: string }, context: Context): Decision<IpRecord> {
      const row = idleRow(state, ask.address, context);
      if (isRefusal(row)) {
        const network = source.network(state);
        return row.kind !== 'NotFound' || isRefusal(network) ? row : rules.notHeld(network, ask.address);
      }
      const refused = rules.checkFreeIp(row.value);
      if (refused !== undefined) return refused;
      const left = freed(state, context, row);
      return {
        reply: row.value,
        changes: [change(state, context, row.value.address, row, left)],
        hints: later(state, context, left?.restingUntilMs),
      };
    },

    clearRested: (state: S, _ask: Record<string, never>, context: Context): Decision<{ cleared: number }> =>
      clearRested(state, source.space(state), self(state, context), context, (piece) => source.isGone(piece)),
  };

  const reservations = {
    acquireIp: acquire,

    changeIp(state: S, { patch, detach }: IpChange, context: Context): Refusal | Granting<IpRecord> {
      const row = idleRow(state, patch.address, context);
      if (isRefusal(row)) return row;
      const isOther = rules.droppedMachines(row.value, patch).some((machine) => !detach.includes(machine));
      return isOther ? rules.ipInOperation(row.value.address) : update(state, row, patch, context);
    },

    acquireIps(
      state: S,
      ask: IpsForMachine,
      context: Context,
    ): Refusal | Waiting | Granting<{ network: NetworkRecord; ips: string[] }> {
      const network = source.network(state);
      if (isRefusal(network)) return network;
      const refused = rules.checkIpsForMachine(network, ask);
      if (refused !== undefined) return refused;
      const changes: Change[] = [];
      const ips: string[] = [];
      for (const text of new Set(ask.given.map(rules.canonicalAddress))) {
        const row = idleRow(state, text, context);
        if (isRefusal(row)) return row;
        const ip = rules.attachedIp(row.value, ask, context.nowMs);
        if (isRefusal(ip)) return ip;
        ips.push(ip.address);
        if (ip !== row.value) changes.push(change(state, context, ip.address, row, ip));
      }
      for (const family of ask.auto ? rules.familiesOf(network) : []) {
        const taken = choose(state, network, { family }, context);
        if (!isTaken(taken)) return taken;
        const ip = rules.machineIp(ask, newIp(state, taken, context));
        ips.push(ip.address);
        changes.push(acquired(state, context, ip), ...source.ahead(state, family, context));
      }
      // Both families may clear away the same earlier request for blocks.
      return { reply: { network, ips }, changes: oncePerRow(changes), hints: later(state, context) };
    },

    releaseIps(
      state: S,
      ask: { machine: string; ips: string[] },
      context: Context,
    ): Refusal | Granting<{ released: string[]; kept: string[] }> {
      const changes: Change[] = [];
      const released: string[] = [];
      const kept: string[] = [];
      let untilMs: number | undefined;
      for (const address of new Set(ask.ips.map(rules.canonicalAddress))) {
        const row = context.row('ip', ipKey(state.id, address));
        if (row === undefined || !row.value.machines.includes(ask.machine)) continue;
        if (source.space(state).inFlight.has(address)) return rules.ipInOperation(address);
        const ip = rules.detachedIp(row.value, ask.machine, context.nowMs);
        (ip === null ? released : kept).push(address);
        const left = ip ?? freed(state, context, row);
        untilMs ??= left?.restingUntilMs;
        changes.push(change(state, context, address, row, left));
      }
      return { reply: { released, kept }, changes, hints: later(state, context, untilMs) };
    },
  };

  const ipRow = (state: S, body: { address: string }): RowKey[] => ipRows(state, [body.address]);
  const ipRows = (state: S, addresses: readonly string[]): RowKey[] =>
    addresses.map((text) => ({ table: 'ip', key: ipKey(state.id, rules.canonicalAddress(text)) }));
  const needs = {
    getIp: ipRow,
    updateIp: ipRow,
    freeIp: ipRow,
    changeIp: (state: S, { patch }: IpChange): RowKey[] => ipRow(state, patch),
    acquireIps: (state: S, body: IpsForMachine): RowKey[] => ipRows(state, body.given),
    releaseIps: (state: S, body: { ips: string[] }): RowKey[] => ipRows(state, body.ips),
  };

  return { commands, reservations, needs };
}
