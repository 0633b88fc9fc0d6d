import assert from 'node:assert/strict';
import { test } from '../../storage/testing/register.ts';
import { startProxy, type Cut, type CuttingProxy } from '../../storage/testing/proxy.ts';
import { errorMessage } from '../api-client.ts';
import { auditDatabases } from './audit.ts';
import { insistKeyed, isReplayed, sendKeyed } from './keyed-client.ts';
import { withPlant } from './plant.ts';
import { addNetwork, seedPlace } from './seed.ts';

const CUTS: readonly Cut[] = ['before', 'half', 'after', 'silence', 'late'];
const ROUNDS = 2;

test('reliability.md F08: the wire to the database cut at each byte class of a commit: the true outcome, or one that the key gives later; done once', async () => {
  let proxy: CuttingProxy | undefined;
  const reachDatabase = async (url: string): Promise<string> => (proxy ??= await startProxy(url)).url;
  try {
    await withPlant({ reachDatabase }, async (plant) => {
      const site = plant.first;
      const { pid } = site.process;
      const seeded = await seedPlace(plant, site, 'muc');
      await addNetwork(site, seeded, 'cut', '172.31.0.0/24');
      for (const [i, cut] of Array.from({ length: ROUNDS }, () => CUTS)
        .flat()
        .entries()) {
        const name = `${cut} ${i}`;
        const body = { networkid: 'cut', projectid: seeded.project, name };
        const request = { method: 'POST', path: '/v1/ip/allocate', body, key: `key-${i}` };
        // The name stands among the parameters of the group's statement, and in nothing that is sent before it.
        proxy!.cutOn(name, cut);
        const first = await sendKeyed(site, request);
        if (first.status !== 201) {
          assert.equal(first.status, 503, first.text);
          assert.match(errorMessage(first.text), /outcome unknown.*operation/, cut);
        }
        if (cut === 'late') await proxy!.deliver();
        const done = first.status === 201 ? first : await insistKeyed([site], request);
        const again = await sendKeyed(site, request);
        assert.deepEqual([again.status, again.text, isReplayed(again)], [201, done.text, true], cut);
        const found = await site.call<Array<{ name: string; ipaddress: string }>>('POST', '/v1/ip/find', {
          networkid: 'cut',
        });
        assert.deepEqual(
          found.filter((ip) => ip.name === name).map(({ ipaddress }) => ipaddress),
          [(JSON.parse(done.text) as { ipaddress: string }).ipaddress],
          cut,
        );
      }
      assert.equal(site.process.pid, pid);
      assert.deepEqual(await auditDatabases([site.databaseUrl]), []);
    });
  } finally {
    await proxy?.close();
  }
});
