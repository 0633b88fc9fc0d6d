import assert from 'node:assert/strict';
import { test } from '../../storage/testing/register.ts';
import type { BlocksAnswer, UsageAnswer } from '../../http/v2/network-shapes.ts';
import { until } from './child.ts';
import { cutWire, healWires } from './global-load.ts';
import { isUp } from './plant.ts';
import { addGlobalNetwork } from './seed.ts';
import { withTwoPlants } from './two-plants.ts';

const NETWORK = 'internet';

test('design.md §2: cut off from its home, a global network is read from the copy, and the answer says how old it is', async () => {
  await withTwoPlants({ proxies: true }, async ({ plant, muc, fra, seeded }) => {
    await addGlobalNetwork(muc, NETWORK, '203.0.113.0/24');
    await fra.call('POST', '/v1/ip/allocate', { networkid: NETWORK, projectid: seeded.project });
    const near = await fra.ask('GET', `/v1/network/${NETWORK}`);
    assert.deepEqual([near.status, near.headers['warning']], [200, undefined]);

    cutWire(muc, fra);
    cutWire(fra, muc);
    await until('fra knows that muc is cut off', async () => !(await isUp(fra)), 6_000);
    const cut = await fra.ask('GET', `/v1/network/${NETWORK}`);
    assert.equal(cut.status, 200, cut.text);
    assert.match(String(cut.headers['warning']), /^199 hanse "site 'muc' can't be reached: this part is \d+ s old"$/);
    assert.match(String(cut.headers['x-stale-partitions']), /^site:muc;age=\d+$/);
    type Network = { id: string; prefixes: string[]; consumption: { ipv4: { used_ips: number } } };
    const network = JSON.parse(cut.text) as Network;
    assert.deepEqual([network.id, network.prefixes], [NETWORK, ['203.0.113.0/24']]);
    // The network's own two, and the one that fra gave out.
    assert.equal(network.consumption.ipv4.used_ips, 3);

    for (const [method, path, body, stale] of [
      // What the partition there owns is missing all the same.
      ['GET', '/v1/network', undefined, /^muc, site:muc;age=\d+$/],
      ['POST', '/v1/network/find', { nat: true }, /^muc, site:muc;age=\d+$/],
      ['POST', '/v1/network/find', { id: NETWORK }, /^site:muc;age=\d+$/],
    ] as const) {
      const list = await fra.ask(method, path, body);
      assert.ok(
        (JSON.parse(list.text) as Network[]).some(({ id }) => id === NETWORK),
        path,
      );
      assert.match(String(list.headers['x-stale-partitions']), stale, path);
    }
    assert.equal((await fra.ask('POST', '/v1/network', { id: NETWORK, description: 'x' })).status, 503);

    const { blocks, spare } = await fra.call<BlocksAnswer>('GET', `/v2/network/${NETWORK}/blocks`);
    assert.equal(spare, null);
    assert.ok(blocks.length > 0 && blocks.every(({ site, partition }) => site === 'fra' && partition === 'fra'));
    const usage = await fra.call<UsageAnswer>('GET', `/v2/network/${NETWORK}/usage`);
    const [prefix] = usage.prefixes;
    assert.deepEqual([prefix?.size, prefix?.held, usage.unreachable.length], [256, 1, 1]);
    assert.equal(Number(prefix?.unknown) + 16 * blocks.length, 256);

    healWires(plant);
    await until('fra is connected again', () => isUp(fra), 15_000);
    const healed = await fra.ask('GET', `/v1/network/${NETWORK}`);
    assert.deepEqual([healed.status, healed.headers['warning']], [200, undefined]);
    const whole = await fra.call<UsageAnswer>('GET', `/v2/network/${NETWORK}/usage`);
    assert.deepEqual([whole.prefixes[0]?.size, whole.prefixes[0]?.unknown, whole.unreachable], [256, 0, []]);
  });
});
