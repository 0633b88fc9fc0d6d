// What the BMC agents of a partition hear (machines.md §11.2). metal-bmc needs `cmd` and `cmd.ipmi` on every message.
import type { BusMessage } from '../ports.ts';
import type { Ipmi } from './hardware.ts';
import type { BmcCommand } from './messages.ts';
import { rfc3339 } from './rfc3339.ts';

/** A firmware image that the BMC fetches itself. */
export interface FirmwareUpdate {
  kind: 'bios' | 'bmc';
  url: string;
}

interface Target {
  id: string;
  partition: string;
  ipmi: Ipmi;
}

/** The user of metal-api's BMC superuser, for machines whose own user is not known. */
const SUPER_USER = 'root';

const ipmiBody = (ipmi: Ipmi) => ({
  address: ipmi.address,
  mac: ipmi.mac,
  user: ipmi.user,
  password: ipmi.password,
  interface: ipmi.interface,
  fru: {
    chassis_part_number: ipmi.fru.chassisPartNumber,
    chassis_part_serial: ipmi.fru.chassisPartSerial,
    board_mfg: ipmi.fru.boardMfg,
    board_mfg_serial: ipmi.fru.boardMfgSerial,
    board_part_number: ipmi.fru.boardPartNumber,
    product_manufacturer: ipmi.fru.productManufacturer,
    product_part_number: ipmi.fru.productPartNumber,
    product_serial: ipmi.fru.productSerial,
  },
  bmcversion: ipmi.bmcVersion,
  powerstate: ipmi.powerState,
  powermetric: ipmi.powerMetric && {
    averageconsumedwatts: ipmi.powerMetric.averageConsumedWatts,
    intervalinmin: ipmi.powerMetric.intervalInMin,
    maxconsumedwatts: ipmi.powerMetric.maxConsumedWatts,
    minconsumedwatts: ipmi.powerMetric.minConsumedWatts,
  },
  powersupplies:
    ipmi.powerSupplies.length > 0
      ? ipmi.powerSupplies.map(({ health, state }) => ({ status: { health, state } }))
      : null,
  last_updated: rfc3339(ipmi.lastUpdated),
});

export const machineTopic = (partition: string): string => `${partition}-machine`;

/** The machine's BMC user, or the superuser where it has none and a password is configured. Never stored. */
export const withSuperUser = (ipmi: Ipmi, superUserPassword: string): Ipmi =>
  ipmi.user === '' && superUserPassword !== '' ? { ...ipmi, user: SUPER_USER, password: superUserPassword } : ipmi;

/** Does something to the machine; fire and forget. */
export const commandMessage = (target: Target, command: BmcCommand, firmware?: FirmwareUpdate): BusMessage => ({
  topic: machineTopic(target.partition),
  body: {
    type: 'command',
    cmd: {
      target: target.id,
      cmd: command,
      ipmi: ipmiBody(target.ipmi),
      ...(firmware && { firmwareupdate: firmware }),
    },
  },
});

/** The machine has no owner (any more): the agent makes it boot PXE and resets it. */
export const deleteMessage = (target: Target): BusMessage => ({
  topic: machineTopic(target.partition),
  body: { type: 'delete', old: target.id, cmd: { target: target.id, ipmi: ipmiBody(target.ipmi) } },
});
