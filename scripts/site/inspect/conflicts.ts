// Directory entries that lost their id to an older one of another site; they wait for an operator's word.
import { addressOf, siteScope } from '../../../actors/address.ts';
import type { DirectoryKind, DirectoryRecord } from '../../../actors/directory/record.ts';
import type { ShardHost } from '../../../actors/runtime/host.ts';
import { inspectOne } from './actors.ts';

const KINDS: Record<DirectoryKind, true> = {
  partition: true,
  size: true,
  image: true,
  sizeimageconstraint: true,
  sizereservation: true,
  filesystemlayout: true,
  project: true,
  tenant: true,
  globalnetwork: true,
  member: true,
};

export async function conflictsOf(
  host: Pick<ShardHost, 'inspect'>,
  shards: number,
  site: string,
): Promise<DirectoryRecord[]> {
  const kinds = Object.keys(KINDS) as DirectoryKind[];
  const actors = await Promise.all(
    kinds.map((kind) => inspectOne(host, shards, addressOf(siteScope(site), 'directory', kind))),
  );
  return actors.flatMap((actor) => (actor?.state as { conflicts?: DirectoryRecord[] } | undefined)?.conflicts ?? []);
}
