// The sites as a router knows them: the links that its configuration names, and those that the sites tell it of.
import { dialPeer } from './link/dial.ts';
import { linkFailure } from './link/failure.ts';
import type { Link } from './link/link.ts';
import type { Peering } from './link/peering.ts';
import { MEMBERS_ASK, membersReplySchema, type Member, type MembersReply, type PeerExchange } from './peers.ts';

export interface Sites extends PeerExchange {
  /** First site of the list that can be reached, leaving out the given one. */
  first(except?: string): string | undefined;
  close(): void;
}

export interface SitesOptions {
  readonly peering: Peering;
  /** `https://host:port` of peer listeners; their order is the order of preference. */
  readonly links: readonly string[];
  readonly odd?: (what: string, error?: unknown) => void;
}

/** Who belongs to the federation, and which process of a site is active, is asked this often over every link. */
export const REFRESH_MS = 1_000;
const MEMBERS_MS = 2_000;

interface Dial {
  readonly link: Link;
  readonly url: string;
  readonly configured: boolean;
  active: boolean;
  asking: boolean;
}

export function connectSites({ peering, links, odd }: SitesOptions): Sites {
  const { world } = peering.options;
  const dials = new Map<string, Dial>();
  let roster: MembersReply['members'] = [];
  let closed = false;
  let cancelRefresh = (): void => {};

  const siteOf = ({ link }: Dial): string | undefined => link.peer?.site;
  const isUp = ({ link }: Dial): boolean => link.state === 'up';

  const dial = (url: string, configured: boolean, expectedSite?: string): void => {
    if (dials.has(url)) return;
    const link = dialPeer(peering, expectedSite === undefined ? { url } : { url, expectedSite });
    const entry: Dial = { link, url, configured, active: false, asking: false };
    dials.set(url, entry);
    link.onState((state) => {
      if (state === 'up') void refresh(entry);
      else entry.active = false;
    });
  };

  const learn = (members: MembersReply['members']): void => {
    roster = members;
    const told = new Map(members.flatMap(({ site, links: urls }) => urls.map((url) => [url, site] as const)));
    for (const [url, site] of told) {
      try {
        dial(url, false, site);
      } catch (error) {
        odd?.(`site ${site} is said to be at ${url}`, error);
      }
    }
    for (const [url, { link, configured }] of dials) {
      if (configured || told.has(url)) continue;
      link.close();
      dials.delete(url);
    }
  };

  const refresh = async (entry: Dial): Promise<void> => {
    if (entry.asking || closed) return;
    entry.asking = true;
    try {
      const reply = membersReplySchema.parse(await entry.link.ask(MEMBERS_ASK, null, MEMBERS_MS));
      entry.active = reply.active;
      // A standby's word may be older; it counts only while nobody is active.
      if (!closed && (reply.active || roster.length === 0)) learn(reply.members);
    } catch (error) {
      entry.active = false;
      if (isUp(entry)) odd?.(`${entry.url} does not say who belongs to the federation`, error);
    } finally {
      entry.asking = false;
    }
  };

  const refreshAll = (): void => {
    for (const entry of dials.values()) if (isUp(entry)) void refresh(entry);
    cancelRefresh = world.after(REFRESH_MS, refreshAll);
  };

  /** The active process if one is known, else whichever: a standby passes everything on. */
  const dialTo = (site: string): Dial | undefined => {
    let found: Dial | undefined;
    for (const entry of dials.values()) {
      if (siteOf(entry) !== site || !isUp(entry)) continue;
      if (entry.active) return entry;
      found ??= entry;
    }
    return found;
  };

  const linkTo = (site: string): Link => {
    const found = dialTo(site);
    if (found !== undefined) return found.link;
    throw linkFailure('LinkDown', `no process of site ${site} can be reached`);
  };

  for (const url of links) dial(url, true);
  refreshAll();

  return {
    members() {
      const members = roster.map(({ site, partitions }) => ({ site, partitions, up: dialTo(site) !== undefined }));
      const known = new Set(members.map(({ site }) => site));
      // A link is up, its word on the federation is still on the way.
      for (const entry of dials.values()) {
        const site = siteOf(entry);
        if (site === undefined || known.has(site) || !isUp(entry)) continue;
        known.add(site);
        members.push({ site, partitions: [...(entry.link.peer?.partitions ?? [])], up: true });
      }
      return members satisfies readonly Member[];
    },
    first(except) {
      for (const entry of dials.values()) {
        const site = siteOf(entry);
        if (isUp(entry) && site !== undefined && site !== except) return site;
      }
      return undefined;
    },
    request: async (site, head, body, limits) => await linkTo(site).request(head, body, limits),
    ask: async (site, kind, body, deadlineMs) => await linkTo(site).ask(kind, body, deadlineMs),
    close() {
      closed = true;
      cancelRefresh();
      for (const { link } of dials.values()) link.close();
      dials.clear();
    },
  };
}
