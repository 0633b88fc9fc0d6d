// Connections whose reader takes too little of what it asked for: what it does not take lies in our memory.
import type { Server } from 'node:http';
import type { Socket } from 'node:net';

export interface SlowReaderLimits {
  /** So long a reader may take nothing at all. Default 30 s. */
  idleMs?: number;
  /** And so much longer as its answer takes at this rate. Default 128 KiB a second. */
  bytesPerSecond?: number;
  /** All answers together that lie here; beyond it those that stand longest are given up. Default 256 MiB. */
  mostBytes?: number;
  lookMs?: number;
  now?: () => number;
}

/** What a look finds of a connection that did not take everything yet. */
interface Unsent {
  socket: Pick<Socket, 'writableLength' | 'bytesWritten'>;
  sinceMs: number;
  /** What it had taken when it took something the last time. */
  taken: number;
  untilMs: number;
}

/** Those to be closed now, and what is kept of the others for the next look. */
export function createLook<S extends Unsent['socket']>(limits: Omit<SlowReaderLimits, 'lookMs'> = {}) {
  const { idleMs = 30_000, bytesPerSecond = 128 * 1_024, mostBytes = 256 << 20 } = limits;
  const now = limits.now ?? (() => performance.now());
  const known = new Map<S, Unsent>();
  return (sockets: Iterable<S>): S[] => {
    const nowMs = now();
    const slow: S[] = [];
    const waiting: Array<readonly [S, Unsent]> = [];
    let sum = 0;
    const seen = new Set<S>();
    for (const socket of sockets) {
      const unsent = socket.writableLength;
      if (unsent === 0) continue;
      seen.add(socket);
      const taken = socket.bytesWritten - unsent;
      let entry = known.get(socket);
      if (entry === undefined || entry.taken !== taken) {
        entry = { socket, sinceMs: nowMs, taken, untilMs: nowMs + idleMs + (unsent / bytesPerSecond) * 1_000 };
        known.set(socket, entry);
      }
      if (nowMs >= entry.untilMs) slow.push(socket);
      else {
        sum += unsent;
        waiting.push([socket, entry]);
      }
    }
    waiting.sort(([, a], [, b]) => a.sinceMs - b.sinceMs);
    for (const [socket] of waiting) {
      if (sum <= mostBytes) break;
      sum -= socket.writableLength;
      slow.push(socket);
    }
    for (const socket of known.keys()) if (!seen.has(socket)) known.delete(socket);
    return slow;
  };
}

/** From now on; ends with the server. */
export function closeSlowReaders(server: Server, limits: SlowReaderLimits = {}): void {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  const look = createLook<Socket>(limits);
  const timer = setInterval(() => {
    for (const socket of look(sockets)) socket.destroy();
  }, limits.lookMs ?? 1_000);
  timer.unref();
  server.once('close', () => clearInterval(timer));
}
