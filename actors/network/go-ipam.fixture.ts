// The calls of go-ipam's API as metal-api's operations of networks and addresses are here, for its cases (networks.md §3.7).
import { addressOf, partitionScope, siteScope } from '../address.ts';
import type { Refusal } from '../refusal.ts';
import type { IpRequest, NetworkView } from './messages.ts';
import { granted, newNetwork, type Plant } from './plant.fixture.ts';
import type { IpRecord } from './record.ts';

export const registry = addressOf(siteScope('s'), 'registry', 's');
export const at = (id: string, partition = 'p') => addressOf(partitionScope(partition), 'network', id);
export const allocator = (partition = 'p') => addressOf(partitionScope(partition), 'allocator', partition);

export const newPrefix = (plant: Plant, id: string, prefix: string): NetworkView | Refusal =>
  plant.ask(registry, 'createNetwork', { network: newNetwork(id, { prefixes: [prefix] }), h: id, partitions: ['p'] });
export const deletePrefix = (plant: Plant, id: string) =>
  plant.ask(registry, 'deleteNetwork', { id, partition: 'p', partitions: ['p'] });

/** A parent prefix. */
export function superOf(plant: Plant, prefix: string, length: number, partition = 'p'): void {
  const family = prefix.includes(':') ? 'IPv6' : 'IPv4';
  const network = newNetwork(`super-${partition}`, {
    partition,
    prefixes: [prefix],
    privateSuper: true,
    defaultChildPrefixLength: { [family]: length },
  });
  granted(plant.ask(registry, 'createNetwork', { network, h: `super-${partition}`, partitions: ['p', 'q'] }));
}

export const childAsk = (id: string, length?: number, v6 = false) => ({
  id,
  name: '',
  description: '',
  labels: {},
  project: 'q',
  shared: false,
  nat: false,
  destinationPrefixes: [],
  length: length === undefined ? {} : { [v6 ? 'IPv6' : 'IPv4']: length },
});
export const acquireChild = (plant: Plant, id: string, length?: number, v6 = false, partition = 'p') =>
  plant.ask(allocator(partition), 'allocateNetwork', childAsk(id, length, v6));
export const startChild = (plant: Plant, id: string, length: number) =>
  plant.start(allocator(), 'allocateNetwork', childAsk(id, length));
export const releaseChild = (plant: Plant, id: string, partition = 'p') =>
  plant.ask(allocator(partition), 'freeNetwork', { network: id, as: 'free' });
export const childOf = (answer: NetworkView | Refusal): string | undefined => granted(answer).network.prefixes[0];

export const request: IpRequest = { project: 'q', name: '', description: '', type: 'ephemeral', tags: [] };
export const acquireIp = (plant: Plant, id: string, address?: string, partition = 'p'): IpRecord | Refusal =>
  plant.ask(at(id, partition), 'allocateIp', { ...request, ...(address === undefined ? {} : { address }) });
export const releaseIp = (plant: Plant, id: string, address: string) => plant.ask(at(id), 'freeIp', { address });
export const usageOf = (plant: Plant, id: string) => {
  const { usage } = granted(plant.ask(at(id), 'get', {}));
  return usage.IPv4 ?? usage.IPv6!;
};
