import type { Link, LinkState } from './link.ts';

export interface LinkLogOptions {
  monotonicMs(): number;
  say(what: string, fields: Record<string, unknown>): void;
}

/**
 * For a peering's `onLink`: says once when the link to a process goes down, and once, with the time it took, when it is
 * back. A process that was started again is another one: its first link ends the wait for its predecessor.
 */
export function sayLinkChanges({
  monotonicMs,
  say,
}: LinkLogOptions): (link: Pick<Link, 'state' | 'peer' | 'lastFailure' | 'onState'>) => void {
  /** By site, or kind of peer: since when its processes are away. */
  const away = new Map<string, Map<object, number>>();

  return (link) => {
    function changed(state: LinkState): void {
      const { peer, lastFailure } = link;
      const who = peer?.kind === 'site' ? `site ${peer.name}` : (peer?.name ?? 'a peer');
      const fields = { peer: peer?.name, process: peer?.process };
      const since = away.get(who) ?? new Map<object, number>();
      away.set(who, since);
      if (state === 'down' && !since.has(link)) {
        since.set(link, monotonicMs());
        say(`the link to ${who} is down`, { ...fields, ...(lastFailure === undefined ? {} : { why: lastFailure }) });
      } else if (state === 'up') {
        const [which, sinceMs] = since.has(link) ? [link, since.get(link)] : ([...since][0] ?? []);
        if (which === undefined || sinceMs === undefined) return;
        since.delete(which);
        say(`the link to ${who} is back`, { ...fields, downMs: Math.round(monotonicMs() - sinceMs) });
      } else if (state === 'closed') since.delete(link);
    }
    link.onState(changed);
    if (link.state === 'up') changed('up');
  };
}
