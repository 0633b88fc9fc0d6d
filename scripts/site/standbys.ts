// The other processes of the site, as their links to this one tell: who can't be reached is not among them.
import { z } from 'zod';
import type { World } from '../../actors/ports.ts';
import type { Link } from '../../router/link/link.ts';

export interface StandbyView {
  /** As the lease would name it: host, process id, time of its start. */
  process: string;
  /** Base URLs of its REST edge. */
  urls: string[];
  /** `host:port` where its peer links arrive. */
  links: string[];
  /** When it was started, by its own clock; it stands by since then. Null: it does not say. */
  startedAtMs: number | null;
  /** When something was last heard of it: a link is up for a second and a half without. */
  seenAtMs: number;
}

/** What a process says of itself in the hello of its links (`Greeting`). */
export const greetingSchema = z.object({
  links: z.array(z.string().max(256)).max(8),
  urls: z.array(z.string().max(512)).max(8),
  startedAtMs: z.number().optional(),
});

/** `links`: those to the own site that are up. */
export function standbysOf(
  links: ReadonlyArray<Pick<Link, 'peer' | 'lastHeardMs'>>,
  world: Pick<World, 'monotonicMs' | 'wallMs'>,
): StandbyView[] {
  const [monotonicMs, wallMs] = [world.monotonicMs(), world.wallMs()];
  return links
    .flatMap(({ peer, lastHeardMs = monotonicMs }): StandbyView[] => {
      if (peer === undefined) return [];
      const greeting = greetingSchema.safeParse(peer.greeting).data;
      return [
        {
          process: peer.process,
          urls: greeting?.urls ?? [],
          links: greeting?.links ?? [],
          startedAtMs: greeting?.startedAtMs ?? null,
          seenAtMs: Math.round(wallMs - (monotonicMs - lastHeardMs)),
        },
      ];
    })
    .sort((a, b) => (a.process < b.process ? -1 : 1));
}
