import assert from 'node:assert/strict';
import { openSession } from '../../storage/testing/sessions.ts';
import { test } from '../../storage/testing/register.ts';
import { errorMessage, type ApiAnswer } from '../api-client.ts';
import { until } from './child.ts';
import { insistKeyed, sendKeyed, type KeyedRequest } from './keyed-client.ts';
import type { PlantSite } from './plant.ts';
import { addNetwork } from './seed.ts';
import { withTwoPlants } from './two-plants.ts';

const NETWORK = 'slow';
const TIMEOUT_MS = 400;
/** On a busy machine; without it the answer came when the server gave its statement up, after 1.6 s and more. */
const ALLOWANCE_MS = 600;

interface Ip {
  ipaddress: string;
}

async function inTime(site: PlantSite, request: KeyedRequest): Promise<ApiAnswer & { because: unknown }> {
  const sentMs = performance.now();
  const answer = await sendKeyed(site, request, { 'request-timeout': String(TIMEOUT_MS / 1_000) });
  const tookMs = performance.now() - sentMs;
  assert.ok(tookMs < TIMEOUT_MS + ALLOWANCE_MS, `${request.method} at ${site.id} was answered after ${tookMs} ms`);
  assert.ok(Number(answer.headers['retry-after']) >= 1, answer.text);
  return { ...answer, because: answer.headers['x-refused-because'] };
}

test('reliability.md F08, §10: a Request-Timeout that ends while the commit is under way is answered then, over a link as well: outcome unknown with its operation, and the key gives it later', () =>
  withTwoPlants({}, async ({ muc, fra, seeded }) => {
    await addNetwork(muc, seeded, NETWORK, '172.31.1.0/24');
    const locker = openSession(muc.databaseUrl);
    const watcher = openSession(muc.databaseUrl);
    const isHeldUp = async (): Promise<boolean> => {
      const sql = `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query like '%commit_group%'`;
      return (await watcher.say(sql)).length > 0;
    };
    try {
      for (const site of [muc, fra]) {
        const body = { networkid: NETWORK, projectid: seeded.project, name: 'kept' };
        const { ipaddress } = await muc.call<Ip>('POST', '/v1/ip/allocate', body);
        const free = { method: 'DELETE', path: `/v1/ip/free/${ipaddress}`, key: `free ${site.id}`.replace(' ', '-') };
        // Its place is known, so that what follows takes no longer than it must.
        const read = { method: 'GET', path: `/v1/ip/${ipaddress}`, key: 'none' };
        assert.equal((await sendKeyed(site, read)).status, 200);
        await locker.say('begin isolation level read committed');
        await locker.say('select 1 from ip where scope = $1 and key = $2 for update', [
          'partition:muc',
          `${NETWORK}|${ipaddress}`,
        ]);
        const write = inTime(site, free);
        await until('the group is held up', isHeldUp);
        const [freed, looked] = await Promise.all([write, inTime(site, read)]);
        assert.deepEqual([freed.status, freed.because], [503, 'outcome-unknown'], freed.text);
        assert.match(errorMessage(freed.text), /^outcome unknown: .*; operation \S+$/);
        assert.deepEqual([looked.status, looked.because], [503, 'deadline'], looked.text);
        assert.match(errorMessage(looked.text), /nothing was changed$/);
        await locker.say('rollback');
        assert.equal((await insistKeyed([site], free)).status, 200);
        assert.equal((await sendKeyed(site, read)).status, 404, 'done once, and to be seen');
        assert.equal((await insistKeyed([site], free)).status, 200, 'and said again');
      }
    } finally {
      await Promise.all([locker.end(), watcher.end()]);
    }
  }));
