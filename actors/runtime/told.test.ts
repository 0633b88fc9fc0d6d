import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { IpRecord } from '../network/record.ts';
import type { LogEntry } from '../ports.ts';
import type { Change } from '../records.ts';
import { toldOf } from './shard/told.ts';

const ip = (prev: number, value: Partial<IpRecord> | null): Change =>
  ({ table: 'ip', scope: 'partition:muc', owner: 'n', key: 'n|10.0.0.1', prev, version: 7, value }) as Change;
const network: Change = { ...ip(0, {}), table: 'network', key: 'n' } as Change;
const entryOf = (...changes: Change[]): LogEntry => ({
  scope: 'partition:muc',
  shard: 1,
  epoch: 3,
  n: 9,
  operation: 'one',
  what: 'network.allocateIp',
  who: 'somebody',
  atMs: 5,
  changes,
  messages: [{ topic: 'machine-muc', body: '{}' }],
});

test('an address that is taken anew is not told, but its entry is, and everything else in it', () => {
  const fresh = ip(0, { address: '10.0.0.1' });
  assert.deepEqual(toldOf(entryOf(fresh, network)), entryOf(network));
});

test('what ends, what was there before, and what has to do with a loan is told', () => {
  const loan = { as: 'lent', to: 'fra', site: 'b', h: 'h', state: 'sent' } as const;
  const entry = entryOf(ip(6, null), ip(6, { address: '10.0.0.1' }), ip(0, { address: '10.0.0.1', loan }));
  assert.equal(toldOf(entry), entry);
});
