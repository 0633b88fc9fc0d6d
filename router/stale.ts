// How an answer says that it is not the newest, or not all, because somebody could not be reached.
import type { Member } from './peers.ts';

/** A member whose part of an answer is missing, or comes from a copy. */
export interface Absent {
  readonly member: Pick<Member, 'site' | 'partitions'>;
  /** Age of the copy in seconds; undefined: there is none, the part is missing. */
  readonly ageS?: number | undefined;
}

/** A name in the text of a header or a message: ids are checked elsewhere, headers must not trust that. */
const plain = (name: string): string => name.replace(/[^\x21-\x7e]|["\\,;]/g, '_');

/** `partition "b" (site "fra")`; of a site without partitions the site alone. */
export function nameOf({ site, partitions }: Pick<Member, 'site' | 'partitions'>): string {
  if (partitions.length === 0) return `site "${plain(site)}"`;
  const names = partitions.map((partition) => `"${plain(partition)}"`).join(', ');
  return `${partitions.length === 1 ? 'partition' : 'partitions'} ${names} (site "${plain(site)}")`;
}

export const namesOf = (members: readonly Pick<Member, 'site' | 'partitions'>[]): string =>
  members.map(nameOf).join(' and ');

/**
 * `Warning: 199` (RFC 7234 §5.5) with a sentence for people, and `X-Stale-Partitions: b;age=12, c` for programs: an age
 * in seconds where a copy answered, none where the part is missing.
 */
export function staleHeaders(absent: readonly Absent[]): Array<[string, string]> {
  if (absent.length === 0) return [];
  const sentences = absent.map(({ member, ageS }) => {
    const subject = nameOf(member).replaceAll('"', "'");
    return ageS === undefined
      ? `${subject} can't be reached: not part of this answer`
      : `${subject} can't be reached: this part is ${Math.round(ageS)} s old`;
  });
  const programs = absent.flatMap(({ member, ageS }) =>
    (member.partitions.length > 0 ? member.partitions : [`site:${member.site}`]).map(
      (partition) => plain(partition) + (ageS === undefined ? '' : `;age=${Math.round(ageS)}`),
    ),
  );
  return [
    ['Warning', sentences.map((sentence) => `199 hanse "${sentence}"`).join(', ')],
    ['X-Stale-Partitions', programs.join(', ')],
  ];
}
