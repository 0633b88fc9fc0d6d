import assert from 'node:assert/strict';
import { test } from '../../storage/testing/register.ts';
import { openSession, type Session } from '../../storage/testing/sessions.ts';
import { callApi, errorMessage, type ApiAnswer } from '../api-client.ts';
import { auditDatabases } from './audit.ts';
import { until } from './child.ts';
import { isReplayed, type KeyedRequest } from './keyed-client.ts';
import { withPlant, type PlantSite } from './plant.ts';
import { addNetwork, seedPlace } from './seed.ts';

const NETWORK = 'keyed';

interface Ip {
  ipaddress: string;
  name: string;
}

/** Longer than anything here is held back. */
const WAIT_MS = 60_000;

const send = (site: PlantSite, { method, path, body, key }: KeyedRequest): Promise<ApiAnswer> =>
  callApi(site.url, site.credentials(), method, path, body, {
    timeoutMs: WAIT_MS,
    headers: { 'idempotency-key': key },
  });

/** Whether somebody waits for the lock on the table. */
const isWaitedFor = async (session: Session): Promise<boolean> =>
  (await session.say(`select 1 from pg_locks where relation = 'ip'::regclass and not granted`)).length > 0;

const held = (site: PlantSite): Promise<Ip[]> => site.call<Ip[]>('POST', '/v1/ip/find', { networkid: NETWORK });

test('reliability.md F23: while the first request with a key is under way, the same key is 409 with Retry-After and changes nothing; then it gets the first answer', () =>
  withPlant({}, async (plant) => {
    const site = plant.first;
    const seeded = await seedPlace(plant, site, 'muc');
    await addNetwork(site, seeded, NETWORK, '172.31.0.0/24');
    const taking = { networkid: NETWORK, projectid: seeded.project, name: 'mine' };
    const allocate: KeyedRequest = { method: 'POST', path: '/v1/ip/allocate', body: taking, key: 'take' };
    const [locker, watcher] = [openSession(site.databaseUrl), openSession(site.databaseUrl)];

    /**
     * Sends the request while nobody can change an address: its group is sent and waits on the server, for as long as the
     * test likes; reads go on. Meanwhile the key is used again, as by a client that lost patience and by one that is wrong.
     */
    async function twice(request: KeyedRequest, status: number, addresses: string[]): Promise<ApiAnswer> {
      await locker.say('begin isolation level read committed');
      await locker.say('lock table ip in share mode');
      let isAnswered = false;
      const first = send(site, request).finally(() => (isAnswered = true));
      try {
        await until('the first is under way', () => isWaitedFor(watcher));
        const others = { ...request, body: { ...taking, name: 'of others' } };
        for (const again of [request, request, others]) {
          const refused = await send(site, again);
          assert.equal(refused.status, 409, refused.text);
          assert.match(errorMessage(refused.text), new RegExp(`"${request.key}".*still running`));
          assert.ok(Number(refused.headers['retry-after']) >= 1, JSON.stringify(refused.headers));
          assert.equal(isReplayed(refused), false);
        }
        assert.equal(isAnswered, false);
        const found = await held(site);
        assert.deepEqual(
          found.map(({ ipaddress }) => ipaddress),
          addresses,
        );
      } finally {
        await locker.say('rollback');
      }
      const done = await first;
      assert.deepEqual([done.status, isReplayed(done)], [status, false], done.text);
      const replay = await send(site, request);
      assert.deepEqual([replay.status, replay.text, isReplayed(replay)], [status, done.text, true]);
      return done;
    }

    try {
      const { ipaddress } = JSON.parse((await twice(allocate, 201, [])).text) as Ip;
      assert.deepEqual(
        (await held(site)).map((ip) => [ip.ipaddress, ip.name]),
        [[ipaddress, 'mine']],
      );
      await twice({ method: 'DELETE', path: `/v1/ip/free/${ipaddress}`, key: 'give' }, 200, [ipaddress]);
      assert.deepEqual(await held(site), []);
      const other = await send(site, { ...allocate, body: { ...taking, name: 'of others' } });
      assert.equal(other.status, 422, other.text);
      assert.deepEqual(await auditDatabases([site.databaseUrl]), []);
    } finally {
      await Promise.all([locker.end(), watcher.end()]);
    }
  }));
