import type { Scope } from '../address.ts';
import { isRefusal } from '../refusal.ts';
import { askAll, command, reservation, reserveAll, type Coordination } from '../runtime/behaviour.ts';
import type { Fabric } from './fabric.ts';
import type { AllocatorCommands } from './messages.ts';
import { machineAt, switchAt } from './places.ts';

/** The install report: what the machine keeps of it, and its ports into their VRF, in one commit (machines.md §10.6). */
export function* reportInstalled(
  asked: AllocatorCommands['reportInstalled']['ask'],
  scope: Scope,
  fabric: Fabric,
): Coordination<Record<string, never>> {
  const { machine, consolePassword, bootInfo, success } = asked;
  const found = yield* askAll([command(machineAt(scope, machine), 'get', {})]);
  if (isRefusal(found)) return found;
  const reported = yield* reserveAll([
    reservation(machineAt(scope, machine), 'installed', { consolePassword, bootInfo, success }),
  ]);
  if (isRefusal(reported)) return reported;
  const { vrf } = reported[0].reply;
  const ports = yield* reserveAll(
    fabric
      .around(machine, found[0].machine.hardware.nics)
      .map((id) => reservation(switchAt(scope, id), 'setVrf', { machine, vrf })),
  );
  return isRefusal(ports) ? ports : { reply: {} };
}
