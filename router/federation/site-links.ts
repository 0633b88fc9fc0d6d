// What a process of a site has from its start to its end, active or not: its links to other processes, of its own site
// too, and the port where they arrive.
import type { World } from '../../actors/ports.ts';
import { dialPeer, type OpenConnection } from '../link/dial.ts';
import type { Link } from '../link/link.ts';
import { listenForPeers, type ListenOptions, type PeerListener } from '../link/listen.ts';
import { createPeering, type Peering } from '../link/peering.ts';
import { MEMBERS_ASK, type MembersReply } from '../peers.ts';
import type { SiteIdentity } from './identity.ts';
import { createProcesses, ROLE_NOTIFY, type Processes } from './processes.ts';

/** What a process says of itself to every other, in its hello; not validated by the link. */
export interface Greeting {
  /** `host:port` where its peer links arrive. */
  links: string[];
  /** Base URLs of its REST edge. */
  urls: string[];
  /** Wall clock. A process of the version before does not say. */
  startedAtMs?: number;
}

export interface SiteLinks {
  readonly peering: Peering;
  readonly processes: Processes;
  listen(options: ListenOptions): Promise<PeerListener>;
  /** Keeps links to these `host:port` of a site, and lets go of its others. */
  dial(site: string, addresses: readonly string[]): void;
  /** Links that were dialled, up or not. */
  dials(): readonly Link[];
  /** Sets who answers what the members are. */
  answerMembers(answer: () => MembersReply): void;
  close(): Promise<void>;
}

export interface SiteLinksOptions {
  site: string;
  /** Unique among the processes of the site. */
  process: string;
  /** New with every start. */
  incarnation: string;
  identity(): Pick<SiteIdentity, 'certificate' | 'authority'>;
  world: World;
  /** Read at every connection. */
  greeting?(): Greeting;
  odd(what: string, error?: unknown): void;
  /** Hears of every process that is met, once. */
  onLink?(link: Link): void;
  /** How a connection is opened to an address that is dialled. Default: a WebSocket over mutual TLS. */
  open?: OpenConnection;
}

export function openSiteLinks(options: SiteLinksOptions): SiteLinks {
  const { site, world, odd } = options;
  const dials = new Map<string, { site: string; link: Link }>();
  let listener: PeerListener | undefined;
  let membersReply = (): MembersReply => ({ site, active: false, members: [] });

  const peering = createPeering({
    identity: () => {
      const { certificate, authority } = options.identity();
      const greeting = options.greeting?.();
      return {
        site,
        process: options.process,
        certificate,
        authority: authority.cert,
        ...(greeting === undefined ? {} : { greeting }),
      };
    },
    incarnation: options.incarnation,
    world,
    odd,
    onLink(link) {
      processes.meet(link);
      options.onLink?.(link);
    },
    ...(options.open === undefined ? {} : { open: options.open }),
  });
  const processes: Processes = createProcesses({ world, links: () => peering.links(), odd });
  peering.onNotify(ROLE_NOTIFY, processes.onRole);
  peering.onAsk(MEMBERS_ASK, () => membersReply());

  return {
    peering,
    processes,
    async listen(listening) {
      return (listener = await listenForPeers(peering, listening));
    },
    dial(member, addresses) {
      const own = new Set(member === site ? options.greeting?.().links : []);
      const wanted = new Set(addresses.filter((address) => !own.has(address)).map((address) => `https://${address}`));
      for (const [url, dial] of dials) {
        if (dial.site !== member || wanted.has(url)) continue;
        dial.link.close();
        dials.delete(url);
      }
      for (const url of wanted) {
        if (!dials.has(url)) dials.set(url, { site: member, link: dialPeer(peering, { url, expectedSite: member }) });
      }
    },
    dials: () => [...dials.values()].map(({ link }) => link),
    answerMembers: (answer) => void (membersReply = answer),
    async close() {
      processes.close();
      await listener?.close();
      peering.close();
    },
  };
}
