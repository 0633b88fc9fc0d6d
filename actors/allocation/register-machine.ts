// What metal-hammer reports becomes the machine, its rack and its ports, in one commit (machines.md §6.2, §6.3, W24).
import type { Scope } from '../address.ts';
import type { Nic } from '../machine/hardware.ts';
import type { MachineView, Registration } from '../machine/messages.ts';
import { conflict, invalid, isRefusal, unprocessable, type Refusal } from '../refusal.ts';
import { askAll, command, reservation, reserveAll, type Coordination } from '../runtime/behaviour.ts';
import type { SwitchReservations } from '../switch/messages.ts';
import { isSwitchVendor, translatePortName } from '../switch/port-names.ts';
import { linkedNics } from '../switch/reservations.ts';
import type { Fabric } from './fabric.ts';
import { machineAt, switchAt } from './places.ts';

/** One side of the machine's uplinks. */
export type Leaf = { switch: string } & SwitchReservations['connect']['reply'];

const listed = (leaves: readonly { switch: string }[]): string =>
  leaves.length === 0 ? 'none' : leaves.map((leaf) => leaf.switch).join(', ');

const hostnames = (nics: readonly Nic[]): string =>
  [...new Set(nics.flatMap((nic) => nic.neighbors.map((neighbor) => neighbor.hostname)))].sort().join(', ') || 'none';

/**
 * Two leaves of one rack with as many links each, and every port of the first has its mirror among the machine's own
 * ports of the second (W37). Undefined: it is so.
 */
export const checkLeaves = (machine: string, leaves: readonly Leaf[], nics: readonly Nic[]): Refusal | undefined => {
  const [first, second] = leaves;
  if (!first || !second || leaves.length > 2) {
    return unprocessable(
      `machine "${machine}" must be connected to exactly two registered switches, it is to: ${listed(leaves)}; its neighbors name: ${hostnames(nics)}`,
    );
  }
  if (first.ports.length !== second.ports.length) {
    return unprocessable(
      `machine "${machine}" must have the same number of links to both switches, it has ${first.ports.length} to ${first.switch} and ${second.ports.length} to ${second.switch}`,
    );
  }
  if (first.rack !== second.rack) {
    return unprocessable(
      `machine "${machine}" is connected to switches of two racks: ${first.switch} in "${first.rack}", ${second.switch} in "${second.rack}"`,
    );
  }
  if (!isSwitchVendor(first.vendor) || !isSwitchVendor(second.vendor)) {
    const unknown = isSwitchVendor(first.vendor) ? second : first;
    return unprocessable(`switch ${unknown.switch} has an unknown os vendor "${unknown.vendor}", register it again`);
  }
  for (const port of first.ports) {
    const mirror = translatePortName(port, first.vendor, second.vendor, first.portNames);
    if (isRefusal(mirror)) return mirror;
    if (!second.ports.includes(mirror)) {
      return unprocessable(
        `machine "${machine}" is connected to port ${port} of ${first.switch}, so it must be to ${mirror} of ${second.switch}, it is to: ${second.ports.join(', ')}`,
      );
    }
  }
  return undefined;
};

/**
 * Refused as a whole when the cabling is wrong: a machine whose ports nobody knows can't be wired to a tenant. What it
 * reported by events stays visible under its id.
 */
export function* registerMachine(
  { machine, ...registration }: Registration & { machine: string },
  scope: Scope,
  fabric: Fabric,
): Coordination<{ view: MachineView; created: boolean }> {
  if (machine === '') return invalid('uuid is empty');
  if (registration.partition === '') return invalid(`partition id of machine "${machine}" is empty`);
  const { nics } = registration.hardware;
  const near = fabric.near(machine, nics);
  const views = yield* askAll(near.map((id) => command(switchAt(scope, id), 'get', {})));
  if (isRefusal(views)) return views;
  const seen = views.filter((view) => linkedNics(view.switch, nics).length > 0);
  const stale = views.filter((view) => !seen.includes(view) && view.ports.some((port) => port.machine === machine));
  const problem = checkLeaves(
    machine,
    seen.map(({ switch: record }) => ({
      switch: record.id,
      rack: record.rack,
      ports: linkedNics(record, nics).map((nic) => nic.name),
      vendor: record.os?.vendor ?? '',
      portNames: record.nics.map((nic) => nic.name),
    })),
    nics,
  );
  if (problem) return problem;
  const rack = seen[0]!.switch.rack;
  const registered = yield* reserveAll([reservation(machineAt(scope, machine), 'register', { ...registration, rack })]);
  if (isRefusal(registered)) return registered;
  const ids = [...seen, ...stale].map((view) => view.switch.id);
  const connected = yield* reserveAll(ids.map((id) => reservation(switchAt(scope, id), 'connect', { machine, nics })));
  if (isRefusal(connected)) return connected;
  // The switches may have changed since they were looked at; what they granted counts.
  const leaves = connected
    .map(({ reply }, i) => ({ ...reply, switch: ids[i]! }))
    .filter(({ ports }) => ports.length > 0);
  const late = checkLeaves(machine, leaves, nics);
  if (late) return late;
  if (leaves[0]!.rack !== rack) {
    return conflict(
      `switches of machine "${machine}" were moved from rack "${rack}" to "${leaves[0]!.rack}" meanwhile`,
    );
  }
  return { reply: registered[0].reply };
}
