import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { commandMessage, deleteMessage } from './bus-messages.ts';
import { emptyIpmi } from './hardware.ts';
import { rfc3339 } from './rfc3339.ts';

const target = {
  id: 'm',
  partition: 'muc',
  ipmi: { ...emptyIpmi(), address: '192.0.2.1:623', user: 'u', password: 'p', lastUpdated: 1_767_225_600_120 },
};
const ipmi = {
  address: '192.0.2.1:623',
  mac: '',
  user: 'u',
  password: 'p',
  interface: '',
  fru: {
    chassis_part_number: '',
    chassis_part_serial: '',
    board_mfg: '',
    board_mfg_serial: '',
    board_part_number: '',
    product_manufacturer: '',
    product_part_number: '',
    product_serial: '',
  },
  bmcversion: '',
  powerstate: '',
  powermetric: null,
  powersupplies: null,
  last_updated: '2026-01-01T00:00:00.12Z',
};

describe('machines.md §11.2: bus messages', () => {
  it('command', () => {
    assert.deepEqual(commandMessage(target, 'ON'), {
      topic: 'muc-machine',
      body: { type: 'command', cmd: { target: 'm', cmd: 'ON', ipmi } },
    });
  });
  it('firmware update', () => {
    const firmware = { kind: 'bios', url: 'https://s3/x' } as const;
    assert.deepEqual(commandMessage(target, 'UPDATE-FIRMWARE', firmware).body, {
      type: 'command',
      cmd: { target: 'm', cmd: 'UPDATE-FIRMWARE', ipmi, firmwareupdate: firmware },
    });
  });
  it('delete carries cmd and cmd.ipmi too', () => {
    assert.deepEqual(deleteMessage(target).body, { type: 'delete', old: 'm', cmd: { target: 'm', ipmi } });
  });
});

describe('machines.md §1.5: times', () => {
  it('agrees with the platform over the calendar, fraction trimmed', () => {
    for (let day = -200_000; day < 400_000; day += 997) {
      const ms = day * 86_400_000 + 45_296_789;
      const expected = new Date(ms).toISOString();
      if (/^\d{4}-/.test(expected)) assert.equal(rfc3339(ms), expected);
    }
    assert.equal(rfc3339(0), '1970-01-01T00:00:00Z');
    assert.equal(rfc3339(Date.UTC(2024, 1, 29, 23, 59, 59, 500)), '2024-02-29T23:59:59.5Z');
    assert.equal(rfc3339(null), '0001-01-01T00:00:00Z');
  });
});
