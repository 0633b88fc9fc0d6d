/** One body may have this many bytes on the way or unread (reliability.md §10: queues are short). */
export const WINDOW_BYTES = 256 * 1024;
/** Pieces are no longer, so that a big body never holds a heartbeat up for long. */
export const PIECE_BYTES = 32 * 1024;

/** The sending half of a streamed body: cuts into pieces, and never has more on the way than the reader granted. */
export interface BodySender {
  /** Queues bytes; false when they wait for credit: write more `whenDrained`. The bytes must not change later. */
  write(bytes: Uint8Array): boolean;
  end(): void;
  /** The reader takes bytes up to this offset. Old or repeated grants change nothing. */
  grant(upTo: number): void;
  /** Sends what it may; called when the carrier has room again. */
  flush(): void;
  /** Drops what is queued; later writes are swallowed. */
  stop(): void;
  /** Called once, when nothing waits any more: all was sent, or the sender was stopped. */
  whenDrained(wake: () => void): void;
  readonly stopped: boolean;
  /** Everything was sent, the end too. */
  readonly finished: boolean;
}

export type BodySenderPorts = {
  /** Whether the carrier has room; heartbeats must not queue behind bodies. */
  mayEmit(): boolean;
  emit(seq: number, bytes: Uint8Array): void;
  emitEnd(pieces: number): void;
};

export function createBodySender(ports: BodySenderPorts): BodySender {
  let queue: Uint8Array[] = [];
  let sentBytes = 0;
  let grantedBytes = WINDOW_BYTES;
  let seq = 0;
  let ended = false;
  let finished = false;
  let stopped = false;
  let wake: (() => void) | undefined;

  const drained = (): void => {
    const waiting = wake;
    wake = undefined;
    waiting?.();
  };

  const flush = (): void => {
    while (queue.length > 0 && sentBytes < grantedBytes && ports.mayEmit()) {
      const first = queue[0] as Uint8Array;
      const size = Math.min(first.byteLength, PIECE_BYTES, grantedBytes - sentBytes);
      if (size === first.byteLength) queue.shift();
      else queue[0] = first.subarray(size);
      sentBytes += size;
      ports.emit(seq++, first.subarray(0, size));
    }
    if (stopped || queue.length > 0) return;
    if (ended && !finished) {
      finished = true;
      ports.emitEnd(seq);
    }
    drained();
  };

  return {
    write(bytes) {
      if (stopped || ended) return true;
      if (bytes.byteLength > 0) queue.push(bytes);
      flush();
      return queue.length === 0;
    },
    end() {
      ended = true;
      flush();
    },
    grant(upTo) {
      if (upTo <= grantedBytes) return;
      grantedBytes = upTo;
      flush();
    },
    flush,
    stop() {
      stopped = true;
      queue = [];
      drained();
    },
    whenDrained(callback) {
      if (queue.length === 0) return callback();
      wake = callback;
    },
    get stopped() {
      return stopped;
    },
    get finished() {
      return finished;
    },
  };
}

/** What the next read of a body gives: bytes, nothing yet, the end, or the failure that cut it. */
export type BodyRead =
  | { readonly as: 'bytes'; readonly bytes: Uint8Array }
  | { readonly as: 'wait' }
  | { readonly as: 'end' }
  | { readonly as: 'failed'; readonly failure: Error };

/** The receiving half: keeps order, drops repeats, grants more as its reader takes. */
export interface BodyReceiver {
  /** `broken` when a piece is missing before this one, or when the sender exceeds its credit. */
  piece(seq: number, bytes: Uint8Array): 'taken' | 'repeated' | 'broken';
  end(pieces: number): 'taken' | 'repeated' | 'broken';
  fail(failure: Error): void;
  read(): BodyRead;
  /** The reader wants no more. */
  cancel(): void;
  /** Called once, when `read` would give something else than `wait`. */
  whenReadable(wake: () => void): void;
  /** The sender's end has arrived; what is unread stays readable. */
  readonly complete: boolean;
}

export type BodyReceiverPorts = {
  grant(upTo: number): void;
  /** The reader left before the end. */
  cancelled(): void;
};

export function createBodyReceiver(ports: BodyReceiverPorts): BodyReceiver {
  const queue: Uint8Array[] = [];
  let expected = 0;
  let receivedBytes = 0;
  let readBytes = 0;
  let grantedBytes = WINDOW_BYTES;
  let complete = false;
  let cancelled = false;
  let failure: Error | undefined;
  let wake: (() => void) | undefined;

  const wakeReader = (): void => {
    const waiting = wake;
    wake = undefined;
    waiting?.();
  };

  return {
    piece(seq, bytes) {
      if (seq < expected) return 'repeated';
      if (seq > expected || complete || receivedBytes + bytes.byteLength > grantedBytes) return 'broken';
      expected += 1;
      receivedBytes += bytes.byteLength;
      if (cancelled || failure !== undefined || bytes.byteLength === 0) return 'taken';
      queue.push(bytes);
      wakeReader();
      return 'taken';
    },
    end(pieces) {
      if (complete) return 'repeated';
      if (pieces !== expected) return 'broken';
      complete = true;
      wakeReader();
      return 'taken';
    },
    fail(cause) {
      // A body that arrived whole stays readable, whatever happens to the link afterwards.
      if (complete || failure !== undefined) return;
      failure = cause;
      wakeReader();
    },
    read() {
      const bytes = queue.shift();
      if (bytes !== undefined) {
        readBytes += bytes.byteLength;
        // Half a window at a time: one credit frame per 128 KiB, and the sender never runs dry.
        if (!complete && failure === undefined && grantedBytes - readBytes <= WINDOW_BYTES / 2) {
          grantedBytes = readBytes + WINDOW_BYTES;
          ports.grant(grantedBytes);
        }
        return { as: 'bytes', bytes };
      }
      if (cancelled) return { as: 'end' };
      if (failure !== undefined) return { as: 'failed', failure };
      return complete ? { as: 'end' } : { as: 'wait' };
    },
    cancel() {
      if (cancelled) return;
      cancelled = true;
      queue.length = 0;
      if (!complete && failure === undefined) ports.cancelled();
      wakeReader();
    },
    whenReadable(callback) {
      if (queue.length > 0 || complete || cancelled || failure !== undefined) return callback();
      wake = callback;
    },
    get complete() {
      return complete;
    },
  };
}
