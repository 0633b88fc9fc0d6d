import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KeyedOutcome } from '../../../actors/ports.ts';
import { unavailable } from '../../../actors/refusal.ts';
import type { KeyedView } from '../../../http/questions.ts';
import { keysTwice } from './keys.ts';

const outcome = (key: string, address: string): KeyedOutcome => ({
  identity: 'metal-stack/admin',
  key,
  request: 'POST /v1/ip/allocate abc',
  operation: `o-${key}`,
  reply: { address },
  atMs: 1,
});
const known = (key: string, thing: string): KeyedView => ({
  identity: 'metal-stack/admin',
  key,
  request: 'POST /v1/ip/allocate',
  thing,
  atMs: 2,
});

test('design.md §12: keys with an outcome at several sites, and the sites that could not be asked', async () => {
  const asked: unknown[] = [];
  const federation = {
    others: () => ['b', 'c', 'd'],
    async askOthers(kind: string, body: unknown) {
      asked.push([kind, body]);
      return new Map<string, unknown>([
        ['b', { known: [known('two', '10.0.0.9')] }],
        // What it was not asked for is nobody's business.
        ['c', { known: [known('two', '10.0.0.7'), known('three', '10.0.0.8')] }],
        ['d', unavailable("site d can't be reached")],
      ]);
    },
  };
  const newest = async () => [outcome('one', '10.0.0.1'), outcome('two', '10.0.0.2')];
  const view = await keysTwice({ id: 'a', federation: federation as never }, newest);
  const request = 'POST /v1/ip/allocate';
  assert.deepEqual(view, {
    compared: 2,
    missing: ['d'],
    twice: [
      {
        identity: 'metal-stack/admin',
        key: 'two',
        outcomes: [
          { site: 'a', request, thing: '10.0.0.2', atMs: 1 },
          { site: 'b', request, thing: '10.0.0.9', atMs: 2 },
          { site: 'c', request, thing: '10.0.0.7', atMs: 2 },
        ],
      },
    ],
  });
  const keys = ['one', 'two'].map((key) => ({ identity: 'metal-stack/admin', key }));
  assert.deepEqual(asked, [['keys-known', { keys }]]);
});
