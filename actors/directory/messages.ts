// The directory: one actor a site and kind. Holds the site's own entries and the copies of the others'.
import type { DirectoryEntities, DirectoryKind, DirectoryRecord } from './record.ts';

export interface DirectoryCommands {
  /** `request` is the kind's own create request, validated by the kind's rules; an existing id is `alreadyExists()`. */
  create: { ask: { kind: DirectoryKind; request: unknown }; reply: DirectoryRecord };
  /** Only at the entry's home. `request`: the kind's update request, with the id. */
  update: { ask: { kind: DirectoryKind; id: string; request: unknown }; reply: DirectoryRecord };
  /** Answers the entry as it was. */
  delete: { ask: { kind: DirectoryKind; id: string }; reply: DirectoryRecord };
  /** Entries of other sites, as their homes have them; older revisions are ignored. */
  apply: { ask: { entries: DirectoryRecord[] }; reply: { applied: number } };
  all: { ask: Record<string, never>; reply: { entries: DirectoryRecord[] } };
}

export interface DirectoryReservations {
  /** Entries that another actor's operation publishes (global networks). null removes. */
  publish: {
    ask: { kind: DirectoryKind; id: string; entity: DirectoryEntities[DirectoryKind] | null };
    reply: Record<string, never>;
  };
}
