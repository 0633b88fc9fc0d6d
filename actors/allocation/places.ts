// Who takes part in an operation of a partition, by id.
import { addressOf, scopeId, type Scope } from '../address.ts';
import type { IpRecord } from '../network/record.ts';
import type { IpsForMachine, NetworkView } from '../network/messages.ts';
import type { NetworkRecord } from '../network/record.ts';
import { command, reservation, type Question } from '../runtime/behaviour.ts';

export const allocatorAt = (scope: Scope) => addressOf(scope, 'allocator', scopeId(scope));
export const machineAt = (scope: Scope, id: string) => addressOf(scope, 'machine', id);
export const switchAt = (scope: Scope, id: string) => addressOf(scope, 'switch', id);

/** Who gives out the addresses of a network in this partition: `block` for a global one. */
export type Holder = 'network' | 'block';

interface Held {
  network: string;
  holder: Holder;
}

export const askNetwork = (scope: Scope, { network, holder }: Held): Question<NetworkView> =>
  holder === 'block'
    ? command(addressOf(scope, 'block', network), 'get', {})
    : command(addressOf(scope, 'network', network), 'get', {});

export const askIp = (scope: Scope, { network, holder }: Held, address: string): Question<IpRecord> =>
  holder === 'block'
    ? command(addressOf(scope, 'block', network), 'getIp', { address })
    : command(addressOf(scope, 'network', network), 'getIp', { address });

export const acquireIps = (
  scope: Scope,
  { network, holder }: Held,
  ips: IpsForMachine,
): Question<{ network: NetworkRecord; ips: string[] }> =>
  holder === 'block'
    ? reservation(addressOf(scope, 'block', network), 'acquireIps', ips)
    : reservation(addressOf(scope, 'network', network), 'acquireIps', ips);

export const releaseIps = (
  scope: Scope,
  { network, holder }: Held,
  ips: { machine: string; ips: string[] },
): Question<{ released: string[]; kept: string[] }> =>
  holder === 'block'
    ? reservation(addressOf(scope, 'block', network), 'releaseIps', ips)
    : reservation(addressOf(scope, 'network', network), 'releaseIps', ips);
