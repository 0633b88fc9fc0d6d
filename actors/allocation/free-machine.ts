// Takes a machine back: allocation, addresses, ASN and the VRF of its ports end in one commit (machines.md §10.1, W08).
import type { Scope } from '../address.ts';
import type { MachineView } from '../machine/messages.ts';
import type { AllocationRecord, AttachedIp } from '../machine/record.ts';
import { isRefusal } from '../refusal.ts';
import { reservation, reserveAll, type Coordination } from '../runtime/behaviour.ts';
import type { Fabric } from './fabric.ts';
import { allocatorAt, machineAt, releaseAttached, switchAt } from './places.ts';

/** What an allocation has of addresses, each with who gives it out. */
const allocatedIps = (scope: Scope, { networks }: AllocationRecord): AttachedIp[] =>
  networks.flatMap(({ network, holder, ips }) => ips.map((address) => ({ scope, network, holder, address })));

/** Also for a machine that is not allocated: it is reset into PXE all the same. The machine comes first, so that two frees of it meet there. */
export function* freeMachine(machine: string, scope: Scope, fabric: Fabric): Coordination<MachineView> {
  const freed = yield* reserveAll([reservation(machineAt(scope, machine), 'free', {})]);
  if (isRefusal(freed)) return freed;
  const { view, ended, attached } = freed[0].reply;
  const ports = fabric
    .around(machine, view.machine.hardware.nics)
    .map((id) => reservation(switchAt(scope, id), 'setVrf', { machine, vrf: '' }));
  const owned = ended === null ? [] : [...allocatedIps(scope, ended), ...attached];
  const released = yield* reserveAll([
    ...ports,
    ...releaseAttached(machine, owned),
    ...(ended === null
      ? []
      : [reservation(allocatorAt(scope), 'releaseAsn', { asn: ended.asn, allocation: ended.uuid })]),
  ]);
  if (isRefusal(released)) return released;
  return { reply: view };
}
