import { randomFillSync } from 'node:crypto';
import type { World } from '../actors/ports.ts';

// One system call for 256 ids: randomness at the edge must not cost more than the request.
const pool = new Uint8Array(16 * 256);
let used = pool.length;

/** UUIDv7 (RFC 9562 §5.7): sorts by time of creation to the millisecond. */
export function uuidv7(wallMs: number): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const bytes = pool.subarray(used, used + 16);
  used += 16;
  bytes[0] = wallMs / 2 ** 40;
  bytes[1] = wallMs / 2 ** 32;
  bytes[2] = wallMs / 2 ** 24;
  bytes[3] = wallMs / 2 ** 16;
  bytes[4] = wallMs / 2 ** 8;
  bytes[5] = wallMs;
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x70;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  const hex = Buffer.from(bytes).toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** The world of production: the process's clocks and chance. The monotonic clock is the same in all threads. */
export const realWorld: World = {
  monotonicMs: () => Number(process.hrtime.bigint()) / 1e6,
  wallMs: () => Date.now(),
  random: () => Math.random(),
  uuid: () => uuidv7(Date.now()),
  defer: (run) => void setImmediate(run),
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
};
