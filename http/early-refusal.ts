// Refusing before anything is made of a request: at three times of what can be answered it must cost next to nothing.
//
// A short crowd is no overload: a few, for whom there will be room in a moment, wait that long. Who comes when more wait is
// refused at once, and heeds Retry-After, or does not. Who sends the next request on the same connection before that time costs
// as much again, as often as an answer travels; at three times the capacity that takes half of what could be done. Its request
// waits for room, hardly longer than the shortest time that anybody is told: no more requests come on its connection meanwhile,
// and the first room is its own. Nor is its next request refused first, while room is scarce: that it comes back at once is known.
// Requests of class A never wait.
//
// For a proxy whose clients share its connections to us: what one of them does makes the requests of others on that connection
// wait for room, too, where they would be refused at once. What there is room for is let in at once, on whatever connection.
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { timeoutMsOf } from '../router/socket-io.ts';
import { headOf, type Gate, type Refused, type RequestHead } from './gate.ts';
import { createWaitingLine, type WaitingLine } from './waiting-line.ts';

export interface WaitingLimits {
  /**
   * So long a request waits for room. Default 1.25 s. Who waited in vain is refused and comes again, so less of it makes more
   * refusals (measured over 8,000 connections, the machine slow: 0.81 of the capacity with 1 s, 0.90 with 1.25 s); more of it
   * leaves a line behind a peak that takes longer to serve (with 2 s, no quiet within 8 s after it).
   */
  waitMs?: number;
  /**
   * So many wait at a time; more are refused at once. Default 10,000, as many as there are connections (connections.ts): once
   * those that come back are refused at once, they come again at once, and hardly anything else is done (measured: 0.01 of
   * the capacity at three times of it over 8,000 connections, where 4,096 might wait).
   */
  most?: number;
  /**
   * Who was not refused before waits, too, while fewer than this do; default 256. At 0.7 of the capacity over 8,000 connections
   * 4 to 5 % were refused without it: what comes during one collection of garbage is more than may be under way.
   */
  crowd?: number;
  /** But no longer than this. Default 100 ms. */
  crowdMs?: number;
  now?: () => number;
  after?: (run: () => void, delayMs: number) => unknown;
}

/** Lies in memory while it waits; larger ones don't. */
const MOST_BODY_BYTES = 8_192;
/** All that wait are looked at as often as this; the more there are the rarer, for it is a part of the time that it may take. */
const SWEEP_MS = { least: 50, most: 200, each: 0.025 };
/** Who waited is taken for one that does not heed Retry-After for so long. */
const KNOWN_MS = 5_000;

interface Waiting {
  incoming: IncomingMessage;
  outgoing: ServerResponse;
  head: RequestHead;
  /** It was refused before, and did not heed it. */
  isEarly: boolean;
  untilMs: number;
}

/** A refusal as node:http sends it fastest: a list of names and values, and a text, which leaves together with the head. */
interface Prepared {
  status: number;
  head: string[];
  text: string;
  /** When its receiver may come again. */
  afterMs: number;
}

const prepare = ({ status, headers, body }: Refused): Prepared => ({
  status,
  head: [...headers.flat(), 'content-length', String(body.byteLength)],
  text: Buffer.from(body).toString(),
  afterMs: 1_000 * Number(headers.find(([name]) => name === 'retry-after')?.[1] ?? 0),
});

const isSmall = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) <= MOST_BODY_BYTES;

const isGone = ({ incoming, outgoing }: Waiting): boolean => outgoing.closed || incoming.socket.destroyed;

export interface EarlyRefusal {
  /** To be called when a request is about to enter the gate, or won't; again, it does nothing. */
  entering(head: RequestHead): void;
  /** To be called whenever a request was answered: there may be room now. */
  answered(): void;
  readonly waiting: number;
}

/**
 * Puts the gate in front of a server's listener. What is left of a refused body is read away by the server, or the connection
 * ends.
 */
export function refuseEarly(server: Server, gate: Gate, limits: WaitingLimits = {}): EarlyRefusal {
  const { waitMs = 1_250, most = 10_000, crowd = 256, crowdMs = 100 } = limits;
  const { now = () => performance.now(), after = setTimeout } = limits;
  const [listener] = server.listeners('request') as RequestListener[];
  const serve = (incoming: IncomingMessage, outgoing: ServerResponse): void => listener?.(incoming, outgoing);
  const prepared = new WeakMap<Refused, Prepared>();
  /** Until then whoever is at the other end is early: it was told to come later, or did not heed that a moment ago. */
  const early = new WeakMap<Socket, number>();
  /** B before C. */
  const lines: Record<'B' | 'C', WaitingLine<Waiting>> = { B: createWaitingLine(), C: createWaitingLine() };
  /** One of each: what is sent behind it comes when it is answered. */
  const held = new WeakSet<Socket>();
  /** Let in, and not counted by the gate yet. */
  let promised = 0;
  const look = (head: RequestHead): Refused | undefined => gate.look(head, promised);
  let isSweeping = false;
  const waiting = (): number => lines.B.length + lines.C.length;
  const pauseMs = (): number => Math.min(SWEEP_MS.most, Math.max(SWEEP_MS.least, SWEEP_MS.each * waiting()));

  const turnAway = (incoming: IncomingMessage, outgoing: ServerResponse, refused: Refused): void => {
    let answer = prepared.get(refused);
    if (answer === undefined) prepared.set(refused, (answer = prepare(refused)));
    early.set(incoming.socket, now() + answer.afterMs);
    gate.turnedAway?.(refused);
    outgoing.writeHead(answer.status, answer.head);
    outgoing.end(answer.text);
  };

  const entering = (head: RequestHead): void => {
    if (head.isPromised !== true) return;
    head.isPromised = false;
    promised--;
  };

  const serveWaiting = ({ incoming, outgoing, head, isEarly }: Waiting): void => {
    held.delete(incoming.socket);
    if (isEarly) early.set(incoming.socket, now() + KNOWN_MS);
    head.isPromised = true;
    promised++;
    // What never comes as far as the gate, e.g. for a Host that makes no sense.
    outgoing.once('close', () => entering(head));
    serve(incoming, outgoing);
  };

  /** Lets one in of those that wait, if there is room. */
  const letIn = (): boolean => {
    for (const line of [lines.B, lines.C]) {
      for (;;) {
        const one = line.take((first) => isGone(first) || look(first.head) === undefined);
        if (one === undefined) break;
        if (!isGone(one)) {
          serveWaiting(one);
          return true;
        }
        held.delete(one.incoming.socket);
      }
    }
    return false;
  };

  const sweep = (): void => {
    while (letIn());
    const nowMs = now();
    for (const line of [lines.B, lines.C]) {
      for (const one of line.drop((first) => first.untilMs <= nowMs || isGone(first))) {
        held.delete(one.incoming.socket);
        if (isGone(one)) continue;
        const refused = look(one.head);
        if (refused === undefined) serveWaiting(one);
        else turnAway(one.incoming, one.outgoing, refused);
      }
    }
    isSweeping = waiting() > 0;
    if (isSweeping) after(sweep, pauseMs());
  };

  server.removeAllListeners('request');
  server.on('request', (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const head = headOf(incoming);
    const refused = look(head);
    if (refused === undefined) return serve(incoming, outgoing);
    const kind = head.arrival?.class ?? 'A';
    const nowMs = now();
    const isEarly = (early.get(incoming.socket) ?? 0) > nowMs;
    const isFull = waiting() >= (isEarly ? most : crowd) || held.has(incoming.socket);
    // Of its own share each has had enough already.
    const mayWait = isEarly || refused.status === 503;
    if (!mayWait || kind === 'A' || isFull || !isSmall(incoming)) return turnAway(incoming, outgoing, refused);
    held.add(incoming.socket);
    head.arrivedMs = nowMs;
    const untilMs = nowMs + Math.min(isEarly ? waitMs : crowdMs, timeoutMsOf(incoming.headers));
    lines[kind].push(head.arrival?.identity ?? '', { incoming, outgoing, head, isEarly, untilMs });
    if (isSweeping) return;
    isSweeping = true;
    after(sweep, pauseMs());
  });
  return {
    entering,
    answered() {
      if (isSweeping) letIn();
    },
    get waiting() {
      return waiting();
    },
  };
}
