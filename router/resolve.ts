// From what a request says about its place to the site that it belongs to, as far as that is known.
import type { Place } from './locations.ts';
import type { LocateAsk } from './peers.ts';
import type { Located } from './locate.ts';
import type { Where } from './where.ts';

/** What the resolving process knows. `nowhere`: all were asked, nobody has it; `undefined`: not known here. */
export interface Knowledge {
  /** The resolving site; '' for a router, which is nobody's home. */
  readonly site: string;
  readonly find: (ask: LocateAsk) => Place | 'nowhere' | undefined;
  readonly partition: (id: string) => string | undefined;
  /** Whether a site belongs to the federation. */
  readonly isMember: (site: string) => boolean;
  readonly globalHomes: () => readonly string[];
}

export type Target =
  /** Whoever has the request answers it. */
  | { readonly to: 'here' }
  | {
      readonly to: 'site';
      readonly place: Place;
      /** How the place was found; worth forgetting if it was wrong. */ readonly by?: LocateAsk;
    }
  /** These sites besides the receiving one, answers merged; `all`: every one. */
  | { readonly to: 'sites'; readonly sites: 'all' | readonly string[] }
  /** Ask everybody first, then resolve again. */
  | { readonly to: 'ask'; readonly ask: LocateAsk }
  | { readonly to: 'refuse'; readonly message: string };

const HERE: Target = { to: 'here' };
const ALL: Target = { to: 'sites', sites: 'all' };

/** Pure: the same knowledge gives the same target. */
export function resolve({ at, class: type }: Pick<Located, 'at' | 'class'>, known: Knowledge): Target {
  const goTo = (place: Place, by?: LocateAsk): Target =>
    place.site === known.site ? HERE : by === undefined ? { to: 'site', place } : { to: 'site', place, by };

  /** A list goes to everybody rather than to ask first: that is one round trip, not two. */
  const orAsk = (ask: LocateAsk): Target => (type === 'F/H' ? ALL : { to: 'ask', ask });

  const thing = (ask: LocateAsk): Target => {
    const place = known.find(ask);
    if (place === undefined) return orAsk(ask);
    return place === 'nowhere' ? HERE : goTo(place, ask);
  };

  const inNetwork = ({ id, ifGlobal }: Extract<Where, { by: 'network' }>): Target => {
    const ask: LocateAsk = { by: 'network', id };
    const place = known.find(ask);
    if (place === undefined) return orAsk(ask);
    if (place === 'nowhere') return HERE;
    if (place.partition !== '' || ifGlobal === 'home') return goTo(place, ask);
    if (ifGlobal === 'all') return ALL;
    return ifGlobal === 'here' ? HERE : thing({ by: 'machine', id: ifGlobal.machine });
  };

  const holderOf = ({ id, network }: Extract<Where, { by: 'address' }>): Target => {
    let home: Place | undefined;
    if (network !== undefined) {
      const ask: LocateAsk = { by: 'network', id: network };
      const place = known.find(ask);
      if (place === undefined) return { to: 'ask', ask };
      // Where spaces of partitions overlap, the network tells two equal addresses apart.
      if (place !== 'nowhere' && place.partition !== '') return goTo(place, ask);
      if (place !== 'nowhere') home = place;
    }
    const ask: LocateAsk = { by: 'address', id };
    const holder = known.find(ask);
    if (holder === undefined) return orAsk(ask);
    // Where it passes is known whether anybody has it; who is to have it next, the home of its network says.
    if (holder !== 'nowhere' && !(holder.isPassing && home !== undefined)) return goTo(holder, ask);
    return home === undefined ? HERE : goTo(home);
  };

  if (at === 'any' || at === 'here') return HERE;
  if (at === 'all') return ALL;
  if (at === 'globals') {
    const sites = known.globalHomes().filter((home) => home !== known.site);
    return sites.length === 0 ? HERE : { to: 'sites', sites };
  }
  switch (at.by) {
    case 'site':
      if (known.isMember(at.id)) return goTo({ site: at.id, partition: '' });
      return { to: 'refuse', message: `site: ${JSON.stringify(at.id)} is no member of this federation` };
    case 'partition': {
      // Nobody knows it: the answer, 400 or 404, is the edge's.
      const site = known.partition(at.id);
      return site === undefined ? HERE : goTo({ site, partition: at.id });
    }
    case 'machine':
    case 'switch':
      return thing({ by: at.by, id: at.id });
    case 'network':
      return inNetwork(at);
    case 'address':
      return holderOf(at);
    default:
      // The directory, the only one left: another one does not type-check here.
      return thing(at satisfies LocateAsk);
  }
}
