// Takes a machine back: allocation, addresses, ASN and the VRF of its ports end in one commit (machines.md §10.1, W08).
import type { Scope } from '../address.ts';
import type { MachineView } from '../machine/messages.ts';
import type { AllocationRecord } from '../machine/record.ts';
import { isRefusal } from '../refusal.ts';
import { reservation, reserveAll, type Coordination, type Question } from '../runtime/behaviour.ts';
import type { Fabric } from './fabric.ts';
import { allocatorAt, machineAt, releaseIps, switchAt } from './places.ts';

/** Everything that an allocation owns besides its own row. */
const ownedBy = (scope: Scope, { uuid, machine, asn, networks }: AllocationRecord): Question[] => [
  ...networks
    .filter((network) => network.ips.length > 0)
    .map((network) => releaseIps(scope, network, { machine, ips: network.ips })),
  reservation(allocatorAt(scope), 'releaseAsn', { asn, allocation: uuid }),
];

/** Also for a machine that is not allocated: it is reset into PXE all the same. The machine comes first, so that two frees of it meet there. */
export function* freeMachine(machine: string, scope: Scope, fabric: Fabric): Coordination<MachineView> {
  const freed = yield* reserveAll([reservation(machineAt(scope, machine), 'free', {})]);
  if (isRefusal(freed)) return freed;
  const { view, ended } = freed[0].reply;
  const ports = fabric
    .around(machine, view.machine.hardware.nics)
    .map((id) => reservation(switchAt(scope, id), 'setVrf', { machine, vrf: '' }));
  const released = yield* reserveAll([...ports, ...(ended ? ownedBy(scope, ended) : [])]);
  if (isRefusal(released)) return released;
  return { reply: view };
}
