// What happens to networks over several actors, as generators. Every one begins with what may refuse, and everything it
// took is committed in one transaction, or given back (N07).
import { addressOf, partitionScope, siteScope, type Address, type Scope } from '../address.ts';
import type { AllocatorCommands } from '../allocation/messages.ts';
import type { Claim } from '../registry/messages.ts';
import { overlaps, parsePrefix } from '../ipam/prefix.ts';
import { isRefusal, unprocessable, type Refusal } from '../refusal.ts';
import {
  askAll,
  cancelAll,
  command,
  reservation,
  reserveAll,
  unborn,
  type Coordination,
  type Question,
  type Step,
  type StepAnswer,
} from '../runtime/behaviour.ts';
import type { BlocksIdle, NetworkView } from './messages.ts';
import { childNetwork, isGlobal } from './network-rules.ts';
import type { NetworkRecord } from './record.ts';
import { canonicalCidr, viewWithoutUsage } from './state.ts';
import type { UpdatedNetwork } from './update-rules.ts';

/** Where a partition's coordinations take place. */
export interface PartitionContext {
  partition: string;
  nowMs: number;
}

const allocatorOf = (partition: string) => addressOf(partitionScope(partition), 'allocator', partition);
const networkAt = (scope: Scope, id: string) => addressOf(scope, 'network', id);

/**
 * Cuts a child network out of the partition's super network: prefixes, VRF and the network in one transaction.
 * `superNetwork`: id of the super network, or why there is none, as the allocator knows it (networks.md §1.4, check 4).
 */
export function* allocateNetwork(
  ask: AllocatorCommands['allocateNetwork']['ask'],
  superNetwork: string | Refusal,
  context: PartitionContext,
): Coordination<NetworkView> {
  if (isRefusal(superNetwork)) return superNetwork;
  const scope = partitionScope(context.partition);
  const { id: child, length: lengths, family, malformed } = ask;
  // The super network first: what it refuses is the caller's mistake, an empty pool is not.
  const cuts = yield* reserveAll([
    reservation(networkAt(scope, superNetwork), 'cutChildren', {
      child,
      lengths,
      ...(family === undefined ? {} : { family }),
      ...(malformed === undefined ? {} : { malformed }),
    }),
  ]);
  if (isRefusal(cuts)) return cuts;
  const vrfs = yield* reserveAll([
    reservation(allocatorOf(context.partition), 'takeVrf', { network: child, number: 0, shared: false }),
  ]);
  if (isRefusal(vrfs)) return vrfs;
  const { parent, prefixes } = cuts[0].reply;
  const network = childNetwork(ask, { parent, prefixes, vrf: vrfs[0].reply.vrf, nowMs: context.nowMs });
  const made = yield* reserveAll([unborn(reservation(networkAt(scope, child), 'create', { network }))]);
  if (isRefusal(made)) return made;
  return { reply: made[0].reply };
}

/**
 * Takes away what rests in what leaves a network, when it is too much for one operation. The last step before the commit:
 * what was taken away rests no longer, whatever becomes of the operation.
 */
export function* clearLeaving(network: Address<'network'>): Generator<Step, Refusal | undefined, StepAnswer> {
  for (;;) {
    const answers = yield* askAll([command(network, 'clearLeaving', {})]);
    if (isRefusal(answers)) return answers;
    if (answers[0].isClear) return undefined;
  }
}

/** Frees a child network; `delete` of one is the same (N03). Answers it as it was, without usage. */
export function* freeNetwork(
  ask: AllocatorCommands['freeNetwork']['ask'],
  context: PartitionContext,
): Coordination<NetworkView> {
  const scope = partitionScope(context.partition);
  const closed = yield* reserveAll([reservation(networkAt(scope, ask.network), 'close', { as: ask.as })]);
  if (isRefusal(closed)) return closed;
  const network = closed[0].reply;
  if (network.parent === null) {
    yield* cancelAll([...closed]);
    return unprocessable(`network ${network.id} is not a child network: it is deleted where top-level networks are`);
  }
  const freed = yield* reserveAll([
    reservation(networkAt(scope, network.parent), 'releaseChildren', { child: network.id, prefixes: network.prefixes }),
    ...(network.vrf === 0
      ? []
      : [reservation(allocatorOf(context.partition), 'releaseVrf', { network: network.id, vrf: network.vrf })]),
  ]);
  if (isRefusal(freed)) return freed;
  const cleared = yield* clearLeaving(networkAt(scope, ask.network));
  return cleared ?? { reply: viewWithoutUsage(network) };
}

/** Claims on the prefixes of a top-level network. `removed`: those that it gives up in the same moment. */
export function prefixClaims(network: string, prefixes: readonly string[], removed: readonly string[] = []): Claim[] {
  const given = removed.flatMap((cidr) => parsePrefix(cidr) ?? []);
  return prefixes.map((cidr) => {
    const claim: Claim = { what: 'prefix', value: canonicalCidr(cidr), holder: network };
    const prefix = parsePrefix(cidr);
    const replaces = given.filter((other) => prefix !== undefined && overlaps(prefix, other));
    return replaces.length === 0 ? claim : { ...claim, replaces: replaces.map(({ canonical }) => canonical) };
  });
}

export interface NetworkUpdate extends UpdatedNetwork {
  scope: Scope;
  site: string;
  h: string;
  /** Version of the row that the update was computed from. */
  basedOn: number;
  blocksIdle: BlocksIdle;
}

/** Applies an update that touches more than the network's own row: claims of prefixes, the copy in the directory. */
export function* updateNetwork(update: NetworkUpdate): Coordination<NetworkView> {
  const { network, addedPrefixes, removedPrefixes, basedOn, blocksIdle, h } = update;
  const home = siteScope(update.site);
  const registry = addressOf(home, 'registry', update.site);
  const own = yield* reserveAll([
    reservation(networkAt(update.scope, network.id), 'change', {
      network,
      addedPrefixes,
      removedPrefixes,
      basedOn,
      blocksIdle,
    }),
  ]);
  if (isRefusal(own)) return own;
  // What goes is marked first: a prefix may be replaced by a larger one that contains it.
  if (removedPrefixes.length > 0) {
    const freed = yield* reserveAll([
      reservation(registry, 'release', { claims: prefixClaims(network.id, removedPrefixes) }),
    ]);
    if (isRefusal(freed)) return freed;
  }
  const others: Question[] = [];
  if (addedPrefixes.length > 0) {
    others.push(reservation(registry, 'claim', { claims: prefixClaims(network.id, addedPrefixes), h }));
  }
  if (isGlobal(network)) others.push(publication(update.site, network.id, network));
  const agreed = yield* reserveAll(others);
  if (isRefusal(agreed)) return agreed;
  const cleared = removedPrefixes.length === 0 ? undefined : yield* clearLeaving(networkAt(update.scope, network.id));
  return cleared ?? { reply: own[0].reply };
}

/** The directory's copy of a global network, by which the partitions learn of it. null: it is gone. */
export const publication = (site: string, id: string, entity: NetworkRecord | null) =>
  reservation(addressOf(siteScope(site), 'directory', 'globalnetwork'), 'publish', {
    kind: 'globalnetwork',
    id,
    entity,
  });
