// What lies between sites: connections that delay, stand still while the way is cut, and break.
import { linkFailure } from '../../router/link/failure.ts';
import { CONNECT_MS, type OpenConnection } from '../../router/link/dial.ts';
import type { Duplex } from '../../router/link/multiplexer.ts';
import type { Peering } from '../../router/link/peering.ts';
import { between, chance } from './draw.ts';
import type { Thread, Universe } from './universe.ts';

/** One direction between two sites. */
export interface Way {
  latencyMs: number;
  jitterMs: number;
  /** Messages stand in the sender's buffer. */
  isBlocked: boolean;
  /** A message arrives twice. */
  repeats: number;
}

export interface Wires {
  way(from: string, to: string): Way;
  block(from: string, to: string, isBlocked: boolean): void;
  /** Every connection between two sites breaks; what was on its way is lost. */
  reset(a: string, b: string): void;
  /** How often the way between two sites broke or was blocked since then. */
  breaks(a: string, b: string, sinceMs: number): number;
  /** Whether any way from or to the site is blocked. */
  isCut(site: string): boolean;
  listen(address: string, listener: WireListener): void;
  close(address: string): void;
  /** How a process of a site opens connections. */
  opener(site: string, thread: Thread): OpenConnection;
  /** Every connection of a thread breaks. */
  died(thread: Thread): void;
}

export interface WireListener {
  site: string;
  partitions: readonly string[];
  thread: Thread;
  peering: Peering;
}

interface Connection {
  a: Side;
  b: Side;
}
interface Side {
  site: string;
  thread: Thread;
  messages: Array<(bytes: Uint8Array) => void>;
  closes: Array<() => void>;
  /** Arrived before anybody read. */
  early: Uint8Array[];
  /** Not delivered yet: the way is blocked. */
  held: Array<() => void>;
  nextMs: number;
  isClosed: boolean;
}

/** A connection whose way is blocked for longer is given up by the system. */
const GIVE_UP_MS = 20_000;

export function createWires(universe: Universe, shape: () => Omit<Way, 'isBlocked'>): Wires {
  const random = universe.stream('wires');
  const ways = new Map<string, Way>();
  const listeners = new Map<string, WireListener>();
  const connections = new Set<Connection>();
  const brokenMs = new Map<string, number[]>();

  function way(from: string, to: string): Way {
    const name = `${from}→${to}`;
    let found = ways.get(name);
    if (found === undefined) ways.set(name, (found = { ...shape(), isBlocked: false }));
    return found;
  }
  const pairOf = (a: string, b: string): string => [a, b].sort().join('↔');
  function noteBreak(a: string, b: string): void {
    const name = pairOf(a, b);
    brokenMs.set(name, [...(brokenMs.get(name) ?? []), universe.nowMs]);
  }
  const delayOf = ({ latencyMs, jitterMs }: Way): number => latencyMs + random() * jitterMs;

  function shut(side: Side): void {
    if (side.isClosed) return;
    side.isClosed = true;
    side.held = [];
    if (side.thread.isAlive) side.thread.world.defer(() => side.closes.forEach((listener) => listener()));
  }

  /** In order, whatever the delays. */
  function carry(from: Side, to: Side, run: () => void): void {
    const along = way(from.site, to.site);
    if (along.isBlocked || from.held.length > 0) {
      from.held.push(run);
      return;
    }
    from.nextMs = Math.max(from.nextMs, universe.nowMs + delayOf(along));
    universe.after(from.nextMs - universe.nowMs, () => {
      if (to.thread.isAlive) to.thread.world.defer(run);
    });
  }

  function duplex(connection: Connection, own: Side, other: Side): Duplex {
    return {
      send(bytes) {
        if (own.isClosed) return;
        const copy = bytes.slice();
        const deliver = (): void => {
          universe.note('wire', () => `${own.site}→${other.site} ${copy.byteLength} B`);
          if (other.isClosed) return;
          if (other.messages.length === 0) other.early.push(copy);
          other.messages.forEach((listener) => listener(copy));
        };
        carry(own, other, deliver);
        if (chance(random, way(own.site, other.site).repeats)) carry(own, other, deliver);
      },
      close() {
        if (own.isClosed) return;
        carry(own, other, () => shut(other));
        shut(own);
        connections.delete(connection);
      },
      bufferedBytes: () => 0,
      onMessage(listener) {
        own.messages.push(listener);
        const early = own.early;
        own.early = [];
        // Never in the middle of whoever begins to listen.
        for (const bytes of early) own.thread.world.defer(() => own.isClosed || listener(bytes));
      },
      onClose: (listener) => void own.closes.push(listener),
      onDrain: () => {},
    };
  }

  const side = (site: string, thread: Thread): Side => ({
    site,
    thread,
    messages: [],
    closes: [],
    early: [],
    held: [],
    nextMs: 0,
    isClosed: false,
  });

  const between2 = (one: Connection, a: string, b: string): boolean =>
    (one.a.site === a && one.b.site === b) || (one.a.site === b && one.b.site === a);

  return {
    way,
    breaks: (a, b, sinceMs) => brokenMs.get(pairOf(a, b))?.filter((atMs) => atMs >= sinceMs).length ?? 0,
    isCut: (site) =>
      [...ways].some(
        ([name, { isBlocked }]) => isBlocked && (name.startsWith(`${site}→`) || name.endsWith(`→${site}`)),
      ),
    block(from, to, isBlocked) {
      if (isBlocked) noteBreak(from, to);
      way(from, to).isBlocked = isBlocked;
      for (const one of connections) {
        for (const [own, other] of [
          [one.a, one.b],
          [one.b, one.a],
        ] as const) {
          if (own.site !== from || other.site !== to) continue;
          if (isBlocked) {
            universe.after(GIVE_UP_MS, () => {
              if (!way(from, to).isBlocked || !connections.delete(one)) return;
              shut(one.a);
              shut(one.b);
            });
            continue;
          }
          const held = own.held;
          own.held = [];
          for (const run of held) carry(own, other, run);
        }
      }
    },
    reset(a, b) {
      noteBreak(a, b);
      for (const one of connections) {
        if (!between2(one, a, b)) continue;
        connections.delete(one);
        shut(one.a);
        shut(one.b);
      }
    },
    listen: (address, listener) => void listeners.set(address, listener),
    close: (address) => void listeners.delete(address),
    died(thread) {
      for (const one of connections) {
        for (const [own, other] of [
          [one.a, one.b],
          [one.b, one.a],
        ] as const) {
          if (own.thread !== thread) continue;
          connections.delete(one);
          own.isClosed = true;
          carry(own, other, () => shut(other));
        }
      }
    },
    opener: (site, thread) => (peering, target, expectedSite, ended, greeted) => {
      let given = false;
      const over = (failure: string | undefined): void => {
        universe.note('dial over', () => `${site}→${target.host} ${failure ?? 'greeted'}`);
        ended(failure);
      };
      universe.note('dial', () => `${site}→${target.host}`);
      const failed = (why: string, afterMs: number): void =>
        void thread.world.after(afterMs, () => !given && over(why));
      const name = target.host;
      const listener = listeners.get(name);
      const to = listener?.site ?? name.split('-')[0]!;
      const there = way(site, to);
      const back = way(to, site);
      if (there.isBlocked || back.isBlocked) {
        failed('no connection in time', CONNECT_MS);
        return () => void (given = true);
      }
      universe.after(delayOf(there), () => {
        const found = listeners.get(name);
        if (found === undefined || !found.thread.isAlive) return failed('connection refused', delayOf(back));
        if (expectedSite !== undefined && found.site !== expectedSite)
          return failed(linkFailure('Refused', `site ${expectedSite} is expected there`).message, delayOf(back));
        const connection: Connection = { a: side(site, thread), b: side(found.site, found.thread) };
        connections.add(connection);
        const { a, b } = connection;
        found.thread.world.defer(() =>
          found.peering.attach(duplex(connection, b, a), {
            dialled: false,
            identity: { kind: 'site', site, partitions: [`p${site}`] },
            fingerprint: `key of ${site}`,
          }),
        );
        thread.world.after(delayOf(back) + between(random, 0, 1), () => {
          if (given || a.isClosed) {
            shut(b);
            connections.delete(connection);
            if (!given) over('the connection was closed before it was open');
            return;
          }
          peering.attach(duplex(connection, a, b), {
            dialled: true,
            identity: { kind: 'site', site: found.site, partitions: found.partitions },
            fingerprint: `key of ${found.site}`,
            greeted,
            ended: (reason) =>
              over(reason === undefined ? 'the connection was lost' : `${reason.kind}: ${reason.message}`),
          });
        });
      });
      return () => void (given = true);
    },
  };
}
