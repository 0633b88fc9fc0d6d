import assert from 'node:assert/strict';
import { setTimeout as wait } from 'node:timers/promises';
import { openSession } from '../../storage/testing/sessions.ts';
import { test } from '../../storage/testing/register.ts';
import { callApi } from '../api-client.ts';
import { seededRandom } from '../rack/random.ts';
import { auditDatabases } from './audit.ts';
import { seedOfRun } from './kill-rounds.ts';
import { addNetwork, seedPlace } from './seed.ts';
import { withSitePair } from './site-pair.ts';

const NETWORK = 'owned';
const STORM_MS = 30_000;
/** Between two times that the lease is gone: at least, and so much more at most that a takeover can come to its end. */
const STEAL_MS = 100;
const STEAL_MORE_MS = 4_000;
const CLIENTS_EACH = 3;
const LEAST_TAKEOVERS = 3;

test('reliability.md F05: two processes that both believe to be active, since the lease is gone again and again: never two writers, nothing acknowledged is lost or given out twice', () =>
  withSitePair({}, async (pair) => {
    const { site, processes } = pair;
    const seeded = await seedPlace(pair.plant, site, 'muc');
    await addNetwork(site, seeded, NETWORK, '172.28.0.0/16');
    const body = { networkid: NETWORK, projectid: seeded.project };
    const session = openSession(site.databaseUrl);
    const epoch = async (): Promise<number> => {
      const [row] = await session.say<{ epoch: string }>('select max(epoch)::text as epoch from ownership');
      return Number(row!.epoch);
    };
    const seed = seedOfRun();
    console.log(`seed ${seed}`);
    const random = seededRandom(seed);
    const run = { isOver: false };
    const taken: string[] = [];
    const ended: Array<number | string | undefined> = [];

    async function client(url: string): Promise<void> {
      while (!run.isOver) {
        const answer = await callApi(url, site.credentials(), 'POST', '/v1/ip/allocate', body, {
          timeoutMs: 5_000,
        }).catch(() => undefined);
        if (answer?.status === 201) taken.push((JSON.parse(answer.text) as { ipaddress: string }).ipaddress);
        else {
          assert.ok(answer === undefined || answer.status === 503, answer?.text);
          await wait(50);
        }
      }
    }
    async function keepAlive(): Promise<void> {
      while (!run.isOver) {
        for (const { child } of processes) {
          if (child.isRunning) continue;
          ended.push(child.ended);
          child.start();
        }
        await wait(20);
      }
    }
    async function steal(): Promise<void> {
      while (!run.isOver) {
        await session.say('delete from lease').catch(() => {});
        await wait(STEAL_MS + random() * STEAL_MORE_MS);
      }
    }

    try {
      const before = await epoch();
      const lives = [steal(), keepAlive()];
      for (const { url } of processes) for (let i = 0; i < CLIENTS_EACH; i++) lives.push(client(url));
      await wait(STORM_MS);
      run.isOver = true;
      await Promise.all(lives);
      await pair.untilBoth();
      const takeovers = (await epoch()) - before;
      console.log(`${takeovers} epochs, ${taken.length} addresses, processes that ended: ${ended.join(', ')}`);
      assert.ok(ended.length >= LEAST_TAKEOVERS, `${ended.length} ended`);
      assert.deepEqual(
        // 1: the lease that it had got was gone before its takeover.
        ended.filter((how) => how !== 70 && how !== 1),
        [],
        'whoever lost the site ends and says so',
      );
      assert.equal(new Set(taken).size, taken.length, 'an address was given out twice');
      const found = await site.call<Array<{ ipaddress: string }>>('POST', '/v1/ip/find', { networkid: NETWORK });
      const there = new Set(found.map(({ ipaddress }) => ipaddress));
      assert.deepEqual(
        taken.filter((address) => !there.has(address)),
        [],
        'what was acknowledged is there',
      );
      assert.deepEqual(await auditDatabases([site.databaseUrl]), []);
    } finally {
      run.isOver = true;
      await session.end();
    }
  }));
