import assert from 'node:assert/strict';
import { startProxy, type Cut, type CuttingProxy } from '../../storage/testing/proxy.ts';
import { test } from '../../storage/testing/register.ts';
import { errorMessage } from '../api-client.ts';
import { createHistory } from './history.ts';
import { createJudge } from './judge.ts';
import { insistKeyed, isReplayed, sendKeyed, type KeyedRequest } from './keyed-client.ts';
import { withPlant, type PlantSite } from './plant.ts';
import { addNetwork, seedPlace } from './seed.ts';
import { startWorkload } from './workload.ts';

const NETWORK = 'cut';
const CUTS: readonly Cut[] = ['before', 'half', 'after', 'silence', 'late'];

interface Ip {
  ipaddress: string;
  name: string;
}

/**
 * Sends it with the cut armed on a text that stands among the parameters of its group's statement, and in nothing that is
 * sent before it. Answers what the key gives, at once or later, and always again.
 */
async function sendCut(
  site: PlantSite,
  proxy: CuttingProxy,
  { cut, text, request }: { cut: Cut; text: string; request: KeyedRequest },
): Promise<Ip> {
  const status = request.method === 'POST' ? 201 : 200;
  proxy.cutOn(text, cut);
  const first = await sendKeyed(site, request);
  if (first.status !== status) {
    assert.equal(first.status, 503, first.text);
    assert.match(errorMessage(first.text), /outcome unknown.*operation/, cut);
  }
  if (cut === 'late') await proxy.deliver();
  const done = first.status === status ? first : await insistKeyed([site], request);
  const again = await sendKeyed(site, request);
  assert.deepEqual([again.status, again.text, isReplayed(again)], [status, done.text, true], cut);
  return JSON.parse(done.text) as Ip;
}

test('reliability.md F08: the wire to the database cut at each byte class of a commit: the true outcome, or one that the key gives later; done once', async () => {
  let proxy: CuttingProxy | undefined;
  const reachDatabase = async (url: string): Promise<string> => (proxy ??= await startProxy(url)).url;
  try {
    await withPlant({ reachDatabase }, async (plant) => {
      const site = plant.first;
      const { pid } = site.process;
      const seeded = await seedPlace(plant, site, 'muc');
      await addNetwork(site, seeded, NETWORK, '172.31.0.0/24');
      const history = createHistory();
      // Without clients: what it does is to read everything for the history.
      const reader = startWorkload({
        site,
        seeded,
        network: NETWORK,
        addresses: [],
        addressClients: 0,
        machineClients: 0,
        random: Math.random,
        history,
      });
      const judge = createJudge(reader, site.databaseUrl);
      const held = async (): Promise<string[]> =>
        (await site.call<Ip[]>('POST', '/v1/ip/find', { networkid: NETWORK })).map(({ ipaddress }) => ipaddress);

      const taken: Ip[] = [];
      for (const cut of CUTS) {
        const name = `${cut} one`;
        const body = { networkid: NETWORK, projectid: seeded.project, name };
        const request = { method: 'POST', path: '/v1/ip/allocate', body, key: `take-${cut}` };
        const taking = history.begin({ client: 'a', verb: 'take', id: name });
        const ip = await sendCut(site, proxy!, { cut, text: name, request });
        taking.end({ kind: 'done', holder: ip.name }, [`${NETWORK} ${ip.ipaddress}`]);
        taken.push(ip);
        assert.deepEqual((await held()).sort(), taken.map(({ ipaddress }) => ipaddress).sort(), cut);
        await judge.round(`taken, the wire cut: ${cut}`);
      }
      for (const [i, cut] of CUTS.entries()) {
        const { ipaddress, name } = taken[i]!;
        const request = { method: 'DELETE', path: `/v1/ip/free/${ipaddress}`, key: `give-${cut}` };
        const key = `${NETWORK} ${ipaddress}`;
        const giving = history.begin({ client: 'a', verb: 'give', key, expected: name });
        // What the log says of it.
        const ip = await sendCut(site, proxy!, { cut, text: 'freeIp', request });
        giving.end({ kind: 'done', holder: ip.name });
        assert.ok(!(await held()).includes(ipaddress), cut);
        await judge.round(`given back, the wire cut: ${cut}`);
      }
      assert.equal(site.process.pid, pid);
      await judge.end('at the end');
    });
  } finally {
    await proxy?.close();
  }
});
