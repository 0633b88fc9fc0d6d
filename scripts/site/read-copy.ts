// Answers for a site that can't be reached, from the copy of the directory here: what belongs to it as a whole, above all
// its global networks, of which partitions here go on giving out addresses (design.md §2).
import type { World } from '../../actors/ports.ts';
import type { DirectoryCopy } from '../../router/federation/directory-copy.ts';
import type { ReadCopy } from '../../router/fan-out.ts';
import { matchOperation } from '../../router/locate.ts';
import type { HttpAnswer, HttpRequest } from '../../router/message.ts';
import type { PeerExchange } from '../../router/peers.ts';

export interface ReadCopyOptions {
  /** Default `/`. */
  basePath?: string;
  peers: Pick<PeerExchange, 'members'>;
  directory: Pick<DirectoryCopy, 'entry' | 'list'>;
  /** The own edge, told for which site it answers. */
  answer(request: HttpRequest, copyOf: string): Promise<HttpAnswer>;
  world: Pick<World, 'after' | 'monotonicMs' | 'wallMs'>;
}

/** What the copy has an answer to. */
const ANSWERED: ReadonlySet<string> = new Set(['listNetworks', 'findNetworks', 'findNetwork']);
/** The age of a copy is told to the second. */
const LOOK_MS = 1_000;

export function keepReadCopy({ basePath = '/', peers, directory, answer, world }: ReadCopyOptions): {
  copyOf: ReadCopy;
  stop(): void;
} {
  /** Monotonic: while a link is up, what changes at the other end is here at once. */
  const lastUpMs = new Map<string, number>();
  let cancel = (): void => {};
  const look = (): void => {
    for (const { site, up } of peers.members()) if (up) lastUpMs.set(site, world.monotonicMs());
    cancel = world.after(LOOK_MS, look);
  };
  look();

  /** Of a site that was never met since the start: as old as what it changed last may be. */
  function ageS(site: string): number {
    const upMs = lastUpMs.get(site);
    if (upMs !== undefined) return (world.monotonicMs() - upMs) / 1_000;
    const changed = directory
      .list('globalnetwork')
      .filter(({ id }) => directory.entry('globalnetwork', id)?.home === site)
      .map((network) => network.changed);
    return Math.max(0, world.wallMs() - Math.max(0, ...changed)) / 1_000;
  }

  return {
    async copyOf(site, request) {
      const match = matchOperation(request.method, request.path, basePath);
      if (match === undefined || !ANSWERED.has(match.operation.id)) return undefined;
      const isKnown = directory
        .list('globalnetwork')
        .some(({ id }) => directory.entry('globalnetwork', id)?.home === site);
      return isKnown ? { ageS: ageS(site), answer: await answer(request, site) } : undefined;
    },
    stop: () => cancel(),
  };
}
