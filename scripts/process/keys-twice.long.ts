import assert from 'node:assert/strict';
import { test } from '../../storage/testing/register.ts';
import { showAudit } from '../inspect/audit-view.ts';
import type { AuditView } from '../site/audit.ts';
import { until } from './child.ts';
import { cutWire, healWires } from './global-load.ts';
import { isReplayed, sendKeyed } from './keyed-client.ts';
import { isUp } from './plant.ts';
import { addGlobalNetwork } from './seed.ts';
import { withTwoPlants } from './two-plants.ts';

const NETWORK = 'internet';

test('design.md §12: a key that both sides of a cut answered keeps both outcomes, and the audit lists it after healing', () =>
  withTwoPlants({ proxies: true }, async ({ plant, muc, fra, seeded }) => {
    await addGlobalNetwork(muc, NETWORK, '203.0.113.0/24');
    const body = { networkid: NETWORK, projectid: seeded.project };
    const request = (key: string) => ({ method: 'POST', path: '/v1/ip/allocate', body, key });
    const addressOf = ({ text }: { text: string }): string => (JSON.parse(text) as { ipaddress: string }).ipaddress;
    await until('fra has a block', async () => (await sendKeyed(fra, request('before'))).status === 201);

    cutWire(muc, fra);
    cutWire(fra, muc);
    for (const site of [muc, fra]) await until(`${site.id} knows of the cut`, async () => !(await isUp(site)));
    const told = await Promise.all([muc, fra].map((site) => sendKeyed(site, request('both'))));
    assert.deepEqual(
      told.map(({ status, headers }) => [status, headers['idempotency-scope']]),
      [
        [201, 'site muc'],
        [201, 'site fra'],
      ],
    );
    const [here, there] = told.map(addressOf);
    assert.notEqual(here, there);
    const audit = (): Promise<AuditView> => muc.call<AuditView>('GET', '/v2/inspect/audit');
    assert.deepEqual((await audit()).keys, { compared: 1, missing: ['fra'], twice: [] });

    healWires(plant);
    for (const site of [muc, fra]) await until(`${site.id} is connected again`, () => isUp(site));
    // Each goes on with its own: nothing is undone silently.
    for (const [site, address] of [
      [muc, here],
      [fra, there],
    ] as const) {
      const again = await sendKeyed(site, request('both'));
      assert.deepEqual([addressOf(again), isReplayed(again)], [address, true]);
    }
    const found = await audit();
    assert.equal(found.isSound, true, 'it is as designed');
    assert.deepEqual(
      found.keys.twice.map(({ key, outcomes }) => [key, outcomes.map(({ site, thing }) => [site, thing])]),
      [
        [
          'both',
          [
            ['muc', here],
            ['fra', there],
          ],
        ],
      ],
    );
    assert.ok(
      showAudit(found).includes(`at 2 sites: muc POST /v1/ip/allocate ${here}; fra POST /v1/ip/allocate ${there}`),
    );
  }));
