// What the allocator itself gives to an operation: a machine with an ASN, or a VRF.
import { conflict, exhausted, isRefusal, notFound, unprocessable, type Refusal } from '../refusal.ts';
import type { Behaviour, Granting, Waiting } from '../runtime/behaviour.ts';
import type { FilesystemLayout } from '../directory/filesystem-layout.ts';
import type { AllocateMachine } from './messages.ts';
import { ASN_BASE, POOL_SIZE, type Pool } from './pools.ts';
import { knowsMachines, poolChange, untilKnown, type AllocatorState } from './state.ts';

type Reservations = Behaviour<'allocator', AllocatorState>['reservations'];

const poolExhausted = (name: string, { held, reserved }: Pool): Refusal =>
  exhausted(
    `acquisition of a value failed for exhausted pool: ${held} of ${POOL_SIZE} ${name} held, ${reserved} part of operations under way`,
  );
const NOTHING: Granting<Record<string, never>> = { reply: {}, changes: [] };

export interface Proposal {
  machine: string;
  size: string;
}

/** The layout for a size among those that the edge resolved; undefined: none serves it. */
export const layoutFor = (layouts: AllocateMachine['layouts'], size: string): FilesystemLayout | undefined =>
  layouts.find((candidate) => candidate.size === size)?.layout;

const namedMachine = (state: AllocatorState, machine: string): Proposal | Refusal => {
  const candidate = state.candidates.get(machine);
  if (!candidate?.record.value) return notFound(`no machine with id "${machine}" found`);
  if (candidate.allocation.value) return unprocessable(`machine "${machine}" is already allocated`);
  if (candidate.elected) return conflict(`machine "${machine}" is being allocated`);
  return { machine, size: candidate.record.value.size };
};

/**
 * Whether an index that does not know all machines yet may be asked for one: only where no machine that it lacks could make the
 * answer another one. A quota, the reservations of others and the spread over racks all count what is there.
 */
const mayChooseEarly = (
  state: AllocatorState,
  { request, machineQuota, reservations, size }: AllocateMachine,
): boolean => {
  if (machineQuota !== null || !state.whole.has('allocation')) return false;
  const { machines, firewalls } = state.candidates.countOf(request.project);
  return machines + firewalls === 0 && !reservations.some((reservation) => reservation.size === size);
};

/**
 * The machine that the request would get now, in the order of machines.md §8.2: quota, layout, candidate. Allocations
 * that are on their way count like those that are there (W05).
 */
export const propose = (
  state: AllocatorState,
  asked: AllocateMachine,
  excluded: ReadonlySet<string>,
  random: () => number,
): Proposal | Refusal | Waiting => {
  const { request, machineQuota, usedElsewhere } = asked;
  const isWhole = knowsMachines(state);
  if (!isWhole && (asked.machine !== null || !mayChooseEarly(state, asked))) return untilKnown(state, 'machines');
  const used = state.candidates.countOf(request.project);
  if (machineQuota !== null && used.machines + used.firewalls + usedElsewhere >= machineQuota) {
    return unprocessable(`project quota for machines reached max:${machineQuota}`);
  }
  const named = asked.machine === null ? undefined : namedMachine(state, asked.machine);
  if (named && isRefusal(named)) return named;
  const size = named?.size ?? asked.size;
  if (!layoutFor(asked.layouts, size)) {
    return unprocessable(`could not find a matching filesystemLayout for size:${size} and image:${asked.image}`);
  }
  if (named) return named;
  const machine = state.candidates.choose({
    size,
    project: request.project,
    role: asked.role,
    placementTags: request.placementTags,
    reservations: asked.reservations.filter((reservation) => reservation.size === size),
    excluded,
    random,
  });
  if (machine !== undefined) return { machine, size };
  return isWhole ? unprocessable('no machine available') : untilKnown(state, 'machines');
};

const elect: Reservations['elect'] = (state, asked, context) => {
  const proposal = propose(state, asked, new Set(asked.excluded), () => context.random());
  if (isRefusal(proposal) || 'wait' in proposal) return proposal;
  const number = state.asn.next();
  if (number === undefined) return poolExhausted('ASNs', state.asn);
  const { machine, size } = proposal;
  const { project, tags } = asked.request;
  const change = poolChange(state, context, 'asn', number, {
    pool: 'asn',
    number,
    owners: [asked.allocation],
    shared: false,
    elected: { machine, project, role: asked.role, tags },
  });
  return { reply: { machine, asn: ASN_BASE + number, size }, changes: [change] };
};

const releaseAsn: Reservations['releaseAsn'] = (state, { asn, allocation }, context) => {
  const number = asn - ASN_BASE;
  // Not ours to give back: computed by a predecessor, released before, or somebody else's by now (W13).
  if (!state.asn.row(number)?.value.owners.includes(allocation)) return NOTHING;
  if (state.asn.isReserved(number)) return { wait: `ASN ${asn} is part of an operation that is under way` };
  return { reply: {}, changes: [poolChange(state, context, 'asn', number, null)] };
};

const takeVrf: Reservations['takeVrf'] = (state, { network, number, shared }, context) => {
  const { vrf: pool } = state;
  if (number === 0) {
    const free = pool.next();
    if (free === undefined) return poolExhausted('VRFs', pool);
    const value = { pool: 'vrf' as const, number: free, owners: [network], shared, elected: null };
    return { reply: { vrf: free }, changes: [poolChange(state, context, 'vrf', free, value)] };
  }
  if (!Number.isInteger(number) || number < 1 || number > POOL_SIZE) {
    return unprocessable(`could not acquire vrf: value '${number}' is outside of the allowed range '1 - ${POOL_SIZE}'`);
  }
  if (pool.isReserved(number)) return { wait: `VRF ${number} is part of an operation that is under way` };
  const owners = pool.row(number)?.value.owners ?? [];
  if (owners.includes(network)) return { reply: { vrf: number }, changes: [] };
  if (owners.length > 0 && !shared) {
    return conflict(
      `cannot acquire a unique vrf id twice except vrfShared is set to true: Conflict integer is already acquired by another: VRF ${number} is that of network ${owners.join(', ')} in partition ${context.id}`,
    );
  }
  const value = { pool: 'vrf' as const, number, owners: [...owners, network], shared, elected: null };
  return { reply: { vrf: number }, changes: [poolChange(state, context, 'vrf', number, value)] };
};

/** The number is free when its last owner gives it back (N10). */
const releaseVrf: Reservations['releaseVrf'] = (state, { network, vrf }, context) => {
  const row = state.vrf.row(vrf)?.value;
  if (!row?.owners.includes(network)) return NOTHING;
  if (state.vrf.isReserved(vrf)) return { wait: `VRF ${vrf} is part of an operation that is under way` };
  const owners = row.owners.filter((owner) => owner !== network);
  const value = owners.length > 0 ? { ...row, owners } : null;
  return { reply: {}, changes: [poolChange(state, context, 'vrf', vrf, value)] };
};

export const allocatorReservations: Reservations = { elect, releaseAsn, takeVrf, releaseVrf };
