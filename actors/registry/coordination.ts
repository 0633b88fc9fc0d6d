// Making and deleting top-level networks: the claims, the VRF, the network and its copy in the directory, in one
// transaction (networks.md §1.3, §1.7).
import { addressOf, partitionScope, siteScope } from '../address.ts';
import { clearLeaving, publication } from '../network/coordination.ts';
import type { NetworkView } from '../network/messages.ts';
import { isGlobal } from '../network/network-rules.ts';
import type { NetworkRecord } from '../network/record.ts';
import { viewWithoutUsage } from '../network/state.ts';
import { isRefusal, unprocessable } from '../refusal.ts';
import { cancelAll, reservation, reserveAll, type Coordination, type Question } from '../runtime/behaviour.ts';
import { claimsOfNetwork, rolesOfNetwork } from './claims.ts';
import type { Claim, RegistryCommands, Settled } from './messages.ts';

const registryOf = (site: string) => addressOf(siteScope(site), 'registry', site);
const allocatorOf = (partition: string) => addressOf(partitionScope(partition), 'allocator', partition);
const networkAt = (site: string, partition: string, id: string) =>
  addressOf(partition === '' ? siteScope(site) : partitionScope(partition), 'network', id);

/** A network of a partition has its VRF there; a global one's must be clear of private networks in every partition. */
const poolsOf = (partition: string, partitions: readonly string[]): readonly string[] =>
  partition === '' ? partitions : [partition];

/** Checks 12, 13, 15, 16 by the claims, then 18, then the network itself. */
export function* createNetwork(
  ask: { network: NetworkRecord; h: string; partitions: string[] },
  site: string,
): Coordination<NetworkView> {
  const { network, h } = ask;
  const claims = [...claimsOfNetwork(network), ...rolesOfNetwork(network)].filter(({ what }) => what !== 'vrf');
  const claimed = yield* reserveAll([reservation(registryOf(site), 'claim', { claims, h })]);
  if (isRefusal(claimed)) return claimed;
  const { id, partition, vrf: number, vrfShared: shared } = network;
  if (number !== 0) {
    const pools = poolsOf(partition, ask.partitions);
    const taken = yield* reserveAll(
      pools.map((pool) => reservation(allocatorOf(pool), 'takeVrf', { network: id, number, shared })),
    );
    if (isRefusal(taken)) return taken;
  }
  const made = yield* reserveAll([reservation(networkAt(site, partition, id), 'create', { network })]);
  if (isRefusal(made)) return made;
  if (isGlobal(network)) {
    const published = yield* reserveAll([publication(site, id, network)]);
    if (isRefusal(published)) return published;
  }
  return { reply: made[0].reply };
}

/** `claims`: everything this site claimed for the network. */
export function* deleteNetwork(
  ask: RegistryCommands['deleteNetwork']['ask'],
  site: string,
  claims: Claim[],
): Coordination<NetworkView> {
  const { id, partition, blocksIdle } = ask;
  const closed = yield* reserveAll([
    reservation(networkAt(site, partition, id), 'close', { as: 'delete', blocksIdle }),
  ]);
  if (isRefusal(closed)) return closed;
  const network = closed[0].reply;
  if (network.parent !== null) {
    yield* cancelAll([...closed]);
    return unprocessable(`network ${id} is a child of ${network.parent}: its partition frees it`);
  }
  const others: Question[] = [reservation(registryOf(site), 'release', { claims })];
  if (network.vrf !== 0) {
    for (const pool of poolsOf(partition, ask.partitions)) {
      others.push(reservation(allocatorOf(pool), 'releaseVrf', { network: id, vrf: network.vrf }));
    }
  }
  if (isGlobal(network)) others.push(publication(site, id, null));
  const freed = yield* reserveAll(others);
  if (isRefusal(freed)) return freed;
  const cleared = yield* clearLeaving(networkAt(site, partition, id));
  return cleared ?? { reply: viewWithoutUsage(network) };
}

/** Promises to another site, with the VRF numbers of its global networks kept clear in this site's partitions. */
export function* promise(
  ask: { h: string; site: string; claims: Claim[]; partitions: string[] },
  site: string,
): Coordination<Record<string, never>> {
  const promised = yield* reserveAll([
    reservation(registryOf(site), 'claim', { claims: ask.claims, h: ask.h, promisedTo: ask.site }),
  ]);
  if (isRefusal(promised)) return promised;
  const kept = yield* reserveAll(
    vrfsOf(ask.claims).flatMap(({ network, number, shared }) =>
      ask.partitions.map((pool) => reservation(allocatorOf(pool), 'takeVrf', { network, number, shared })),
    ),
  );
  return isRefusal(kept) ? kept : { reply: {} };
}

/** Ends promises, or what became of them, and gives their VRF numbers back. */
export function* dropPromise(
  { partitions, ...settled }: Settled & { partitions: string[] },
  site: string,
  claims: readonly Claim[],
): Coordination<Record<string, never>> {
  const dropped = yield* reserveAll([
    reservation(registryOf(site), 'dropPromise', settled),
    ...vrfsOf(claims).flatMap(({ network, number: vrf }) =>
      partitions.map((pool) => reservation(allocatorOf(pool), 'releaseVrf', { network, vrf })),
    ),
  ]);
  return isRefusal(dropped) ? dropped : { reply: {} };
}

const vrfsOf = (claims: readonly Claim[]): Array<{ network: string; number: number; shared: boolean }> =>
  claims
    .filter(({ what }) => what === 'vrf')
    .map(({ value, holder, shared = false }) => ({ network: holder, number: Number(value), shared }));
