import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { isRefusal } from '../refusal.ts';
import {
  createPartition,
  parseDnsServers,
  parseNtpServers,
  refusePartitionDelete,
  updatePartition,
  type Partition,
  type PartitionCreate,
} from './partition.ts';

const kindOf = (result: unknown): string => (isRefusal(result) ? result.kind : 'ok');
const asked: PartitionCreate = {
  id: 'muc',
  name: '',
  description: '',
  bootConfig: { imageUrl: 'http://i', kernelUrl: 'http://k', commandLine: 'quiet' },
  mgmtServiceAddress: '',
  labels: {},
  dnsServers: [],
  ntpServers: [],
};
const stored: Partition = { ...asked, created: 1, changed: 1 };

describe('partition', () => {
  it('machines.md §14.1: create', () => {
    assert.deepEqual(createPartition(asked, false, 1), stored);
    assert.equal(kindOf(createPartition({ ...asked, id: '' }, false, 1)), 'Invalid');
    assert.equal(kindOf(createPartition({ ...asked, id: 'a b' }, false, 1)), 'Invalid');
    assert.equal(
      kindOf(createPartition({ ...asked, bootConfig: { ...asked.bootConfig, kernelUrl: '' } }, false, 1)),
      'Invalid',
    );
    assert.equal(
      kindOf(createPartition({ ...asked, bootConfig: { ...asked.bootConfig, imageUrl: '' } }, false, 1)),
      'Invalid',
    );
    assert.equal(kindOf(createPartition(asked, true, 1)), 'Conflict');
  });

  it('machines.md §14.1, W40: a partial update, also without a boot configuration', () => {
    assert.deepEqual(updatePartition(stored, { description: 'd' }, 5), { ...stored, description: 'd', changed: 5 });
    const updated = updatePartition(
      stored,
      { bootConfig: { commandLine: '' }, dnsServers: [{ ip: '2001:DB8::1' }] },
      5,
    );
    assert.deepEqual(updated, {
      ...stored,
      bootConfig: { ...stored.bootConfig, commandLine: '' },
      dnsServers: [{ ip: '2001:db8::1' }],
      changed: 5,
    });
    assert.equal(kindOf(updatePartition(stored, { bootConfig: { imageUrl: '' } }, 5)), 'Invalid');
  });

  it('machines.md §8.1: at most 3 DNS servers, each an address', () => {
    assert.equal(kindOf(parseDnsServers([{ ip: '1.1.1.1' }, { ip: '::1' }, { ip: '8.8.8.8' }])), 'ok');
    assert.equal(kindOf(parseDnsServers(Array.from({ length: 4 }, () => ({ ip: '1.1.1.1' })))), 'Invalid');
    for (const ip of ['', 'dns.example.com', '1.1.1', '1.1.1.256'])
      assert.equal(kindOf(parseDnsServers([{ ip }])), 'Invalid', ip);
  });

  it('machines.md §8.1: at most 5 NTP servers, each an address or DNS name', () => {
    for (const address of [
      '1.1.1.1',
      'fe80::1',
      'pool.ntp.org',
      'time',
      '0.de.pool.ntp.org.',
      'xn--bcher-kva.example',
    ]) {
      assert.equal(kindOf(parseNtpServers([{ address }])), 'ok', address);
    }
    for (const address of ['', '1.1.1.256', 'a..b', '-a.b', 'a b', `${'a'.repeat(64)}.org`, 'time/1']) {
      assert.equal(kindOf(parseNtpServers([{ address }])), 'Invalid', address);
    }
    assert.equal(kindOf(parseNtpServers(Array.from({ length: 6 }, () => ({ address: 'a' })))), 'Invalid');
  });

  it('W41: a partition in use is not deleted', () => {
    const unused = { machines: 0, switches: 0, networks: 0, ips: 0, reservations: 0 };
    assert.equal(refusePartitionDelete('muc', unused), undefined);
    for (const use of Object.keys(unused)) {
      assert.equal(kindOf(refusePartitionDelete('muc', { ...unused, [use]: 1 })), 'Unprocessable', use);
    }
  });
});
