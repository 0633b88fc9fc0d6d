// Requests and answers as they pass through: whole, unread, and which headers of them go further.
import type { Asker } from '../actors/asker.ts';
import type { HttpHeaders } from './link/frames.ts';

/** A request as it came. */
export interface HttpRequest {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  /** As sent: order, case and repetitions. */
  readonly headers: HttpHeaders;
  readonly body: Uint8Array;
  /** From a client's socket, or over a peer link. Only the second may carry headers of ours. */
  readonly via: 'http' | 'link';
  /** Who waits at the other end. */
  readonly asker?: Asker | undefined;
}

export interface HttpAnswer {
  status: number;
  headers: Array<[string, string]>;
  body: Uint8Array | ReadableStream<Uint8Array> | null;
  /** Another process made it. */
  isPassedOn?: true;
}

/** In `Via` of the answers that a router passes on (RFC 9110 §7.6.3): they are one site's. */
export const ROUTER_NAME = 'hanse-router';
/** How often a request was passed on; the limit ends every circle of sites that believe in each other. */
export const HOPS_HEADER = 'x-hanse-hops';
export const MOST_HOPS = 2;
/** The asker merges several answers: answer for yourself only. */
export const PART_HEADER = 'x-hanse-part';
/** A standby passed it to the active process of its own site. */
export const STANDBY_HEADER = 'x-hanse-standby';
const INTERNAL_PREFIX = 'x-hanse-';
/** The client's own: without it the home would do what was only to be told. */
const DRY_RUN_HEADER = 'x-hanse-dry-run';
/** The client's own: which partition's machine or switch is meant, should there be several of one id. */
export const PARTITION_HEADER = 'x-hanse-partition';

/**
 * Whether a header or query parameter reads as a wish for a dry run, however it is spelled: `dry-run`, `dryRun`,
 * `X-Dry-Run`. Who mistypes it must not get the real thing.
 */
export function meansDryRun(name: string): boolean {
  if (!/dry[-_]*run$/i.test(name)) return false;
  const plain = name.toLowerCase().replace(/[-_]/g, '');
  return plain === 'dryrun' || plain.startsWith('x');
}

// RFC 9110 §7.6.1, and the obsolete ones that are still sent.
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  // Answered by each hop for itself.
  'expect',
]);

export const headerOf = (headers: HttpHeaders, name: string): string | undefined =>
  headers.find(([key]) => key.length === name.length && key.toLowerCase() === name)?.[1];

/** Headers that go to the next hop: end-to-end ones as they are, none of ours, none that `Connection` names. */
export function endToEnd(headers: HttpHeaders): Array<[string, string]> {
  const connection = headerOf(headers, 'connection');
  const named = new Set(connection?.split(',').map((name) => name.trim().toLowerCase()));
  // A client may not have the request stripped of what proves who it is, nor of what keeps it from being done (again).
  for (const name of ['authorization', 'idempotency-key', DRY_RUN_HEADER, PARTITION_HEADER]) named.delete(name);
  const kept: Array<[string, string]> = [];
  for (const [name, value] of headers) {
    const key = name.toLowerCase();
    const isInternal = key.startsWith(INTERNAL_PREFIX) && !meansDryRun(key) && key !== PARTITION_HEADER;
    if (!HOP_BY_HOP.has(key) && !named.has(key) && !isInternal) kept.push([name, value]);
  }
  return kept;
}

/** Times that a request was passed on already; what a client says of it is not believed. */
export function hopsOf({ via, headers }: Pick<HttpRequest, 'via' | 'headers'>): number {
  if (via === 'http') return 0;
  const text = headerOf(headers, HOPS_HEADER) ?? '0';
  return /^\d$/.test(text) ? Number(text) : MOST_HOPS;
}

/** Whether a peer asks for our part of a merged answer. */
export const isPart = ({ via, headers }: Pick<HttpRequest, 'via' | 'headers'>): boolean =>
  via === 'link' && headerOf(headers, PART_HEADER) !== undefined;
export const cameFromStandby = ({ via, headers }: Pick<HttpRequest, 'via' | 'headers'>): boolean =>
  via === 'link' && headerOf(headers, STANDBY_HEADER) !== undefined;

/** Reads a body to its end, and takes it from the budget while it does. Rejects with what cuts it. */
export async function collectWithin(
  body: AsyncIterable<Uint8Array>,
  limitBytes: number,
  budget: { left: number },
): Promise<Uint8Array | 'too-large' | 'too-many'> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const piece of body) {
      size += piece.byteLength;
      budget.left -= piece.byteLength;
      if (size > limitBytes) return 'too-large';
      if (budget.left < 0) return 'too-many';
      pieces.push(piece);
    }
  } finally {
    budget.left += size;
  }
  return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
}

/** Reads a body to its end; undefined when it is longer than `limitBytes`. Rejects with what cuts it. */
export async function collect(body: AsyncIterable<Uint8Array>, limitBytes: number): Promise<Uint8Array | undefined> {
  const read = await collectWithin(body, limitBytes, { left: Infinity });
  return typeof read === 'string' ? undefined : read;
}

/** A stream that reads its source only as fast as it is read itself. */
export function streamOf(source: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]();
  return new ReadableStream({
    async pull(controller) {
      const next = await iterator.next();
      if (next.done === true) controller.close();
      else controller.enqueue(next.value);
    },
    async cancel() {
      await iterator.return?.();
    },
  });
}
