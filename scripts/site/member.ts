// The site's own entry of the roster: where each of its processes is reached, so that peers and routers know them all.
import { addressOf, siteScope } from '../../actors/address.ts';
import { isRefusal } from '../../actors/refusal.ts';
import type { World } from '../../actors/ports.ts';
import type { DirectoryCopy, Site } from '../../http/site.ts';
import type { Greeting, SiteLinks } from '../../router/federation/site-links.ts';
import { greetingSchema } from './standbys.ts';

export interface MemberOptions {
  site: string;
  ask: Site['ask'];
  copy: Pick<DirectoryCopy, 'get'>;
  links: Pick<SiteLinks, 'processes'>;
  world: World;
  /** Of this process. */
  reachedAt: Greeting;
  odd(what: string, error?: unknown): void;
}

/** A process that was not seen for so long is taken off the entry. */
const FORGET_MS = 600_000;
const LOOK_MS = 1_000;
/** As many as a reply to routers may name. */
const MOST = 16;

/** Writes the entry, and again whenever a process comes or has been away for long. Resolves after the first time. */
export async function keepMember(options: MemberOptions): Promise<{ stop(): void }> {
  const { site, copy, links, world } = options;
  const seen = { links: new Map<string, number>(), urls: new Map<string, number>() };
  const actor = addressOf(siteScope(site), 'directory', 'member');
  const as = { who: 'hanse' };
  let stopped = false;

  function see(): void {
    const now = world.monotonicMs();
    const greetings = links.processes
      .linksTo(site)
      .map(({ peer }) => greetingSchema.safeParse(peer?.greeting).data)
      .filter((greeting) => greeting !== undefined);
    for (const greeting of [options.reachedAt, ...greetings]) {
      for (const link of greeting.links) seen.links.set(link, now);
      for (const url of greeting.urls) seen.urls.set(url, now);
    }
    const known = copy.get('member', site);
    // An entry of a former life names processes that may come back.
    for (const link of known?.linkAddresses ?? []) if (!seen.links.has(link)) seen.links.set(link, now);
    for (const url of known?.httpUrls ?? []) if (!seen.urls.has(url)) seen.urls.set(url, now);
    for (const times of [seen.links, seen.urls])
      for (const [name, atMs] of times) if (now - atMs > FORGET_MS) times.delete(name);
  }

  /** This process first, then by text: the entry changes only when a process comes or goes, not when the active one does. */
  const listed = (times: Map<string, number>): string[] =>
    [...times]
      .sort(([a, atA], [b, atB]) => atB - atA || (a < b ? -1 : 1))
      .slice(0, MOST)
      .map(([name]) => name)
      .sort();

  async function write(): Promise<void> {
    see();
    const request = {
      id: site,
      name: site,
      description: '',
      linkAddresses: listed(seen.links),
      httpUrls: listed(seen.urls),
    };
    const known = copy.get('member', site);
    const textOf = (entry: { linkAddresses: string[]; httpUrls: string[] }): string =>
      JSON.stringify([[...entry.linkAddresses].sort(), [...entry.httpUrls].sort()]);
    if (known !== undefined && textOf(known) === textOf(request)) return;
    const answer =
      known === undefined
        ? await options.ask(actor, 'create', { kind: 'member', request, facts: {} }, as)
        : await options.ask(actor, 'update', { kind: 'member', id: site, request, facts: {} }, as);
    if (isRefusal(answer)) options.odd(`the roster entry of this site could not be written: ${answer.message}`);
  }

  let cancel = (): void => {};
  const again = (): void => {
    if (stopped) return;
    cancel = world.after(LOOK_MS, () => {
      void write()
        .catch((error: unknown) => options.odd('the roster entry of this site could not be written', error))
        .finally(again);
    });
  };
  await write();
  again();
  return {
    stop() {
      stopped = true;
      cancel();
    },
  };
}
