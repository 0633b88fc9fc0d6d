// The processes of the sites, as their links tell: several to a site, one of them active for all its scopes, the others
// stand by (design.md §2). Whoever asks a site asks the active one.
import type { World } from '../../actors/ports.ts';
import { isLinkFailure } from '../link/failure.ts';
import type { Link } from '../link/link.ts';
import type { NotifyHandler } from '../link/serve.ts';
import { MEMBERS_ASK, membersReplySchema } from '../peers.ts';

/** Kind of notify: `{active}`, sent over every link when a process takes its site over or gives it back. */
export const ROLE_NOTIFY = 'role';

export interface Processes {
  /** Links to processes of a site that are up, the active one first. */
  linksTo(site: string): Link[];
  /** The link to the active process of a site; undefined while none is known. */
  activeOf(site: string): Link | undefined;
  /**
   * Hears of every process that is known to be active, found so, or becomes so; also of the same one when its link comes
   * back. Those known before count: a process has links long before it is active itself.
   */
  onActive(listener: (link: Link) => void): void;
  /** Tells every link what this process is from now on. */
  announce(isActive: boolean): void;
  /** For the peering: a process was met. */
  meet(link: Link): void;
  /** For the peering: serves `ROLE_NOTIFY`. */
  readonly onRole: NotifyHandler;
  close(): void;
}

export interface ProcessesOptions {
  world: Pick<World, 'after'>;
  links(): readonly Link[];
  odd(what: string, error?: unknown): void;
}

/** While no process of a site is known to be active, those that are there are asked again this often. */
const LOOK_MS = 500;
const ROLE_MS = 2_000;

export function createProcesses({ world, links, odd }: ProcessesOptions): Processes {
  const active = new Set<Link>();
  const asking = new Set<Link>();
  const listeners = new Set<(link: Link) => void>();
  let closed = false;

  const isOf = (link: Link, site: string): boolean =>
    link.peer?.kind === 'site' && link.peer.name === site && link.state === 'up';
  const linksTo = (site: string): Link[] =>
    links()
      .filter((link) => isOf(link, site))
      .sort((a, b) => Number(active.has(b)) - Number(active.has(a)));
  const activeOf = (site: string): Link | undefined => links().find((link) => active.has(link) && isOf(link, site));

  function learn(link: Link, isActive: boolean): void {
    if (!isActive || link.state !== 'up') return void active.delete(link);
    // One a site: the latest to say so has taken over from the others, which may not know it yet.
    for (const other of active) if (other.peer?.name === link.peer?.name) active.delete(other);
    active.add(link);
    for (const listener of listeners) listener(link);
  }

  async function ask(link: Link): Promise<void> {
    if (asking.has(link) || closed) return;
    asking.add(link);
    try {
      const reply = membersReplySchema.parse(await link.ask(MEMBERS_ASK, null, ROLE_MS));
      if (!closed) learn(link, reply.active);
    } catch (error) {
      active.delete(link);
      if (!isLinkFailure(error)) odd(`site ${link.peer?.name ?? '?'} does not say what it is`, error);
    } finally {
      asking.delete(link);
    }
  }

  function look(): void {
    for (const link of links()) {
      const { peer } = link;
      if (peer?.kind === 'site' && link.state === 'up' && activeOf(peer.name) === undefined) void ask(link);
    }
    cancel = world.after(LOOK_MS, look);
  }
  let cancel = world.after(LOOK_MS, look);

  return {
    linksTo,
    activeOf,
    onActive(listener) {
      listeners.add(listener);
      for (const link of active) if (link.state === 'up') listener(link);
    },
    announce(isActive) {
      for (const link of links()) if (link.state === 'up') link.notify(ROLE_NOTIFY, { active: isActive });
    },
    meet(link) {
      link.onState((state) => {
        if (state !== 'up') active.delete(link);
        else if (link.peer?.kind === 'site') void ask(link);
      });
      if (link.state === 'up' && link.peer?.kind === 'site') void ask(link);
    },
    onRole(body, peer) {
      const link = links().find((one) => one.peer?.name === peer.name && one.peer.process === peer.process);
      if (link !== undefined) learn(link, (body as { active?: unknown } | null)?.active === true);
    },
    close() {
      closed = true;
      cancel();
    },
  };
}
