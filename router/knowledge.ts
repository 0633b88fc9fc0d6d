// What a site knows of places: its own index, what it asked others before, and who the members are.
import type { DirectoryKind } from '../actors/directory/record.ts';
import { askName, type Locations, type Place } from './locations.ts';
import type { LocateAsk, LocateReply, PeerExchange } from './peers.ts';
import type { PlaceIndex } from './place-index.ts';
import type { Knowledge } from './resolve.ts';
import type { OperationClass } from './where.ts';

/** Where something is that this site's own rows tell of. */
function ownPlace(ask: LocateAsk, site: string, places: PlaceIndex): Place | undefined {
  switch (ask.by) {
    case 'machine':
    case 'switch': {
      const partition = ask.by === 'machine' ? places.machine(ask.id) : places.switch(ask.id);
      return partition === undefined ? undefined : { site, partition };
    }
    case 'network': {
      const network = places.network(ask.id);
      return network && { site: network.home, partition: network.partition };
    }
    case 'address': {
      const holder = places.address(ask.id);
      return holder && { site: holder.site ?? site, partition: holder.partition };
    }
    default: {
      const entry = places.entryHome(ask.kind as DirectoryKind, ask.id);
      const home = entry ?? (ask.kind === 'partition' ? places.partition(ask.id) : undefined);
      return home === undefined ? undefined : { site: home, partition: '' };
    }
  }
}

/** An address that is on its way, or was lent by us: its borrower may give it back before the asker comes there. */
function passingAt(address: string, places: PlaceIndex): Pick<LocateReply & { here: false }, 'passing' | 'isLent'> {
  const lent = places.address(address);
  if (lent !== undefined) return { passing: '', isLent: true };
  const passing = places.passing(address);
  return passing === undefined || passing.isWanted ? {} : { passing: passing.partition };
}

/** Answers another site or a router: only for what is at home here, never by hearsay. */
export function answerLocate(ask: LocateAsk, site: string, places: PlaceIndex): LocateReply {
  const place = ownPlace(ask, site, places);
  if (place?.site !== site) return { here: false, ...(ask.by === 'address' && passingAt(ask.id, places)) };
  const holder = ask.by === 'address' ? places.address(ask.id) : undefined;
  return {
    here: true,
    partition: place.partition,
    ...(holder && { network: holder.network, ...(holder.isLoan && { loan: true }) }),
  };
}

/** `nowhere` has the names of what everybody was asked for in vain, for this request. */
export function knowledgeOf(
  ports: {
    readonly site: string;
    readonly places: PlaceIndex;
    readonly peers: PeerExchange;
    readonly locations: Locations;
  },
  type: OperationClass,
  asked: ReadonlyMap<string, Place | 'nowhere'> | undefined,
): Knowledge {
  const { site, places, peers, locations } = ports;
  return {
    site,
    find(ask) {
      // What everybody said just now is newer than a copy of the directory.
      const said = asked?.get(askName(ask));
      if (said !== undefined) return said;
      const here = ownPlace(ask, site, places);
      // A read of the directory needs no more than a copy.
      if (here !== undefined && ask.by === 'directory' && type === 'D') return { site, partition: '' };
      return here ?? locations.known(ask);
    },
    partition: (id) => places.partition(id) ?? peers.members().find(({ partitions }) => partitions.includes(id))?.site,
    isMember: (id) => id === site || peers.members().some((member) => member.site === id),
    globalHomes: () => places.globalHomes(),
  };
}
