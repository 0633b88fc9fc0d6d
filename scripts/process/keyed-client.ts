// A client that knows nothing but its Idempotency-Key: it repeats a request until it is done.
import { setTimeout as wait } from 'node:timers/promises';
import { callApi, type ApiAnswer } from '../api-client.ts';
import type { PlantSite } from './plant.ts';

export interface KeyedRequest {
  method: string;
  path: string;
  body?: unknown;
  key: string;
}

const GIVE_UP_MS = 60_000;
const TRY_MS = 5_000;
const AGAIN_MS = 50;

export const sendKeyed = (
  site: PlantSite,
  { method, path, body, key }: KeyedRequest,
  more: Record<string, string> = {},
): Promise<ApiAnswer> =>
  callApi(site.url, site.credentials(), method, path, body, {
    timeoutMs: TRY_MS,
    headers: { 'idempotency-key': key, ...more },
  });

export const isReplayed = ({ headers }: ApiAnswer): boolean => headers['idempotent-replayed'] === 'true';

const isDone = ({ status }: ApiAnswer): boolean => status === 200 || status === 201;

/**
 * The answer of a request that is done, asked of one site after the other. Rejects when the answer is final and another
 * one; `isTransient`: what else is worth asking again.
 */
export async function insistKeyed(
  sites: readonly PlantSite[],
  request: KeyedRequest,
  isTransient: (answer: ApiAnswer) => boolean = () => false,
): Promise<ApiAnswer> {
  const sinceMs = performance.now();
  for (let tries = 0; ; tries++) {
    const answer = await sendKeyed(sites[tries % sites.length]!, request).catch(() => undefined);
    if (answer !== undefined && isDone(answer)) return answer;
    const isWorthIt =
      answer === undefined ||
      answer.status === 503 ||
      answer.headers['retry-after'] !== undefined ||
      isTransient(answer);
    const what = `${request.method} ${request.path} ${request.key}`;
    if (!isWorthIt) throw new Error(`${what}: ${answer.status} ${answer.text}`);
    if (performance.now() - sinceMs > GIVE_UP_MS)
      throw new Error(`${what} was not done in ${GIVE_UP_MS} ms: ${answer?.status} ${answer?.text}`);
    await wait(AGAIN_MS);
  }
}
