import type { AskAnswer } from './asks.ts';
import type { Certificate, PeerIdentity } from './certificates.ts';
import type { OpenConnection } from './dial.ts';
import type { LinkRefusal } from './failure.ts';
import type { FrameOf } from './frames.ts';
import type { LinkWorld } from './heartbeat.ts';
import { createLink, type Link, type Peer } from './link.ts';
import { createMultiplexer, type Duplex, type Multiplexer } from './multiplexer.ts';
import {
  askerFor,
  serveAsk,
  serveExchange,
  type AskHandler,
  type NotifyHandler,
  type RequestHandler,
} from './serve.ts';

/** A peer whose connection ended is forgotten after this time, unless it or we come back. */
export const FORGET_MS = 600_000;

/** Who this process is to its peers. */
export type LinkIdentity = {
  /** As in the certificate; a router without a site says `router`. */
  readonly site: string;
  /** Unique among the processes of the site. */
  readonly process: string;
  readonly certificate: Certificate;
  /** PEM of the federation's authority. */
  readonly authority: string;
  /** What the owner says of itself, e.g. roster and incarnation of the database. */
  readonly greeting?: unknown;
};

export type PeeringOptions = {
  /** Read at every connection, so that a renewed certificate is used from then on. */
  identity(): LinkIdentity;
  /** New with every start of the process. */
  readonly incarnation: string;
  readonly world: LinkWorld;
  /** The owner's word on a peer whose certificate is good: revoked, cloned, same partition. Default: admitted. */
  admit?(peer: Peer): LinkRefusal | undefined;
  /** A process was met for the first time (or again, after it was forgotten). */
  onLink?(link: Link): void;
  /** For log lines: something odd about a peer, or an exception in a handler. */
  odd?(what: string, error?: unknown): void;
  /** How a connection is opened to an address that is dialled. Default: a WebSocket over mutual TLS. */
  open?: OpenConnection;
};

/** All links of this process: one for each process of another (or the same) site, whoever dialled. */
export interface Peering {
  /** Serves the requests of all links; without a handler they are reset. */
  onRequest(handler: RequestHandler): void;
  /** Serves the asks of one kind; kinds without a handler are refused as `UnknownKind`. */
  onAsk(kind: string, handler: AskHandler): void;
  onNotify(kind: string, handler: NotifyHandler): void;
  links(): readonly Link[];
  /** Ends all links and dials, and takes no new ones. */
  close(): void;
  readonly options: PeeringOptions;
  /** For the two rims: brings a connection whose certificate was verified. */
  attach(duplex: Duplex, arrival: Arrival): void;
  /** For the rims: called when the peering closes; returns how to stop it. */
  onClose(listener: () => void): () => void;
}

/** A connection as a rim brings it. */
export type Arrival = {
  readonly dialled: boolean;
  readonly identity: PeerIdentity;
  readonly fingerprint: string;
  /** The connection was admitted, and belongs to this pair of processes. */
  greeted?(pair: Pair): void;
  ended?(reason: LinkRefusal | undefined): void;
};

/** What both ends share, whoever dialled. */
export type Pair = {
  readonly link: Link;
  connection(): Multiplexer | undefined;
  /** As long as somebody holds it, it is not forgotten; returns how to let go. */
  hold(): () => void;
};

type Connection = { readonly multiplexer: Multiplexer; readonly peer: Peer; readonly rank: number };
type Entry = Pair & { current: Connection | undefined; peer: Peer; changed(): void; ended(): void; lost(): void };

export function createPeering(options: PeeringOptions): Peering {
  const { world } = options;
  const entries = new Map<string, Entry>();
  const open = new Set<Multiplexer>();
  const askHandlers = new Map<string, AskHandler>();
  const notifyHandlers = new Map<string, NotifyHandler>();
  const closeListeners = new Set<() => void>();
  let requestHandler: RequestHandler | undefined;
  let connections = 0;
  let closed = false;

  const odd = (what: string, error?: unknown): void => options.odd?.(what, error);

  const refusal = (peer: Peer, hello: FrameOf<'hello'>): LinkRefusal | undefined => {
    const own = options.identity();
    if (hello.site !== peer.name) {
      return { kind: 'WrongSite', message: `the hello says site ${hello.site}, the certificate says ${peer.name}` };
    }
    if (hello.site === own.site && hello.process === own.process) {
      return hello.incarnation === options.incarnation
        ? { kind: 'Self', message: `this is process ${own.process} of site ${own.site} itself` }
        : {
            kind: 'Clone',
            message: `process ${own.process} of site ${own.site} runs twice; give one of them another name`,
          };
    }
    const current = entries.get(keyOf(peer))?.current;
    if (current?.multiplexer.state === 'up' && current.peer.fingerprint !== peer.fingerprint) {
      const keys = `${current.peer.fingerprint.slice(0, 16)} (connected) and ${peer.fingerprint.slice(0, 16)}`;
      return { kind: 'Clone', message: `process ${peer.process} of site ${peer.name} speaks with two keys: ${keys}` };
    }
    return options.admit?.(peer);
  };

  /** Both sides rank two connections alike: first by who dialled, then by the dialler's count. */
  const rankOf = (hello: FrameOf<'hello'>, dialled: boolean, number: number): number => {
    const own = options.identity();
    const lowerIsUs = `${own.site}/${own.process}` < `${hello.site}/${hello.process}`;
    return (lowerIsUs === dialled ? 2 ** 40 : 0) + (dialled ? number : hello.connection);
  };

  const entryOf = (peer: Peer): Entry => {
    const key = keyOf(peer);
    const known = entries.get(key);
    if (known !== undefined) return known;
    let holders = 0;
    let gone = false;
    let lastFailure: string | undefined;
    let cancelForget = (): void => {};
    const { link, changed, ended } = createLink({
      name: () => (peer.kind === 'site' ? `site ${peer.name}` : `${peer.kind} ${peer.name}`),
      peer: () => entry.peer,
      connection: () => entry.current?.multiplexer,
      lastFailure: () => lastFailure,
      closing: () => {
        gone = true;
        cancelForget();
        entries.delete(key);
        entry.current?.multiplexer.close({ kind: 'Closed', message: 'the link was closed by its owner' });
      },
    });
    const forgetLater = (): void => {
      cancelForget();
      if (!gone && holders === 0 && entry.current?.multiplexer.state !== 'up')
        cancelForget = world.after(FORGET_MS, () => link.close());
    };
    const entry: Entry = {
      link,
      connection: () => entry.current?.multiplexer,
      current: undefined,
      peer,
      changed: () => {
        cancelForget();
        changed();
      },
      ended,
      lost: () => {
        lastFailure = 'the connection was lost';
        forgetLater();
      },
      hold: () => {
        holders += 1;
        cancelForget();
        return () => {
          holders -= 1;
          forgetLater();
        };
      },
    };
    entries.set(key, entry);
    options.onLink?.(link);
    return entry;
  };

  const take = (entry: Entry, next: Connection): void => {
    const before = entry.current;
    const usable = before?.multiplexer.state === 'up' && before.peer.incarnation === next.peer.incarnation;
    if (before !== undefined && usable && before.rank > next.rank) return next.multiplexer.retire();
    entry.current = next;
    entry.peer = next.peer;
    if (before !== undefined && usable) before.multiplexer.retire();
    else before?.multiplexer.close({ kind: 'Replaced', message: 'a newer connection of the same process is in use' });
    entry.changed();
  };

  const attach = (duplex: Duplex, arrival: Arrival): void => {
    const own = options.identity();
    const number = ++connections;
    let peer: Peer | undefined;
    let rank = 0;
    let entry: Entry | undefined;
    let connection: Connection | undefined;
    const subject = (): Peer => peer as Peer;
    const multiplexer = createMultiplexer({
      duplex,
      world,
      greeting: {
        site: own.site,
        process: own.process,
        incarnation: options.incarnation,
        connection: number,
        ...(own.greeting === undefined ? {} : { greeting: own.greeting }),
      },
      admit: (hello) => {
        const { identity, fingerprint, dialled } = arrival;
        const { process, incarnation, greeting } = hello;
        peer = { ...identity, name: identity.site ?? identity.kind, process, incarnation, fingerprint, greeting };
        rank = rankOf(hello, dialled, number);
        return refusal(peer, hello);
      },
      serveAsk: (kind, body, deadlineMs, answer) => {
        const handler = askHandlers.get(kind);
        if (handler === undefined) return answer(unknownKind(kind));
        const asker = askerFor(deadlineMs, () => world.monotonicMs());
        void serveAsk(kind, () => handler(body, subject(), asker), answer, odd);
      },
      serveNotify: (kind, body) => {
        try {
          notifyHandlers.get(kind)?.(body, subject());
        } catch (error) {
          odd(`notify ${kind}`, error);
        }
      },
      serveExchange: (exchange) => {
        if (requestHandler === undefined)
          return exchange.abort({ kind: 'Unserved', message: 'this process serves no requests' });
        void serveExchange(exchange, requestHandler, subject(), odd, () => world.monotonicMs());
      },
      changed: (state, reason) => {
        if (state === 'up' && connection === undefined) {
          entry = entryOf(subject());
          connection = { multiplexer: multiplexer, peer: subject(), rank };
          take(entry, connection);
          return arrival.greeted?.(entry);
        }
        if (state === 'closed') open.delete(multiplexer);
        if (entry !== undefined && entry.current === connection) {
          if (state === 'closed') entry.current = undefined;
          entry.changed();
          if (state === 'closed') entry.lost();
        }
        if (state === 'closed') arrival.ended?.(reason);
      },
      odd: (what) => odd(peer === undefined ? what : `${keyOf(peer)}: ${what}`),
    });
    open.add(multiplexer);
    if (closed) multiplexer.close(closing);
  };

  return {
    options,
    attach,
    onRequest: (handler) => void (requestHandler = handler),
    onAsk: (kind, handler) => void askHandlers.set(kind, handler),
    onNotify: (kind, handler) => void notifyHandlers.set(kind, handler),
    links: () => [...entries.values()].map((entry) => entry.link),
    onClose(listener) {
      closeListeners.add(listener);
      return () => void closeListeners.delete(listener);
    },
    close() {
      if (closed) return;
      closed = true;
      for (const listener of Array.from(closeListeners)) listener();
      for (const multiplexer of Array.from(open)) multiplexer.close(closing);
      for (const entry of Array.from(entries.values())) entry.link.close();
    },
  };
}

const closing: LinkRefusal = { kind: 'Closed', message: 'the process stops' };

const keyOf = (peer: Peer): string => `${peer.name}/${peer.process}`;

const unknownKind = (kind: string): AskAnswer => ({
  refusal: { kind: 'UnknownKind', message: `asks of kind ${JSON.stringify(kind)} are unknown here` },
});
