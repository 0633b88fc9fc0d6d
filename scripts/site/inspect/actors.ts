// The live tree of a process: scope → kind → actors, gathered from its shards.
import type { Address } from '../../../actors/address.ts';
import { isRefusal } from '../../../actors/refusal.ts';
import type { ShardHost } from '../../../actors/runtime/host.ts';
import type {
  ActorInspection,
  ActorSummary,
  CellFilter,
  KindSummary,
  ShardInspection,
} from '../../../actors/runtime/inspection.ts';

export type TreeActor = ActorSummary & { shard: number };

export interface TreeKind extends Omit<KindSummary, 'scope'> {
  /** Those that are listed: the busy ones, then those that were active last. */
  actors: TreeActor[];
}

export interface TreeScope {
  scope: string;
  kinds: TreeKind[];
}

export interface ActorTree {
  resident: number;
  shown: number;
  scopes: TreeScope[];
  /** Shards that did not answer, with the reason. */
  missing: Array<{ shard: number; reason: string }>;
}

type Inspecting = Pick<ShardHost, 'inspect'>;

export interface ShardAnswer {
  shard: number;
  view: ShardInspection | undefined;
  /** Why there is none. */
  reason: string;
}

export const inspectShards = (host: Inspecting, shards: number, filter: CellFilter): Promise<ShardAnswer[]> =>
  Promise.all(
    Array.from({ length: shards }, async (_, shard): Promise<ShardAnswer> => {
      const answer = await host.inspect(shard, null, filter);
      return isRefusal(answer)
        ? { shard, view: undefined, reason: answer.message }
        : { shard, view: answer as ShardInspection, reason: '' };
    }),
  );

/** Without any actor: what the sums tell. */
export const NO_ACTORS: CellFilter = { scopes: null, kind: null, id: null, limit: 0 };

const isBusy = ({ status, inbox, waiting, held }: ActorSummary): boolean =>
  status !== 'idle' || inbox + waiting + held > 0;
const load = ({ inbox, waiting, held }: ActorSummary): number => inbox + waiting + held;
const busiestFirst = (a: TreeActor, b: TreeActor): number =>
  Number(isBusy(b)) - Number(isBusy(a)) || load(b) - load(a) || a.idleMs - b.idleMs || (a.id < b.id ? -1 : 1);

/** Sums by scope and kind over all shards. */
export function sumsOf(answers: readonly ShardAnswer[]): KindSummary[] {
  const sums = new Map<string, KindSummary>();
  for (const { view } of answers) {
    for (const kind of view?.kinds ?? []) {
      const name = `${kind.scope}/${kind.kind}`;
      const sum = sums.get(name);
      if (sum === undefined) {
        sums.set(name, { ...kind });
        continue;
      }
      for (const figure of ['resident', 'busy', 'inbox', 'waiting', 'held', 'crashes'] as const)
        sum[figure] += kind[figure];
    }
  }
  return [...sums.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, sum]) => sum);
}

export function treeOf(answers: readonly ShardAnswer[], limit: number): ActorTree {
  const actors = answers.flatMap(({ shard, view }) => (view?.cells ?? []).map((cell) => ({ ...cell, shard })));
  const scopes = new Map<string, TreeScope>();
  let [resident, shown] = [0, 0];
  for (const { scope, ...sums } of sumsOf(answers)) {
    const listed = actors
      .filter((actor) => actor.scope === scope && actor.kind === sums.kind)
      .sort(busiestFirst)
      .slice(0, limit);
    resident += sums.resident;
    shown += listed.length;
    const kind: TreeKind = { ...sums, actors: listed };
    const known = scopes.get(scope);
    if (known === undefined) scopes.set(scope, { scope, kinds: [kind] });
    else known.kinds.push(kind);
  }
  return {
    resident,
    shown,
    scopes: [...scopes.values()],
    missing: answers.filter(({ view }) => view === undefined).map(({ shard, reason }) => ({ shard, reason })),
  };
}

/** One actor in full; undefined: it is not in memory. */
export async function inspectOne(
  host: Inspecting,
  shards: number,
  address: Address,
): Promise<(ActorInspection & { shard: number }) | undefined> {
  const answers = await Promise.all(Array.from({ length: shards }, (_, shard) => host.inspect(shard, address)));
  for (const [shard, answer] of answers.entries())
    if (answer !== null && !isRefusal(answer)) return { ...(answer as ActorInspection), shard };
  return undefined;
}
