import assert from 'node:assert/strict';
import { callApi } from '../api-client.ts';
import { openSession, type Session } from '../../storage/testing/sessions.ts';
import { test } from '../../storage/testing/register.ts';
import { auditDatabases } from './audit.ts';
import { until } from './child.ts';
import { addNetwork, seedPlace, type Seeded } from './seed.ts';
import { withSitePair, type SitePair } from './site-pair.ts';
import { untilAcknowledged } from './standby-rounds.ts';

const NETWORK = 'load';
/** Short, so that the takeover comes before the server gives the held up statement up by itself, after 1.6 s. */
const LEASE_MS = 300;
/** On a busy machine it may take longer; then the same is asserted, and the moment is tried again. */
const TRIES = 10;

interface Ip {
  ipaddress: string;
}

/** Groups that wait on the server for a lock, with their fence read and nothing committed. */
const heldUp = async (session: Session): Promise<number> =>
  (
    await session.say(
      `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query like '%commit_group%'`,
    )
  ).length;

/**
 * The active process releases an address; its group is held up between the read of its fence and its COMMIT by a lock on
 * the address's row. There the process is stopped, until another one has taken over and written. Then the group goes on.
 * Answers whether it was still held up at that moment.
 */
async function stallOnce(pair: SitePair, seeded: Seeded, locker: Session, watcher: Session): Promise<boolean> {
  const { site } = pair;
  await pair.untilBoth();
  const active = await pair.active();
  const other = pair.other(active);
  const body = { networkid: NETWORK, projectid: seeded.project, name: 'kept' };
  const { ipaddress } = await site.call<Ip>('POST', '/v1/ip/allocate', body);
  await locker.say('begin isolation level read committed');
  await locker.say('select 1 from ip where scope = $1 and key = $2 for update', [
    'partition:muc',
    `${NETWORK}|${ipaddress}`,
  ]);
  const path = `/v1/ip/free/${ipaddress}`;
  const freed = callApi(active.url, site.credentials(), 'DELETE', path, undefined, { timeoutMs: 60_000 }).then(
    ({ status }) => status,
    () => undefined,
  );
  await until('the group is held up', async () => (await heldUp(watcher)) > 0);
  process.kill(active.child.pid, 'SIGSTOP');
  let wasHeldUp = false;
  try {
    await untilAcknowledged(pair, other, seeded.project);
    wasHeldUp = (await heldUp(watcher)) > 0;
    await locker.say('rollback');
    await until('no group is held up any more', async () => (await heldUp(watcher)) === 0);
  } finally {
    process.kill(active.child.pid, 'SIGCONT');
  }
  await active.child.untilEnded();
  assert.equal(active.child.ended, 70);
  assert.notEqual(await freed, 200, 'a process that lost the site acknowledged a write of before');
  const kept = await callApi(other.url, site.credentials(), 'GET', `/v1/ip/${ipaddress}`);
  assert.equal(kept.status, 200, `the late group released ${ipaddress}: ${kept.text}`);
  await active.start();
  await site.call('DELETE', path);
  assert.deepEqual(await auditDatabases([site.databaseUrl]), []);
  return wasHeldUp;
}

test('reliability.md F04, §8: stopped exactly between the read of its fence and its COMMIT, a process writes nothing once another one has taken over', () =>
  withSitePair({ env: { HANSE_LEASE_MS: String(LEASE_MS) } }, async (pair) => {
    const seeded = await seedPlace(pair.plant, pair.site, 'muc');
    await addNetwork(pair.site, seeded, NETWORK, '172.31.1.0/24');
    await addNetwork(pair.site, seeded, 'probe', '172.31.9.0/24');
    const [locker, watcher] = [openSession(pair.site.databaseUrl), openSession(pair.site.databaseUrl)];
    try {
      let wasHeldUp = false;
      for (let tries = 0; !wasHeldUp && tries < TRIES; tries++) {
        wasHeldUp = await stallOnce(pair, seeded, locker, watcher);
      }
      assert.ok(wasHeldUp, `in ${TRIES} tries no takeover was quicker than the server's own time-out`);
    } finally {
      await Promise.all([locker.end(), watcher.end()]);
    }
  }));
