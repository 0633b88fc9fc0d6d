// Before a request is located: what it names must be known, which it may not be yet when a process has just taken over.
import type { Filling } from '../../router/place-index-filling.ts';
import type { Forwarder } from '../../router/forward.ts';
import { matchOperation, placeOf } from '../../router/locate.ts';
import { busyAnswer } from '../../router/v1-error.ts';
import type { Role } from './role.ts';

/** Asks the database first for what the index may lack. Costs nothing once the index is whole. */
export const placedFirst =
  (
    filling: Pick<Filling, 'isWhole' | 'sure'>,
    forward: Pick<Forwarder, 'beforeApp'>,
    basePath: string,
  ): Role['beforeApp'] =>
  (request) => {
    if (filling.isWhole) return forward.beforeApp(request);
    const match = matchOperation(request.method, request.path, basePath);
    const located = match && placeOf(match, request.body);
    const sought = located && filling.sure(located);
    if (sought === undefined) return forward.beforeApp(request);
    return sought.then(
      () => forward.beforeApp(request),
      (error: Error) => busyAnswer(`where this request belongs can't be read: ${error.message}`, 'database'),
    );
  };
