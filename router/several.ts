// One id at several places: two addresses of overlapping partitions, a machine that was moved and is known at both its old
// and its new home. Which one is meant only the asker can say (design.md §12).
import type { Located } from './locate.ts';
import type { Place } from './locations.ts';
import { headerOf, PARTITION_HEADER, type HttpAnswer, type HttpRequest } from './message.ts';
import type { LocateAsk } from './peers.ts';
import { nameOf } from './stale.ts';
import { v1Error } from './v1-error.ts';

/** What agents tell of the switch before them; it comes often, and does nothing to it. */
const REPORTS = new Set(['notifySwitch']);

/** The machine or switch that a request does something to; undefined: it only reads, or means something else. */
export const actedOn = ({ at, access, operation }: Located): LocateAsk | undefined =>
  access === 'w' && typeof at === 'object' && (at.by === 'machine' || at.by === 'switch') && !REPORTS.has(operation)
    ? { by: at.by, id: at.id }
    : undefined;

const namesOf = (places: readonly Place[]): string =>
  places
    .map(({ site, partition }) => nameOf({ site, partitions: partition === '' ? [] : [partition] }))
    .join(' and in ');

export const severalAddresses = (address: string, places: readonly Place[]): HttpAnswer =>
  v1Error(409, `Conflict ip ${address} exists in ${namesOf(places)}: the address alone does not say which`);

/** Which of several is meant, if the request says so. */
export const partitionNamed = ({ headers }: Pick<HttpRequest, 'headers'>): string | undefined =>
  headerOf(headers, PARTITION_HEADER);

/** The place that the request names, or 409: an arbitrary one would be acted on. */
export function meantOf(
  request: Pick<HttpRequest, 'headers'>,
  { by, id }: LocateAsk,
  places: readonly Place[],
): Place | HttpAnswer {
  const named = partitionNamed(request);
  const meant = places.filter(({ partition }) => partition === named);
  if (meant.length === 1) return meant[0]!;
  return v1Error(
    409,
    `Conflict ${by} ${JSON.stringify(id)} exists in ${namesOf(places)}, and nothing was done: the header X-Hanse-Partition has to name the partition whose ${by} is meant`,
  );
}
