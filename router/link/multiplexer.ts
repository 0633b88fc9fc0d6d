import { createAsks, type AskServer, type Asks } from './asks.ts';
import type { IncomingExchange } from './exchange.ts';
import { createExchanges, type Exchanges } from './exchanges.ts';
import { isLinkFailure, linkFailure, type LinkFailure, type LinkRefusal } from './failure.ts';
import { encodeFrame, PROTOCOL_VERSION, readFrame, type Frame, type FrameOf, type Reading } from './frames.ts';
import { createHeartbeat, type Heartbeat, type LinkWorld } from './heartbeat.ts';

/** Both sides must have admitted each other within this time. */
export const GREETING_MS = 5_000;
/** A connection that was silent for this long is given up, so that its dialler makes a new one. */
export const ABANDON_MS = 5_000;
/** Bodies wait while more than this lies unsent in the carrier, so that heartbeats and asks pass. */
export const CARRIER_BYTES = 256 * 1024;
/** A retired connection is closed after this time, whatever is still open on it. */
export const RETIRE_MS = 10_000;

/** A message carrier of one connection: keeps order and boundaries, may lose or repeat messages. */
export interface Duplex {
  send(bytes: Uint8Array): void;
  close(): void;
  /** Bytes accepted by `send` that have not left. */
  bufferedBytes(): number;
  onMessage(listener: (bytes: Uint8Array) => void): void;
  /** Called once. */
  onClose(listener: () => void): void;
  /** Called whenever buffered bytes have left. */
  onDrain(listener: () => void): void;
}

/** What a side says of itself first. */
export type Greeting = Omit<FrameOf<'hello'>, 'f' | 'version' | 'wallMs'>;

/** `greeting` until both have admitted each other; `down` while silent; `closed` for ever. */
export type MultiplexerState = 'greeting' | 'up' | 'down' | 'closed';

export type MultiplexerPorts = {
  readonly duplex: Duplex;
  readonly world: LinkWorld;
  readonly greeting: Greeting;
  /** Decides on the peer's hello; a refusal is told to the peer, and the connection closed. */
  admit(hello: FrameOf<'hello'>): LinkRefusal | undefined;
  readonly serveAsk: AskServer;
  serveNotify(kind: string, body: unknown): void;
  readonly serveExchange: (exchange: IncomingExchange) => void;
  /** `reason` comes with `closed` when one of the two sides gave one. */
  changed(state: MultiplexerState, reason?: LinkRefusal): void;
  /** Something odd that needs no action, for a log line. */
  odd(what: string): void;
};

/** One connection, shared by many exchanges and asks in both directions. */
export interface Multiplexer {
  readonly state: MultiplexerState;
  readonly ask: Asks['ask'];
  readonly open: Exchanges['open'];
  notify(kind: string, body: unknown): void;
  /** Starts nothing more; the connection closes when both sides have retired it and nothing is open. */
  retire(): void;
  close(reason: LinkRefusal): void;
  readonly heartbeat: Pick<Heartbeat, 'lastHeardMs' | 'roundTripMs' | 'driftMs'> | undefined;
}

/** Starts a connection on a carrier: says hello, waits for the peer's, then carries until one side closes. */
export function createMultiplexer(ports: MultiplexerPorts): Multiplexer {
  const { duplex, world } = ports;
  let state: MultiplexerState = 'greeting';
  let heartbeat: Heartbeat | undefined;
  let admitted = false;
  let retired = false;
  let peerRetired = false;
  let cancelGreeting = (): void => {};
  let cancelAbandon = (): void => {};
  let cancelRetire = (): void => {};

  const send = (frame: Frame): void => {
    if (state !== 'closed') duplex.send(encodeFrame(frame));
  };

  const asks = createAsks({ world, send, serve: ports.serveAsk, settled: () => closeIfIdle() });
  const exchanges = createExchanges({
    world,
    send,
    mayEmit: () => duplex.bufferedBytes() < CARRIER_BYTES,
    serve: ports.serveExchange,
    settled: () => closeIfIdle(),
  });

  const failAll = (failure: LinkFailure): void => {
    asks.failAll(failure);
    exchanges.failAll(failure);
  };

  const turn = (next: MultiplexerState, reason?: LinkRefusal): void => {
    state = next;
    ports.changed(next, reason);
  };

  const finish = (reason?: LinkRefusal): void => {
    if (state === 'closed') return;
    cancelGreeting();
    cancelAbandon();
    cancelRetire();
    heartbeat?.stop();
    turn('closed', reason);
    duplex.close();
    failAll(linkFailure('LinkDown', reason?.message ?? 'the connection to the peer was lost'));
  };

  const close = (reason: LinkRefusal): void => {
    if (state === 'closed') return;
    send({ f: 'bye', reason });
    finish(reason);
  };

  const closeIfIdle = (): void => {
    if (retired && peerRetired && asks.open === 0 && exchanges.size === 0) finish(replaced);
  };

  const heartbeatChanged = (alive: boolean): void => {
    if (alive) {
      cancelAbandon();
      turn('up');
      return;
    }
    turn('down');
    // The peer may not have noticed: the resets, should they arrive, end its side of what we gave up.
    exchanges.failAll(linkFailure('LinkDown', 'the peer is silent'));
    asks.failAll(linkFailure('LinkDown', 'the peer is silent'));
    cancelAbandon = world.after(ABANDON_MS, () =>
      finish({ kind: 'Silent', message: `nothing was heard of the peer for ${ABANDON_MS} ms` }),
    );
  };

  /** Up only when each has admitted the other: who is refused must not have sent anything meanwhile. */
  const greet = (reading: Reading): void => {
    const frame = reading.as === 'frame' ? reading.frame : undefined;
    if (frame?.f === 'bye') return finish(frame.reason as LinkRefusal);
    if (frame?.f === 'hello' && !admitted) {
      const refusal = ports.admit(frame);
      if (refusal !== undefined) return close(refusal);
      admitted = true;
      return send({ f: 'welcome' });
    }
    if (frame?.f === 'hello') return;
    if (frame?.f !== 'welcome' || !admitted) {
      return close({ kind: 'Broken', message: 'a connection starts with a readable hello and a welcome' });
    }
    cancelGreeting();
    heartbeat = createHeartbeat({ world, ping: (n) => send({ f: 'ping', n }), changed: heartbeatChanged });
    turn('up');
  };

  const accept = (frame: Frame): void => {
    switch (frame.f) {
      case 'hello':
      case 'welcome':
        return;
      case 'bye':
        return finish(frame.reason as LinkRefusal);
      case 'retire':
        peerRetired = true;
        return closeIfIdle();
      case 'ping':
        return send({ f: 'pong', n: frame.n, wallMs: world.wallMs() });
      case 'pong':
        return heartbeat?.pong(frame.n, frame.wallMs);
      case 'ask':
      case 'reply':
      case 'refusal':
        return asks.accept(frame);
      case 'notify':
        return ports.serveNotify(frame.kind, frame.body);
      case 'unreadable':
        return unreadable(frame);
      default:
        return exchanges.accept(frame);
    }
  };

  const unreadable = ({ frame, id, why }: FrameOf<'unreadable'>): void => {
    ports.odd(`the peer can't read a frame of kind ${frame}: ${why}`);
    const failure = linkFailure('Refused', `the peer can't read it: ${why}`, { kind: 'Unreadable', message: why });
    if (id === undefined) return;
    if (frame === 'ask') asks.fail(id, failure);
    if (frame === 'http-request') exchanges.fail(id, failure);
  };

  duplex.onMessage((bytes) => {
    if (state === 'closed') return;
    const reading = readFrame(bytes);
    if (reading.as === 'garbage') return close({ kind: 'Broken', message: `the peer sent ${reading.why}` });
    if (state === 'greeting') return greet(reading);
    heartbeat?.heard();
    if (reading.as === 'frame') return accept(reading.frame);
    send(reading.answer);
    ports.odd(`a frame of kind ${reading.answer.frame} can't be read: ${reading.answer.why}`);
    const { frame, id, why } = reading.answer;
    // An answer that we can't read is an answer: whoever waits for it must not wait on.
    if (id !== undefined && (frame === 'reply' || frame === 'refusal'))
      asks.fail(id, linkFailure('Broken', `an unreadable ${frame}: ${why}`));
    if (id === undefined || frame !== 'http-response') return;
    const message = `an unreadable response: ${why}`;
    exchanges.fail(id, linkFailure('Broken', message));
    // Its body would wait for a reader until the connection ends.
    send({ f: 'http-reset', id, side: 'asker', reason: { kind: 'Broken', message } });
  });
  duplex.onClose(() => finish());
  duplex.onDrain(() => exchanges.flush());

  cancelGreeting = world.after(GREETING_MS, () =>
    close({ kind: 'Silent', message: `no hello and welcome within ${GREETING_MS} ms` }),
  );
  send({ f: 'hello', version: PROTOCOL_VERSION, wallMs: world.wallMs(), ...ports.greeting });

  const unusable = (): LinkFailure | undefined =>
    state === 'up'
      ? undefined
      : linkFailure('LinkDown', state === 'down' ? 'the peer is silent' : 'there is no connection to the peer');

  return {
    get state() {
      return state;
    },
    ask(kind, body, deadlineMs, done) {
      const failure = unusable();
      if (failure !== undefined) return done({ failure });
      asks.ask(kind, body, deadlineMs, done);
    },
    open(head, first, deadlineMs, events) {
      const failure = unusable();
      if (failure === undefined) return exchanges.open(head, first, deadlineMs, events);
      events.failed(failure);
      return { body: undefined, abort: () => {}, over: () => true };
    },
    notify(kind, body) {
      if (state !== 'up') return;
      try {
        send({ f: 'notify', kind, body });
      } catch (error) {
        ports.odd(`notify ${kind} was not sent: ${isLinkFailure(error) ? error.message : String(error)}`);
      }
    },
    retire() {
      if (retired || state === 'closed') return;
      retired = true;
      send({ f: 'retire' });
      cancelRetire = world.after(RETIRE_MS, () => finish(replaced));
      closeIfIdle();
    },
    close,
    get heartbeat() {
      return heartbeat;
    },
  };
}

const replaced: LinkRefusal = { kind: 'Replaced', message: 'another connection between the two processes is in use' };
