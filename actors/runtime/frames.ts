// Messages between threads travel many in a buffer: one each makes 40,000 a second, frames make 150,000 (measured). How many
// is a choice between two wastes: small frames cost both threads CPU, and with large ones all wait for one thread at a time,
// the others idle. At 64 clients of one network the two limits below make an eighth more acquisitions (measured).
import { decode, encode } from './codec.ts';
import type { Envelope, Pipe } from './envelope.ts';
import type { World } from '../ports.ts';

const MAX_MESSAGES = 512;
/** A frame that grows for longer leaves: whoever it is for could be at work. */
const GROWS_MS = 0.5;
/** The clock is read once for so many messages. */
const LOOK_EACH = 8;
/** So many messages of a frame are handled before sockets are looked at again: each may make its answer, and more to read. */
const HANDLED_AT_ONCE = 16;

/**
 * Collects what one turn of the event loop sends and posts it as one frame, or as several if it goes on for long.
 * `flushWith` schedules the flush: setImmediate where requests come in (it collects what one poll parsed), a microtask
 * where a commit's replies leave together anyway.
 */
export function createFrames(
  post: (frame: Uint8Array<ArrayBuffer>) => void,
  flushWith: (run: () => void) => void,
  { monotonicMs }: Pick<World, 'monotonicMs'>,
): Pipe {
  let pending: Envelope[] = [];
  let isScheduled = false;
  let sinceMs = 0;

  function flush(): void {
    const batch = pending;
    pending = [];
    for (let i = 0; i < batch.length; i += MAX_MESSAGES) post(encode(batch.slice(i, i + MAX_MESSAGES)));
  }
  const scheduled = (): void => {
    isScheduled = false;
    flush();
  };

  return {
    send(envelope) {
      if (pending.length === 0) sinceMs = monotonicMs();
      pending.push(envelope);
      if (pending.length % LOOK_EACH === 0 && monotonicMs() - sinceMs > GROWS_MS) flush();
      else if (!isScheduled) {
        isScheduled = true;
        flushWith(scheduled);
      }
    },
  };
}

export const openFrame = (frame: Uint8Array): Envelope[] => decode(frame) as Envelope[];

export interface Arrivals {
  take(frame: Uint8Array): void;
  /** Handles at once what has arrived: nothing more will come. */
  rest(): void;
}

/** Hands on what arrives, in its order, a part in each turn of the event loop. */
export function createArrivals(handle: (envelope: Envelope) => void, { defer }: Pick<World, 'defer'>): Arrivals {
  let waiting: Array<Envelope | undefined> = [];
  let next = 0;

  function handleUpTo(most: number): void {
    for (let left = most; left > 0 && next < waiting.length; left--) {
      const envelope = waiting[next] as Envelope;
      // A thread that is never done has all of them here, and what they say would not be let go.
      waiting[next++] = undefined;
      handle(envelope);
    }
    if (next < waiting.length) return;
    waiting = [];
    next = 0;
  }
  function part(): void {
    handleUpTo(HANDLED_AT_ONCE);
    if (waiting.length > 0) defer(part);
  }

  return {
    take(frame) {
      const envelopes = openFrame(frame);
      if (waiting.length > 0) return void waiting.push(...envelopes);
      waiting = envelopes;
      part();
    },
    rest: () => handleUpTo(Infinity),
  };
}
