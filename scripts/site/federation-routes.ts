// The federation for operators: who belongs to it, tokens to join, the join itself. Admin role.
import { z } from 'zod';
import { isRefusal, unprocessable, unavailable } from '../../actors/refusal.ts';
import type { Edge } from '../../http/env.ts';
import { ok, route } from '../../http/route.ts';
import type { BlockDriver } from '../../router/federation/blocks.ts';
import { notCompared } from '../../router/federation/restored.ts';
import type { Federation } from '../../router/federation/federation.ts';
import type { JoinHost } from '../../router/federation/join.ts';
import type { StandbyView } from './standbys.ts';

export interface FederationRoutes {
  joins: Pick<JoinHost, 'invitation' | 'invite' | 'prospect' | 'joinWith'>;
  federation: Pick<Federation, 'status'>;
  /** Other processes of the site that can be reached. */
  standbys(): StandbyView[];
  blocks: Pick<BlockDriver, 'restored' | 'closedBlocks' | 'acceptLoss'>;
  /** Starts this process again with its new identity, after the answer left. */
  restart(): void;
}

/** What a restored backup still costs. */
export interface RestoredView {
  /** Sites that it could not be compared with yet; null: it was, or nothing was restored. */
  missing: readonly string[] | null;
  /** Blocks out of which nothing is given until an operator accepts the loss. */
  closedBlocks: number;
}

const textOf = (reasons: ReadonlyArray<{ message: string }>): string =>
  reasons.map(({ message }) => message).join('\n');

export const addFederationRoutes =
  ({ joins, federation, standbys, blocks, restart }: FederationRoutes) =>
  (edge: Edge): void => {
    const { site } = edge;
    const restoredView = async (): Promise<RestoredView> => ({
      missing: blocks.restored?.missing ?? null,
      closedBlocks: await blocks.closedBlocks(),
    });
    route(edge, { method: 'get', path: '/v2/federation', role: 'admin', operation: 'federation' }, async () =>
      ok({
        site: site.id,
        partitions: site.places.hosted(),
        standbys: standbys(),
        members: federation.status(),
        restored: await restoredView(),
      }),
    );
    route(
      edge,
      {
        method: 'post',
        path: '/v2/federation/invite',
        role: 'admin',
        operation: 'invite',
        contentType: 'any',
        dryRun: () => {
          const invitation = joins.invitation();
          return isRefusal(invitation) ? invitation : ok(invitation);
        },
      },
      () => {
        const invitation = joins.invitation();
        return isRefusal(invitation) ? invitation : ok({ token: joins.invite() });
      },
    );
    route(
      edge,
      {
        method: 'post',
        path: '/v2/federation/accept-loss',
        role: 'admin',
        operation: 'accept-loss',
        body: z.object({ without: z.boolean().optional() }),
        dryRun: async ({ body }) => {
          const { missing, closedBlocks } = await restoredView();
          if (missing !== null && body.without !== true) return notCompared(site.id, missing);
          return ok({ blocks: closedBlocks, without: missing ?? [] });
        },
      },
      async ({ body }) => {
        const accepted = await blocks.acceptLoss({ without: body.without ?? false });
        return isRefusal(accepted) ? accepted : ok(accepted);
      },
    );
    route(
      edge,
      {
        method: 'post',
        path: '/v2/federation/join',
        role: 'admin',
        operation: 'join',
        body: z.object({ token: z.string().min(1).max(8_192) }),
        dryRun: ({ body }) => {
          const prospect = joins.prospect(body.token);
          if (prospect.outcome === 'refused') return unprocessable(textOf(prospect.reasons));
          return ok(prospect.outcome === 'member' ? { isMember: true } : { asks: prospect.token.addresses });
        },
      },
      async ({ body }) => {
        const outcome = await joins.joinWith(body.token);
        if (outcome.outcome === 'joined') {
          restart();
          return ok({ joined: true });
        }
        const text = textOf(outcome.reasons);
        return outcome.outcome === 'refused' ? unprocessable(text) : unavailable(text);
      },
    );
  };
