import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressOf } from '../../actors/address.ts';
import type { QuarantinedMessage } from '../../actors/runtime/quarantine.ts';
import { showQuarantine } from './quarantine.ts';

const message: QuarantinedMessage = {
  id: 'op1',
  also: [],
  shard: 0,
  to: addressOf('partition:p', 'network', 'n1'),
  name: 'reserveIp',
  body: {},
  who: 'anna@example.org',
  isDry: false,
  isReservation: true,
  error: 'boom',
  crashes: 6,
  atMs: 0,
  count: 70,
  lastMs: 9_000,
  partOf: { to: addressOf('partition:p', 'allocator', 'p'), name: 'allocateMachine', body: {} },
};

test('the quarantine shows how often an equal one came, what it is a part of, and how many were pushed out', () => {
  const text = showQuarantine({ quarantine: [message], lost: 3 });
  assert.match(text, /CAME +CRASHES/);
  assert.match(text, /reserveIp, of allocateMachine at allocator\/p +anna@example.org +70 +6 +.*boom/);
  assert.match(text, /refused until one is retried or dropped, or this process starts anew/);
  assert.match(text, /3 more were pushed out by newer ones/);
  const none = showQuarantine({ quarantine: [], lost: 0 });
  assert.match(none, /nothing is in quarantine/);
  assert.ok(!none.includes('pushed out') && !none.includes('refused until'));
});
