import type { Scope } from '../address.ts';
import type { MachineView } from '../machine/messages.ts';
import { isRefusal } from '../refusal.ts';
import { askAll, command, reservation, reserveAll, type Coordination } from '../runtime/behaviour.ts';
import type { Fabric } from './fabric.ts';
import type { AllocatorCommands } from './messages.ts';
import { machineAt, switchAt } from './places.ts';
import { layoutFor } from './reservations.ts';

/** Orders the machine to be installed anew; its ports go back to PXE in the same commit (machines.md §10.5). */
export function* reinstallMachine(
  { machine, image, layouts }: AllocatorCommands['reinstallMachine']['ask'],
  scope: Scope,
  fabric: Fabric,
): Coordination<MachineView> {
  const found = yield* askAll([command(machineAt(scope, machine), 'get', {})]);
  if (isRefusal(found)) return found;
  const { size, hardware } = found[0].machine;
  const layout = layoutFor(layouts, size) ?? null;
  const ordered = yield* reserveAll([reservation(machineAt(scope, machine), 'reinstall', { image, layout })]);
  if (isRefusal(ordered)) return ordered;
  const ports = yield* reserveAll(
    fabric.around(machine, hardware.nics).map((id) => reservation(switchAt(scope, id), 'setVrf', { machine, vrf: '' })),
  );
  return isRefusal(ports) ? ports : { reply: ordered[0].reply };
}
