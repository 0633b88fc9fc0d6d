// Entries that lost their id to one of another site (design.md §7). They lie in the row of the entry that stands, so that
// they are written with it, loaded with it, and gone when the id is made anew. What lost is known to who saw both records:
// each site has its own list, which is neither told to the others nor compared with theirs.
import { compareHybrid, contentOf, supersedes, winner } from './meeting.ts';
import type { DirectoryKind, DirectoryRecord, LostEntry } from './record.ts';

/** One an id and site that lost it; of more the newest are kept. */
export const MOST_LOST = 16;

const NOTHING: readonly LostEntry[] = [];
const lostOf = (record: DirectoryRecord): readonly LostEntry[] => record.lost ?? NOTHING;

const withLost = (record: DirectoryRecord, lost: readonly LostEntry[]): DirectoryRecord =>
  lost.length === 0 ? withoutLost(record) : ({ ...record, lost: [...lost] } as DirectoryRecord);

/** As other sites hear of it, and as it is taken from them. */
export function withoutLost(record: DirectoryRecord): DirectoryRecord {
  if (record.lost === undefined) return record;
  const told = { ...record };
  delete told.lost;
  return told;
}

/** What is kept where `next` takes the place of `stored`: who makes an id anew knows that it is free, and of whose it was. */
function keptFor(next: DirectoryRecord, stored: DirectoryRecord): readonly LostEntry[] {
  const isAnew =
    next.home === stored.home ? compareHybrid(next.created, stored.created) !== 0 : supersedes(next, stored);
  return isAnew ? NOTHING : lostOf(stored);
}

/** `next`, of the same home, with what lost its id to this life of it. */
export const keepLost = (next: DirectoryRecord, stored: DirectoryRecord | undefined): DirectoryRecord =>
  stored === undefined ? next : withLost(next, keptFor(next, stored));

function isLost(losing: DirectoryRecord, standing: DirectoryRecord): boolean {
  if (losing.home === standing.home || losing.entity === null) return false;
  if (supersedes(standing, losing) || supersedes(losing, standing)) return false;
  // Two sites that had the same before they joined have nothing to resolve.
  return contentOf(standing) !== contentOf(losing);
}

/** The same list if that one is known already, or is older than all of a full list: it is brought again and again. */
function noted(lost: readonly LostEntry[], losing: DirectoryRecord, nowMs: number): readonly LostEntry[] {
  const { home, revision, created, entity } = losing;
  const known = lost.find((one) => one.home === home);
  if (entity === null || (known !== undefined && known.revision >= revision)) return lost;
  const found: LostEntry = { home, revision, created, entity, seenMs: nowMs };
  const newest = [...lost.filter((one) => one !== known), found]
    .sort((a, b) => compareHybrid(a.created, b.created))
    .slice(-MOST_LOST);
  return newest.includes(found) ? newest : lost;
}

/** What stands after two records of an id met, with what lost; `stored` itself if there is nothing to write. */
export function met(stored: DirectoryRecord, incoming: DirectoryRecord, nowMs: number): DirectoryRecord {
  const standing = winner(stored, incoming);
  const losing = standing === stored ? incoming : stored;
  const kept = standing === stored ? lostOf(stored) : keptFor(incoming, stored);
  const lost = isLost(losing, standing) ? noted(kept, losing, nowMs) : kept;
  return standing === stored && lost === kept ? stored : withLost(standing, lost);
}

/** An id that was created at two sites while they were cut apart. */
export interface NameConflict {
  kind: DirectoryKind;
  id: string;
  /** Site whose entry stands; the earlier one. */
  winner: string;
  /** What stands was deleted since: nothing is in force. */
  isDeleted: boolean;
  /** Site whose entry lost. */
  loser: string;
  /** Wall clock at which the loser was created. */
  createdAtMs: number;
  /** Wall clock at which this site saw both. */
  seenAtMs: number;
  /** What lost. */
  entity: DirectoryRecord['entity'];
}

/** Those of an entry, until its id is made anew: its deletion is no news of what had lost. */
export const conflictsOf = (record: DirectoryRecord): NameConflict[] =>
  lostOf(record).map(({ home, created, seenMs, entity }) => ({
    kind: record.kind,
    id: record.id,
    winner: record.home,
    isDeleted: record.entity === null,
    loser: home,
    createdAtMs: created.wallMs,
    seenAtMs: seenMs,
    entity,
  }));
