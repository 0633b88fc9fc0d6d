// A site's own copy of the directory: every site reads its own, synchronously (design.md §3).
import type { LogEntry, RowReader } from '../../actors/ports.ts';
import { withoutLost } from '../../actors/directory/conflict.ts';
import { byText } from '../../actors/directory/entity.ts';
import type {
  DirectoryEntities,
  DirectoryEntry,
  DirectoryKind,
  DirectoryRecord,
} from '../../actors/directory/record.ts';

export interface DirectoryCopy {
  get<K extends DirectoryKind>(kind: K, id: string): DirectoryEntities[K] | undefined;
  /** With home and revision; also of deleted entries. */
  entry<K extends DirectoryKind>(kind: K, id: string): DirectoryEntry<K> | undefined;
  /** Live entities, ordered by id. */
  list<K extends DirectoryKind>(kind: K): Array<DirectoryEntities[K]>;
}

export interface FilledCopy extends DirectoryCopy {
  /** All entries with a home, tombstones included, as others are told of them. */
  entriesOf(home: string): DirectoryRecord[];
  /** Takes what was just committed here. */
  take(entry: LogEntry): DirectoryRecord[];
}

/** Fills the copy from the rows of a site's scope. */
export async function openDirectoryCopy(rows: Pick<RowReader, 'rows'>, site: string): Promise<FilledCopy> {
  const kinds = new Map<DirectoryKind, Map<string, { version: number; record: DirectoryRecord }>>();
  /** Lists are asked for far more often than the directory changes. */
  const lists = new Map<DirectoryKind, unknown[]>();

  function put(version: number, record: DirectoryRecord): boolean {
    let entries = kinds.get(record.kind);
    if (entries === undefined) kinds.set(record.kind, (entries = new Map()));
    const known = entries.get(record.id);
    if (known !== undefined && known.version >= version) return false;
    entries.set(record.id, { version, record });
    lists.delete(record.kind);
    return true;
  }

  for (const row of await rows.rows('directory', { scopes: [`site:${site}`] })) put(row.version, row.value);

  return {
    get: (kind, id) => (kinds.get(kind)?.get(id)?.record.entity ?? undefined) as never,
    entry: (kind, id) => kinds.get(kind)?.get(id)?.record as never,
    list(kind) {
      let list = lists.get(kind);
      if (list === undefined) {
        list = [...(kinds.get(kind)?.values() ?? [])]
          .filter(({ record }) => record.entity !== null)
          .sort((a, b) => byText(a.record.id, b.record.id))
          .map(({ record }) => record.entity);
        lists.set(kind, list);
      }
      return [...list] as never;
    },
    entriesOf: (home) =>
      [...kinds.values()]
        .flatMap((entries) => [...entries.values()].map(({ record }) => record))
        .filter((record) => record.home === home)
        .map(withoutLost),
    take(entry) {
      const taken: DirectoryRecord[] = [];
      for (const change of entry.changes) {
        if (change.table === 'directory' && change.value !== null && put(change.version, change.value))
          taken.push(change.value);
      }
      return taken;
    },
  };
}
