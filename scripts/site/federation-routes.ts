// The federation for operators: who belongs to it, tokens to join, the join itself. Admin role.
import { z } from 'zod';
import { unprocessable, unavailable } from '../../actors/refusal.ts';
import type { Edge } from '../../http/env.ts';
import { ok, route } from '../../http/route.ts';
import type { Federation } from '../../router/federation/federation.ts';
import type { JoinHost } from '../../router/federation/join.ts';

export interface FederationRoutes {
  joins: Pick<JoinHost, 'invite' | 'joinWith'>;
  federation: Pick<Federation, 'status'>;
  /** Starts this process again with its new identity, after the answer left. */
  restart(): void;
}

export const addFederationRoutes =
  ({ joins, federation, restart }: FederationRoutes) =>
  (edge: Edge): void => {
    const { site } = edge;
    route(edge, { method: 'get', path: '/v2/federation', role: 'admin', operation: 'federation' }, () =>
      ok({ site: site.id, partitions: site.places.hosted(), members: federation.status() }),
    );
    route(
      edge,
      { method: 'post', path: '/v2/federation/invite', role: 'admin', operation: 'invite', contentType: 'any' },
      () => ok({ token: joins.invite() }),
    );
    route(
      edge,
      {
        method: 'post',
        path: '/v2/federation/join',
        role: 'admin',
        operation: 'join',
        body: z.object({ token: z.string().min(1).max(8_192) }),
      },
      async ({ body }) => {
        const outcome = await joins.joinWith(body.token);
        if (outcome.outcome === 'joined') {
          restart();
          return ok({ joined: true });
        }
        const text = outcome.reasons.map(({ message }) => message).join('\n');
        return outcome.outcome === 'refused' ? unprocessable(text) : unavailable(text);
      },
    );
  };
