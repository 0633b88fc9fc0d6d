// Nothing that memory says leaves a process whose lease may be over, since another one may have written (design.md §5), nor
// before it has heard of what its shards acknowledged; and that there is no such thing is only said while it has heard of
// everything that they wrote.
import type { World } from '../../actors/ports.ts';
import type { EdgeApp } from '../../http/server.ts';
import { busyResponse } from '../../http/wire-errors.ts';
import { REASON_HEADER } from '../../router/refused.ts';
import { onlyReads } from './in-time.ts';

export interface GuardedApp extends EdgeApp {
  /** Requests without an answer. */
  readonly inFlight: number;
}

export interface LeaseGuardOptions {
  app: EdgeApp;
  site: string;
  basePath: string;
  isHeld(): boolean;
  /** Whether everything that was written here has been heard of. */
  isCurrent(): boolean;
  /** Whether something that was acknowledged here may not have been heard of. */
  isBehind(): boolean;
  /** Why the lease could not be renewed, if so. */
  problem?(): string | undefined;
  world: Pick<World, 'monotonicMs' | 'after'>;
}

/**
 * A write waits so long for a lease that could not be renewed (its commit is fenced, whatever it is decided on), and every
 * request for what was not heard of yet.
 */
const PATIENCE_MS = 5_000;
const LOOK_MS = 25;

/** Why a site can't say what there is, or that there is no such thing. */
export const READING = 'the site still reads what it wrote last; try again';

/**
 * Whether an answer to a write is true whoever owns the site by now: what was committed is so, and that it is not known
 * whether something was, or that nothing was, says the committer or the edge of its own work. Every other refusal may have
 * been decided on what memory says, a 503 that names no reason (`unavailable`) among them.
 */
const staysTrue = ({ ok, status, headers }: Response): boolean =>
  ok || ((status === 503 || status === 429) && (headers.get(REASON_HEADER) ?? 'unavailable') !== 'unavailable');

/** These say how this very process is. */
const OWN = /^(?:healthz|readyz|metrics|v1\/health|v1\/version|v2\/inspect\b.*)\/?$/;

export function guardByLease({
  app,
  site,
  basePath,
  isHeld,
  isCurrent,
  isBehind,
  problem,
  world,
}: LeaseGuardOptions): GuardedApp {
  let inFlight = 0;

  const why = (): string => {
    const failure = problem?.();
    return failure === undefined
      ? `the lease of site "${site}" is not certain at the moment: another process may be active`
      : `the database of site "${site}" does not answer: ${failure}`;
  };

  /** Of what was not begun, and of what only reads. */
  const refusal = (isRead: boolean): Response =>
    busyResponse(
      `${why()}; ${isRead ? 'try again' : 'nothing was changed, try again'}`,
      problem?.() === undefined ? 'lease' : 'database',
    );

  /** Of a write that was begun. Who just tries again might have it twice. */
  const unknown = (): Response =>
    busyResponse(
      `outcome unknown: ${why()}; look what came of it before you ask again, or repeat it under its Idempotency-Key`,
      'outcome-unknown',
    );

  const placeOf = (request: Request): { isOwn: boolean; isRead: boolean } => {
    const { pathname, search } = new URL(request.url);
    const isOwn = pathname.startsWith(basePath) && OWN.test(pathname.slice(basePath.length));
    return { isOwn, isRead: onlyReads(request.method, pathname + search, basePath) };
  };

  /** Waits until the request may begin; why it may not, else. */
  async function toBegin(isRead: boolean): Promise<Response | undefined> {
    const deadline = world.monotonicMs() + PATIENCE_MS;
    const hasToWait = (): boolean => (isHeld() ? isBehind() : !isRead);
    while (hasToWait() && world.monotonicMs() < deadline) {
      await new Promise<void>((resolve) => void world.after(LOOK_MS, resolve));
    }
    if (!isHeld()) return refusal(isRead);
    return isBehind() ? busyResponse(READING, 'starting') : undefined;
  }

  /**
   * `mayBegin`: the lease is held, and all that was acknowledged is heard of. Of the lease the end counts: as long as it is
   * held then, nobody else wrote meanwhile. Of what is heard the beginning: what is acknowledged later need not be seen.
   */
  async function answer(
    request: Request,
    bindings: Parameters<EdgeApp['fetch']>[1],
    mayBegin: boolean,
  ): Promise<Response> {
    if (!mayBegin) {
      const { isOwn, isRead } = placeOf(request);
      const refused = isOwn ? undefined : await toBegin(isRead);
      if (refused !== undefined) return refused;
    }
    const wasCurrent = isCurrent();
    const response = await app.fetch(request, bindings);
    if (isHeld()) {
      const isCertain = response.status !== 404 || (wasCurrent && isCurrent());
      return isCertain ? response : busyResponse(READING, 'starting');
    }
    const { isOwn, isRead } = placeOf(request);
    if (isOwn) return response;
    if (isRead) return refusal(isRead);
    return staysTrue(response) ? response : unknown();
  }

  return {
    get inFlight() {
      return inFlight;
    },
    async fetch(request, bindings) {
      inFlight++;
      try {
        return await answer(request, bindings, isHeld() && !isBehind());
      } finally {
        inFlight--;
      }
    },
  };
}
