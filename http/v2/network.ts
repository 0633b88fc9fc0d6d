// Networks for operators: how full they are and why, and who holds which block of a global one.
import { isRefusal, unprocessable } from '../../actors/refusal.ts';
import type { Edge } from '../env.ts';
import { ok, route } from '../route.ts';
import { blocksOf } from './network-blocks.ts';
import { allNetworkParts } from './network-parts.ts';
import { blocksAnswer, usageAnswer } from './network-shapes.ts';
import { usageOf } from './network-usage.ts';

/** `GET /v2/network/{id}/usage` and `/blocks`: any site answers, with every site's part. */
export function addNetworkInsightRoutes(edge: Edge): void {
  const { site } = edge;
  route(
    edge,
    {
      method: 'get',
      path: '/v2/network/:id/usage',
      role: 'view',
      operation: 'network-usage',
      about:
        'How full a network is and when it will be, with the part of every site: by family, by prefix, by block, by partition. Of a super network, how much of it is cut into children.',
      answer: usageAnswer,
    },
    async ({ param, as }) => {
      const parts = await allNetworkParts(site, param('id'), as);
      return isRefusal(parts) ? parts : ok(usageOf(param('id'), parts));
    },
  );
  route(
    edge,
    {
      method: 'get',
      path: '/v2/network/:id/blocks',
      role: 'view',
      operation: 'network-blocks',
      about:
        'Which partition holds which block of a global network, and what of it is in use. 422: the network is not global.',
      answer: blocksAnswer,
    },
    async ({ param, as }) => {
      const id = param('id');
      const parts = await allNetworkParts(site, id, as);
      if (isRefusal(parts)) return parts;
      return parts.isGlobal
        ? ok(blocksOf(id, parts))
        : unprocessable(`network ${id} is not a global network: it has no blocks, see /v2/network/${id}/usage`);
    },
  );
}
