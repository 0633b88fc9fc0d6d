// Who gives a request a time of its own is answered when that is over, whatever the request still waits for: a shard says by
// then what can be said of an operation (actors/runtime/host/asks.ts), and a moment later this speaks for all the rest, the
// reads of the database, a shard that hangs, a site that says nothing.
import type { Asker } from '../../actors/asker.ts';
import type { Because } from '../../actors/refusal.ts';
import type { World } from '../../actors/ports.ts';
import type { Bindings } from '../../http/env.ts';
import { busyResponse } from '../../http/wire-errors.ts';
import { matchOperation } from '../../router/locate.ts';
import { busyAnswer } from '../../router/v1-error.ts';
import type { Role } from './role.ts';

/** What a shard says at the last moment tells more than this can: it is on its way within this. */
export const OWN_GRACE_MS = 100;
/** The same of another site, which is waited for a little beyond the deadline as well (router/link/outgoing.ts). */
export const OTHERS_GRACE_MS = 300;

/** Whether the request changes nothing, whatever it is asked with. */
export function onlyReads(method: string, path: string, basePath: string): boolean {
  const match = matchOperation(method, path, basePath);
  return match === undefined ? method === 'GET' : match.operation.access === 'r';
}

const lateOf = (isRead: boolean): [message: string, because: Because] =>
  isRead
    ? ['the time that the request has was over before there was an answer; nothing was changed', 'deadline']
    : [
        'outcome unknown: the time that the request has was over before there was an answer; ' +
          'look what came of it before you ask again, or repeat it under its Idempotency-Key',
        'outcome-unknown',
      ];

const leftOf = (asker: Asker | undefined): number => Math.max(0, asker?.remainingMs ?? Infinity);

export interface InTimeOptions {
  /** Base path of the API, with slashes at both ends. */
  basePath: string;
  world: Pick<World, 'after'>;
}

/** The same role, for requests with a time of their own; all others go through it untouched. */
export function answerInTime({ app, beforeApp }: Role, { basePath, world }: InTimeOptions): Role {
  /** What comes after `withinMs` is nobody's any more: `drop` it. */
  const within = <A>(answer: Promise<A>, withinMs: number, late: () => A, drop: (tooLate: A) => unknown): Promise<A> =>
    new Promise((resolve, reject) => {
      let isLate = false;
      const cancel = world.after(withinMs, () => {
        isLate = true;
        resolve(late());
      });
      answer.then(
        (value) => {
          if (isLate) return void drop(value);
          cancel();
          resolve(value);
        },
        (error: unknown) => {
          cancel();
          reject(error as Error);
        },
      );
    });

  return {
    app: {
      fetch(request, bindings) {
        const leftMs = leftOf((bindings as Bindings | undefined)?.asker);
        const answer = app.fetch(request, bindings);
        if (leftMs === Infinity || !(answer instanceof Promise)) return answer;
        const late = (): Response => {
          const { pathname, search } = new URL(request.url);
          return busyResponse(...lateOf(onlyReads(request.method, pathname + search, basePath)));
        };
        return within(answer, leftMs + OWN_GRACE_MS, late, ({ body }) => body?.cancel().catch(() => {}));
      },
    },
    beforeApp(request) {
      const leftMs = leftOf(request.asker);
      const answer = beforeApp(request);
      if (leftMs === Infinity || !(answer instanceof Promise)) return answer;
      const late = () => busyAnswer(...lateOf(onlyReads(request.method, request.path, basePath)));
      return within<Awaited<typeof answer>>(answer, leftMs + OTHERS_GRACE_MS, late, (tooLate) => {
        const body = tooLate?.body;
        return body instanceof ReadableStream ? body.cancel().catch(() => {}) : undefined;
      });
    },
  };
}
