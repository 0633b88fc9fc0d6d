import assert from 'node:assert/strict';
import { test } from 'node:test';
import { partitionScope, type Scope } from '../../../actors/address.ts';
import { createVirtualWorld } from '../../../actors/runtime/virtual-world.ts';
import { createHosting, type HostingParts } from './hosting.ts';

/** A process that hosts `a`; its database fails as often as it is told to. */
function processOf() {
  const world = createVirtualWorld();
  const hosted = ['a'];
  const seen = { taken: [] as Scope[], adopted: 0, told: 0, renewed: [] as string[][] };
  const failing = { database: 0, certificates: 0 };
  const fails = (what: keyof typeof failing): void => {
    if (failing[what] === 0) return;
    failing[what]--;
    throw new Error(`no ${what}`);
  };
  const ground = {
    world,
    shards: 1,
    log: { info: () => {}, warn: () => {} },
    store: {
      takeOver: async (scopes: Scope[]) => {
        seen.taken.push(...scopes);
        fails('database');
        return scopes.map((scope) => ({ scope, shard: 0, epoch: 1 }));
      },
    },
    identity: {
      issueAgent: async () => fails('certificates'),
      renew: async (partitions: string[]) => void seen.renewed.push(partitions),
    },
    listener: { renew: () => {} },
  } as unknown as Parameters<typeof createHosting>[0];
  const parts: HostingParts = {
    partitions: ['a'],
    host: { adopt: async () => void seen.adopted++ },
    places: {
      hosted: () => [...hosted],
      host: (partition) => void (hosted.includes(partition) || hosted.push(partition)),
    },
    filling: { whole: async () => {} },
    blocks: { hostedChanged: async () => void seen.told++ },
  };
  const hosting = createHosting(ground, parts);
  /** All that is due, and what comes of it. */
  const pass = async (): Promise<void> => {
    for (let i = 0; i < 5; i++) {
      world.run();
      await new Promise(setImmediate);
    }
  };
  return { world, hosting, hosted, seen, failing, pass };
}

test('a takeover that fails is tried again by itself: the entry of the partition is written already', async () => {
  const { hosting, hosted, seen, failing, pass } = processOf();
  hosted.push('b');
  failing.database = 2;
  await assert.rejects(hosting.host('b'), /no database/);
  assert.equal(seen.adopted, 0);
  await pass();
  assert.deepEqual([seen.taken.length, seen.adopted, seen.told], [3, 1, 1]);
  await pass();
  assert.equal(seen.taken.length, 3, 'and no more once it is done');
});

test('whoever asks again after a failure gets it hosted, and nobody later takes it over a second time', async () => {
  const { hosting, seen, failing, pass } = processOf();
  failing.database = 1;
  await assert.rejects(hosting.host('b'), /no database/);
  await Promise.all([hosting.host('b'), hosting.host('b')]);
  assert.deepEqual([seen.taken.length, seen.adopted], [2, 1]);
  await hosting.host('b');
  await pass();
  assert.deepEqual([seen.taken.length, seen.adopted], [2, 1]);
});

test('what fails after the takeover is done again without another one', async () => {
  const { hosting, hosted, seen, failing, pass } = processOf();
  failing.certificates = 1;
  await assert.rejects(hosting.host('b'), /no certificates/);
  await pass();
  assert.deepEqual([seen.taken, seen.adopted, seen.told], [[partitionScope('b')], 1, 1]);
  assert.deepEqual(seen.renewed, [['a', 'b']]);
  assert.deepEqual(hosted, ['a', 'b']);
});

test('a partition that was deleted before it could be hosted is not, and a process that ends tries no more', async () => {
  const { hosting, hosted, seen, failing, pass } = processOf();
  failing.database = 2;
  await assert.rejects(hosting.host('b'), /no database/);
  await pass();
  assert.equal(seen.taken.length, 1, 'the log does not know it any more');
  hosted.push('c');
  await assert.rejects(hosting.host('c'), /no database/);
  hosting.stop();
  await pass();
  assert.equal(seen.taken.length, 2);
});
