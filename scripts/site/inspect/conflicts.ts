// Directory ids that were created at two sites while they were cut apart, as the rows say: an actor that is not in memory has
// them, too.
import { z } from 'zod';
import { siteScope } from '../../../actors/address.ts';
import { conflictsOf, type NameConflict } from '../../../actors/directory/conflict.ts';
import type { Site } from '../../../http/site.ts';

export interface ConflictsView {
  conflicts: NameConflict[];
  /** Entries of which it can't be told: what they say has not the form that this version knows. */
  unread: Array<{ key: string; reason: string }>;
}

const lost = z.object({
  home: z.string(),
  revision: z.number(),
  created: z.object({ wallMs: z.number() }),
  seenMs: z.number(),
  entity: z.looseObject({}),
});
const entry = z.object({
  kind: z.string(),
  id: z.string(),
  home: z.string(),
  entity: z.looseObject({}).nullable(),
  lost: z.array(lost).optional(),
});

const reasonOf = (error: z.ZodError): string =>
  error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ');

export async function readConflicts(site: Pick<Site, 'id' | 'rows'>): Promise<ConflictsView> {
  const rows = await site.rows.rows('directory', { scopes: [siteScope(site.id)] });
  const view: ConflictsView = { conflicts: [], unread: [] };
  for (const { key, value } of rows) {
    const read = entry.safeParse(value);
    if (read.success) view.conflicts.push(...conflictsOf(value));
    else view.unread.push({ key, reason: reasonOf(read.error) });
  }
  // The latest first, whatever the order of the rows.
  view.conflicts.sort((a, b) => b.seenAtMs - a.seenAtMs || (a.id < b.id ? -1 : 1));
  return view;
}
