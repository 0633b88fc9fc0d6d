// Directory entries that lost their id to an older one of another site; they wait for an operator's word.
import { addressOf, siteScope } from '../../../actors/address.ts';
import { DIRECTORY_KINDS, type DirectoryKind, type DirectoryRecord } from '../../../actors/directory/record.ts';
import type { ShardHost } from '../../../actors/runtime/host.ts';
import type { Site } from '../../../http/site.ts';
import { inspectOne } from './actors.ts';

export interface Conflict {
  kind: DirectoryKind;
  id: string;
  /** Site whose entry is in force; the earlier one. */
  winner: string | null;
  /** Site whose entry lost. */
  loser: string;
  /** Wall clock at which the loser was created. */
  createdAtMs: number;
  /** What lost. */
  entity: DirectoryRecord['entity'];
}

export async function conflictsOf(
  host: Pick<ShardHost, 'inspect'>,
  shards: number,
  site: Pick<Site, 'id' | 'directory'>,
): Promise<Conflict[]> {
  const actors = await Promise.all(
    DIRECTORY_KINDS.map((kind) => inspectOne(host, shards, addressOf(siteScope(site.id), 'directory', kind))),
  );
  const lost = actors.flatMap(
    (actor) => (actor?.state as { conflicts?: DirectoryRecord[] } | undefined)?.conflicts ?? [],
  );
  return lost.map(({ kind, id, home, created, entity }) => ({
    kind,
    id,
    winner: site.directory.entry(kind, id)?.home ?? null,
    loser: home,
    createdAtMs: created.wallMs,
    entity,
  }));
}
