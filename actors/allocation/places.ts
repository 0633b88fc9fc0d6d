// Who takes part in an operation of a partition, by id.
import { addressOf, scopeId, type Scope } from '../address.ts';
import type { AttachedIp } from '../machine/record.ts';
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

const releaseIps = (
  scope: Scope,
  { network, holder }: Held,
  ips: { machine: string; ips: string[] },
): Question<{ released: string[]; kept: string[] }> =>
  holder === 'block'
    ? reservation(addressOf(scope, 'block', network), 'releaseIps', ips)
    : reservation(addressOf(scope, 'network', network), 'releaseIps', ips);

/** Each network is asked once, whatever of it came with the allocation or was attached afterwards. */
export function releaseAttached(
  machine: string,
  ips: readonly AttachedIp[],
): Array<Question<{ released: string[]; kept: string[] }>> {
  const byHolder = new Map<string, { at: AttachedIp; addresses: string[] }>();
  for (const at of ips) {
    const name = `${at.holder} ${at.scope} ${at.network}`;
    const known = byHolder.get(name);
    if (known === undefined) byHolder.set(name, { at, addresses: [at.address] });
    else known.addresses.push(at.address);
  }
  return [...byHolder.values()].map(({ at, addresses }) => releaseIps(at.scope, at, { machine, ips: addresses }));
}
