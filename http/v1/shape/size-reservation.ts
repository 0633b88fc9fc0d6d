import { z } from 'zod';
import type {
  SizeReservation,
  SizeReservationCreate,
  SizeReservationQuery,
  SizeReservationUpdate,
  SizeReservationUsage,
} from '../../../actors/directory/size-reservation.ts';
import { described, describedOf, labels, text, texts, timesOf } from './fields.ts';

export const reservationBody = z.object({
  ...described,
  sizeid: text,
  amount: z.int().optional(),
  projectid: text,
  partitionids: texts,
  labels,
});
type ReservationBody = z.infer<typeof reservationBody>;

export const reservationFindBody = z.object({ id: text, sizeid: text, projectid: text, partitionid: text });

export const reservationCreate = (body: ReservationBody): SizeReservationCreate => ({
  ...describedOf(body),
  size: body.sizeid ?? '',
  amount: body.amount ?? 0,
  project: body.projectid ?? '',
  partitions: body.partitionids ?? [],
  labels: body.labels ?? {},
});

export const reservationUpdate = (body: ReservationBody): SizeReservationUpdate & { id: string } => ({
  id: body.id ?? '',
  name: body.name,
  description: body.description,
  amount: body.amount,
  partitions: body.partitionids,
  labels: body.labels,
});

export const reservationQuery = (body: z.infer<typeof reservationFindBody>): SizeReservationQuery => ({
  id: body.id,
  size: body.sizeid,
  project: body.projectid,
  partition: body.partitionid,
});

const labelsOf = ({ labels }: SizeReservation) => (Object.keys(labels).length > 0 ? labels : undefined);

export const reservationResponse = (reservation: SizeReservation) => ({
  id: reservation.id,
  name: reservation.name,
  description: reservation.description,
  sizeid: reservation.size,
  amount: reservation.amount,
  projectid: reservation.project,
  partitionids: reservation.partitions,
  labels: labelsOf(reservation),
  ...timesOf(reservation),
});

export const usageResponse = ({ reservation, partition, usedAmount, projectAllocations }: SizeReservationUsage) => ({
  id: reservation.id,
  name: reservation.name,
  description: reservation.description,
  sizeid: reservation.size,
  partitionid: partition,
  projectid: reservation.project,
  amount: reservation.amount,
  usedamount: usedAmount,
  projectallocations: projectAllocations,
  labels: labelsOf(reservation),
});
