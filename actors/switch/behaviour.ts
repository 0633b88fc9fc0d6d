import type { Behaviour } from '../runtime/behaviour.ts';
import { switchCommands } from './commands.ts';
import { switchReservations } from './reservations.ts';
import { createSwitchState, evolveSwitch, nicOfKey, type SwitchState } from './state.ts';

/** One switch: what metal-core reads every ten seconds, and which machine hangs at which port in which VRF. */
export const switchBehaviour: Behaviour<'switch', SwitchState> = {
  kind: 'switch',
  tables: ['switch', 'switch_status', 'switch_port'],
  create: createSwitchState,
  evolve: evolveSwitch,
  commands: switchCommands,
  reservations: switchReservations,
  hold(state, operation, changes) {
    state.held.set(
      operation,
      changes.map((change) => nicOfKey(change.key)),
    );
  },
  unhold(state, operation) {
    state.held.delete(operation);
  },
  describe: ({ record, status, ports, held }) => ({
    switch: record,
    status,
    ports: [...ports.values()],
    held: Object.fromEntries(held),
  }),
};
