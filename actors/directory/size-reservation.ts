import { alreadyExists, invalid, notFound, type Refusal } from '../refusal.ts';
import { byId, touched, type Entity, type EntityUpdate } from './entity.ts';

/** `amount` machines of a size are kept for a project in *each* of the partitions (machines.md §15.4). */
export interface SizeReservation extends Entity {
  size: string;
  amount: number;
  project: string;
  partitions: string[];
  labels: Record<string, string>;
}

export interface SizeReservationCreate {
  /** Never empty: whoever asks without one is given a fresh uuid before. */
  id: string;
  name: string;
  description: string;
  size: string;
  amount: number;
  project: string;
  partitions: string[];
  labels: Record<string, string>;
}

/** Size and project can't be changed. */
export interface SizeReservationUpdate extends EntityUpdate {
  amount?: number | undefined;
  /** Empty keeps the stored ones. */
  partitions?: string[] | undefined;
  labels?: Record<string, string> | undefined;
}

const validate = (
  { amount, partitions }: SizeReservation,
  hasPartition: (id: string) => boolean,
): Refusal | undefined => {
  if (!Number.isSafeInteger(amount) || amount < 1) return invalid(`amount:${amount} must be 1 or more`);
  if (partitions.length === 0) return invalid('partitionids should not be empty, at least one is needed');
  const unknown = partitions.find((id) => !hasPartition(id));
  if (unknown !== undefined) return invalid(`no partition with id "${unknown}" found`);
  if (new Set(partitions).size < partitions.length) return invalid('partitionids must not contain duplicates');
  return undefined;
};

export const createSizeReservation = (
  asked: SizeReservationCreate,
  known: {
    hasSize: (id: string) => boolean;
    hasProject: (id: string) => boolean;
    hasPartition: (id: string) => boolean;
    exists: boolean;
  },
  nowMs: number,
): SizeReservation | Refusal => {
  if (!known.hasSize(asked.size)) return notFound(`no size with id "${asked.size}" found`);
  if (!known.hasProject(asked.project)) return notFound(`no project with id "${asked.project}" found`);
  const reservation: SizeReservation = { ...asked, created: nowMs, changed: nowMs };
  const problem = validate(reservation, known.hasPartition);
  if (problem) return problem;
  return known.exists ? alreadyExists() : reservation;
};

export const updateSizeReservation = (
  stored: SizeReservation,
  asked: SizeReservationUpdate,
  hasPartition: (id: string) => boolean,
  nowMs: number,
): SizeReservation | Refusal => {
  const reservation: SizeReservation = {
    ...touched(stored, asked, nowMs),
    amount: asked.amount ?? stored.amount,
    partitions: asked.partitions?.length ? asked.partitions : stored.partitions,
    labels: asked.labels ?? stored.labels,
  };
  return validate(reservation, hasPartition) ?? reservation;
};

export interface SizeReservationQuery {
  id?: string | undefined;
  size?: string | undefined;
  project?: string | undefined;
  /** The reservation covers it. */
  partition?: string | undefined;
}

/** All asked fields must match; nothing asked matches everything. */
export const matchesReservation = (reservation: SizeReservation, query: SizeReservationQuery): boolean =>
  (query.id === undefined || reservation.id === query.id) &&
  (query.size === undefined || reservation.size === query.size) &&
  (query.project === undefined || reservation.project === query.project) &&
  (query.partition === undefined || reservation.partitions.includes(query.partition));

/**
 * How much of each reservation is used, for reservations of *one* size in *one* partition. A machine counts once: two
 * reservations of one project add up, so that what is left agrees with what an allocation may still take (W06).
 */
export const usedByReservation = (
  reservations: readonly { project: string; amount: number }[],
  have: (project: string) => number,
): number[] => {
  const left = new Map<string, number>();
  return reservations.map(({ project, amount }) => {
    const machines = left.get(project) ?? have(project);
    const used = Math.min(amount, machines);
    left.set(project, machines - used);
    return used;
  });
};

/** One reservation in one of its partitions. */
export interface SizeReservationUsage {
  reservation: SizeReservation;
  partition: string;
  usedAmount: number;
  /** Machines of the project with that size in that partition, reserved or not. */
  projectAllocations: number;
}

/**
 * A row per queried reservation and partition of it, by id. `reservations` and `allocations` are all there are, so that
 * machines are spread over all reservations of their project; the query chooses the rows.
 */
export const reservationUsage = (
  reservations: readonly SizeReservation[],
  query: SizeReservationQuery,
  allocations: readonly { size: string; project: string; partition: string }[],
): SizeReservationUsage[] => {
  const sorted = [...reservations].sort(byId);
  return sorted
    .filter((reservation) => matchesReservation(reservation, query))
    .flatMap((reservation) =>
      reservation.partitions.map((partition) => {
        const rivals = sorted.filter(
          ({ size, partitions }) => size === reservation.size && partitions.includes(partition),
        );
        const have = (project: string) =>
          allocations.filter(
            (allocation) =>
              allocation.project === project &&
              allocation.size === reservation.size &&
              allocation.partition === partition,
          ).length;
        return {
          reservation,
          partition,
          usedAmount: usedByReservation(rivals, have)[rivals.indexOf(reservation)]!,
          projectAllocations: have(reservation.project),
        };
      }),
    );
};
