// An address that is attached to a machine by request: the machine notes it, so that its freeing takes the address along
// in the same commit (machines.md §11.3, step 4). What an allocation brings stands in the allocation itself.
import { addressOf, partitionScope, type Scope } from '../address.ts';
import type { AttachedIp } from '../machine/record.ts';
import { isRefusal } from '../refusal.ts';
import { reservation, reserveAll, type Coordination, type Question } from '../runtime/behaviour.ts';
import type { IpChange, IpPatch, IpRequest } from './messages.ts';
import type { IpRecord } from './record.ts';

/** Who gives the addresses out: `block` for a global network. */
export interface IpHolder {
  scope: Scope;
  network: string;
  holder: AttachedIp['holder'];
}

const acquireIp = ({ scope, network, holder }: IpHolder, request: IpRequest): Question<IpRecord> =>
  holder === 'block'
    ? reservation(addressOf(scope, 'block', network), 'acquireIp', request)
    : reservation(addressOf(scope, 'network', network), 'acquireIp', request);

const changeIp = ({ scope, network, holder }: IpHolder, change: IpChange): Question<IpRecord> =>
  holder === 'block'
    ? reservation(addressOf(scope, 'block', network), 'changeIp', change)
    : reservation(addressOf(scope, 'network', network), 'changeIp', change);

/** A new address, and the machine's note of it. A machine that is not there notes nothing, and nothing is refused. */
export function* acquireAttached(
  at: IpHolder,
  request: IpRequest,
  machine: { id: string; partition: string },
): Coordination<IpRecord> {
  const acquired = yield* reserveAll([acquireIp(at, request)]);
  if (isRefusal(acquired)) return acquired;
  const ip = acquired[0].reply;
  const { scope, network, holder } = at;
  const noted = yield* reserveAll([
    reservation(addressOf(partitionScope(machine.partition), 'machine', machine.id), 'attach', {
      scope,
      network,
      holder,
      address: ip.address,
    }),
  ]);
  return isRefusal(noted) ? noted : { reply: ip };
}

/** The machines first, as when one is freed: so that both never wait for each other. */
export function* detachByRequest(at: IpHolder, patch: IpPatch, machines: readonly string[]): Coordination<IpRecord> {
  const { scope, network } = at;
  const agreed = yield* reserveAll(
    machines.map((machine) =>
      reservation(addressOf(scope, 'machine', machine), 'detach', { network, address: patch.address }),
    ),
  );
  if (isRefusal(agreed)) return agreed;
  const changed = yield* reserveAll([changeIp(at, { patch, detach: [...machines] })]);
  return isRefusal(changed) ? changed : { reply: changed[0].reply };
}
