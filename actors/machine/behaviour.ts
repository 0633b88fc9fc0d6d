import type { Behaviour } from '../runtime/behaviour.ts';
import { machineCommands } from './commands.ts';
import { machineReservations } from './reservations.ts';
import { createMachineState, evolveMachine, MACHINE_TABLES, type MachineState } from './state.ts';

/** One machine: record, allocation and events. It decides alone whether it can be allocated; the allocator only proposes. */
export const machineBehaviour: Behaviour<'machine', MachineState> = {
  kind: 'machine',
  tables: MACHINE_TABLES,
  create: createMachineState,
  evolve: evolveMachine,
  commands: machineCommands,
  reservations: machineReservations,
  hold(state, operation, changes) {
    state.held = { operation, tables: changes.map((change) => change.table) };
  },
  unhold(state, operation) {
    if (state.held?.operation === operation) state.held = null;
  },
  describe: ({ machine, allocation, provisioning, held }) => ({
    machine: machine?.value ?? null,
    allocation: allocation?.value ?? null,
    provisioning: provisioning?.value ?? null,
    held,
  }),
};
