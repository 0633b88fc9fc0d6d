// Two records of one id meet: which of them stands, the same on every site whatever the order in which they come.
import type { DirectoryRecord, HybridTime } from './record.ts';

export const compareHybrid = (a: HybridTime, b: HybridTime): number =>
  a.wallMs - b.wallMs || a.counter - b.counter || (a.site < b.site ? -1 : a.site > b.site ? 1 : 0);

/** What a new record of an id stands upon: all that was known of it at other homes. */
export const livesBefore = ({ home, revision, over }: DirectoryRecord, site: string): DirectoryRecord['over'] =>
  home === site ? over : { ...over, [home]: Math.max(revision, over?.[home] ?? 0) };

/** Whether `a` was made in the knowledge of `b`, or of something later of its home. */
export const supersedes = (a: DirectoryRecord, b: DirectoryRecord): boolean => (a.over?.[b.home] ?? 0) >= b.revision;

/**
 * Which of two records of one id stands. Same home: the later revision. Two homes: one that was made in the knowledge of
 * the other, whose copy only comes late; else the one created earlier by the hybrid clock, then by site id (design.md §7),
 * the same on every site whatever the order. A deleted one counts as what it was: would it give way, a site that has
 * never heard of its life would decide otherwise than those that have. It is `again` that lets it give way.
 */
export function winner(a: DirectoryRecord, b: DirectoryRecord): DirectoryRecord {
  if (a.home === b.home) return b.revision > a.revision ? b : a;
  if (supersedes(a, b) !== supersedes(b, a)) return supersedes(a, b) ? a : b;
  return compareHybrid(a.created, b.created) <= 0 ? a : b;
}

/**
 * The home's own live entry once more, when it meets an earlier one that is deleted already: made anew in the knowledge of
 * that. undefined: the incoming one stands for another reason, or does not stand.
 */
export function again(stored: DirectoryRecord, incoming: DirectoryRecord, site: string): DirectoryRecord | undefined {
  const isMet = stored.home === site && stored.entity !== null && incoming.entity === null;
  if (!isMet || supersedes(incoming, stored) || winner(stored, incoming) === stored) return undefined;
  const over = { ...stored.over, [incoming.home]: Math.max(incoming.revision, stored.over?.[incoming.home] ?? 0) };
  return { ...stored, revision: stored.revision + 1, over };
}

const MADE = new Set(['created', 'changed', 'createdTime', 'updatedTime']);

/** What an entry says, without when it was made, and whatever the order in which a database gives its fields back. */
export const contentOf = ({ entity }: DirectoryRecord): string =>
  JSON.stringify(entity, (_, value: unknown) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
    const said = Object.entries(value).filter(([name]) => !MADE.has(name));
    return Object.fromEntries(said.sort(([a], [b]) => (a < b ? -1 : 1)));
  });
