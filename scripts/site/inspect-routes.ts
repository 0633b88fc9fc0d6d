// What people see of a running process: actors, committer, blocks, bus. Admin role.
import type { Kind, Scope } from '../../actors/address.ts';
import { invalid } from '../../actors/refusal.ts';
import type { ShardHost } from '../../actors/runtime/host.ts';
import type { Bus } from '../../http/agents/bus.ts';
import type { Edge } from '../../http/env.ts';
import { ok, route } from '../../http/route.ts';
import type { BlockDriver } from '../../router/federation/blocks.ts';

export interface InspectOptions {
  host: ShardHost;
  shards: number;
  blocks: BlockDriver;
  bus: Bus;
}

export const addInspectRoutes =
  ({ host, shards, blocks, bus }: InspectOptions) =>
  (edge: Edge): void => {
    route(edge, { method: 'get', path: '/v2/inspect/shards', role: 'admin', operation: 'inspectShards' }, async () =>
      ok({
        shards: await Promise.all(Array.from({ length: shards }, (_, shard) => host.inspect(shard, null))),
        restarts: host.restarts,
        blocks: { open: blocks.open },
        bus: bus.state(),
      }),
    );
    route(
      edge,
      { method: 'get', path: '/v2/inspect/actor', role: 'admin', operation: 'inspectActor' },
      async ({ query }) => {
        const [scope, kind, id] = [query('scope'), query('kind'), query('id')];
        if (scope === undefined || kind === undefined || id === undefined) {
          return invalid('scope, kind and id are needed, e.g. ?scope=partition:muc&kind=network&id=internet');
        }
        const address = { scope: scope as Scope, kind: kind as Kind, id };
        const found = await Promise.all(Array.from({ length: shards }, (_, shard) => host.inspect(shard, address)));
        return ok({ actor: found.find((one) => one !== null) ?? null });
      },
    );
  };
