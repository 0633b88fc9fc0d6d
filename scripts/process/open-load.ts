// Requests that begin at their times, whether or not those before are answered: what overload is made of. Clients that
// wait for their answers slow down with the server and never overload it.
import { performance } from 'node:perf_hooks';
import { setTimeout as wait } from 'node:timers/promises';
import { Agent, request } from 'node:http';
import { REASON_HEADER } from '../../router/refused.ts';
import { signedHeaders } from '../api-client.ts';
import type { PlantSite } from './plant.ts';

export interface Told {
  status: number;
  text: string;
  retryAfterS: number | undefined;
  /** The reason of a refusal. */
  because: string | undefined;
  /** From when it had a connection. */
  tookMs: number;
}

export interface Phase {
  perSecond: number;
  forMs: number;
}

export type Send = (method: string, path: string, body?: unknown) => Promise<Told>;

const TICK_MS = 10;

/** Keeps connections open, so that it is the site that is loaded and not the making of connections. */
export function openSender(site: PlantSite): { send: Send; close(): void } {
  const agent = new Agent({ keepAlive: true, maxSockets: 2_000 });
  const send: Send = (method, path, body) =>
    new Promise((resolve, reject) => {
      let from = performance.now();
      const bytes = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
      const headers = {
        ...signedHeaders(site.credentials(), method),
        ...(bytes === undefined ? {} : { 'content-type': 'application/json', 'content-length': bytes.length }),
      };
      const outgoing = request(new URL(path, site.url), { method, headers, agent }, (incoming) => {
        let text = '';
        incoming.setEncoding('utf8').on('data', (piece: string) => (text += piece));
        incoming.on('end', () => {
          const after = incoming.headers['retry-after'];
          resolve({
            status: incoming.statusCode ?? 0,
            text,
            retryAfterS: after === undefined ? undefined : Number(after),
            because: incoming.headers[REASON_HEADER] as string | undefined,
            tookMs: performance.now() - from,
          });
        });
        incoming.on('error', reject);
      });
      // Waiting for one of the connections is the sender's own affair.
      outgoing.once('socket', () => (from = performance.now()));
      outgoing.on('error', reject);
      outgoing.end(bytes);
    });
  return { send, close: () => agent.destroy() };
}

/** Begins `one` at the phase's rate; resolves with all answers when the last one is there. */
export async function runPhase<T>({ perSecond, forMs }: Phase, one: () => Promise<T>): Promise<T[]> {
  const from = performance.now();
  const begun: Array<Promise<T>> = [];
  for (;;) {
    const at = performance.now() - from;
    const due = Math.floor((Math.min(at, forMs) * perSecond) / 1_000);
    while (begun.length < due) begun.push(one());
    if (at >= forMs) break;
    await wait(TICK_MS);
  }
  return await Promise.all(begun);
}

/** How many a second are done by `clients` that wait for their answers. */
export async function measureCapacity(clients: number, forMs: number, one: () => Promise<unknown>): Promise<number> {
  const end = performance.now() + forMs;
  let done = 0;
  const client = async (): Promise<void> => {
    while (performance.now() < end) {
      await one();
      done++;
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  return (done * 1_000) / forMs;
}
