import type { Scope } from '../address.ts';
import type { MachineView } from '../machine/messages.ts';
import { isRefusal } from '../refusal.ts';
import { reservation, reserveAll, type Coordination } from '../runtime/behaviour.ts';
import type { Fabric } from './fabric.ts';
import { machineAt, releaseAttached, switchAt } from './places.ts';

/** Forgets a free, dead machine, at which ports it was (machines.md §10.2), and lets its addresses go. */
export function* deleteMachine(machine: string, scope: Scope, fabric: Fabric): Coordination<MachineView> {
  const removed = yield* reserveAll([reservation(machineAt(scope, machine), 'remove', {})]);
  if (isRefusal(removed)) return removed;
  const { reply } = removed[0];
  const left = yield* reserveAll([
    ...fabric
      .around(machine, reply.machine.hardware.nics)
      .map((id) => reservation(switchAt(scope, id), 'disconnect', { machine })),
    ...releaseAttached(machine, reply.machine.attached ?? []),
  ]);
  return isRefusal(left) ? left : { reply };
}
