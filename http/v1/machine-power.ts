import type { BmcCommand } from '../../actors/machine/messages.ts';
import { internal } from '../../actors/refusal.ts';
import type { Edge } from '../env.ts';
import { ok } from '../route.ts';
import { write } from '../write.ts';
import { answerDone, askMachine } from './machine-answer.ts';

/** Route, command, operationId (machines.md §10.7). */
const POWER: [string, BmcCommand, string][] = [
  ['on', 'ON', 'machineOn'],
  ['off', 'OFF', 'machineOff'],
  ['reset', 'RESET', 'machineReset'],
  ['cycle', 'CYCLE', 'machineCycle'],
  ['bios', 'BIOS', 'machineBios'],
  ['disk', 'DISK', 'machineDisk'],
  ['pxe', 'PXE', 'machinePxe'],
  ['chassis-identify-led-on', 'LED-ON', 'chassisIdentifyLEDOn'],
  ['chassis-identify-led-off', 'LED-OFF', 'chassisIdentifyLEDOff'],
];

/**
 * Power and LED: 200 says that the command is on its way, nobody hears whether it worked (W25). Bodies are never read,
 * clients send `[]` or other JSON.
 */
export function addMachinePowerRoutes(edge: Edge): void {
  for (const [name, command, operation] of POWER) {
    write(
      edge,
      { method: 'post', path: `/v1/machine/:id/power/${name}`, role: 'edit', operation, contentType: 'any' },
      ({ site, as, param, query }) => {
        const { superUserPassword } = site.config;
        const body = { command, description: query('description') ?? '', superUserPassword };
        return askMachine(site, param('id'), 'power', body, as);
      },
      answerDone,
    );
  }

  write(
    edge,
    {
      method: 'post',
      path: '/v1/machine/update-firmware/:id',
      role: 'admin',
      operation: 'updateFirmware',
      contentType: 'any',
    },
    () => internal('this feature is currently disabled: no firmware store is configured'),
    (body) => ok(body),
  );
}
