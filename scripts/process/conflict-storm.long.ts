import assert from 'node:assert/strict';
import { setTimeout as wait } from 'node:timers/promises';
import { openSession, type Session } from '../../storage/testing/sessions.ts';
import { test } from '../../storage/testing/register.ts';
import { errorMessage } from '../api-client.ts';
import { auditDatabases } from './audit.ts';
import { until } from './child.ts';
import { withPlant } from './plant.ts';
import { addNetwork, seedPlace } from './seed.ts';

const NETWORK = 'storm';
const CLIENTS = 8;
const HELD = 8;
const PHASE_MS = 2_000;
const RIVAL_PAUSE_MS = 20;
const GALE = 0.5;
/** A request waits up to its deadline, 30 s. */
const STORM_MS = 33_000;
/** Words of the server that nobody outside has to read. */
const RAW = /could not serialize|deadlock|40001|40P01|SQLSTATE|concurrent update|relation|postgres/i;

/** Writes the rows of the addresses again and again: whoever read them before and writes after is refused (40001). */
function startRival(session: Session): { end(): Promise<void> } {
  const run = { isOver: false };
  async function live(): Promise<void> {
    await session.say('set session characteristics as transaction isolation level read committed');
    while (!run.isOver) {
      await session
        .say(`update ip set version = version where scope = 'partition:muc' and owner = '${NETWORK}'`)
        // Met in a deadlock, it may be the one that gives way.
        .catch(() => {});
      await wait(RIVAL_PAUSE_MS);
    }
  }
  const life = live();
  return {
    end: () => {
      run.isOver = true;
      return life;
    },
  };
}

/** From now on the server refuses that part of all groups, as if each had met somebody. */
async function refuse(session: Session, part: number): Promise<void> {
  await session.say(`create or replace function storm() returns trigger language plpgsql as $$ begin
    if random() < ${part} then raise exception 'could not serialize access' using errcode = '40001'; end if;
    return new;
  end $$`);
}

test('reliability.md F09: rivals for the same rows cost time, then 503 that says nothing was changed; never 500, never the words of the database', () =>
  withPlant({}, async (plant) => {
    const site = plant.first;
    const seeded = await seedPlace(plant, site, 'muc');
    await addNetwork(site, seeded, NETWORK, '172.30.0.0/24');
    const watcher = openSession(site.databaseUrl);
    const rival = openSession(site.databaseUrl);
    const aborted = async (): Promise<number> => {
      const [row] = await watcher.say<{ aborted: string }>(
        'select xact_rollback::text as aborted from pg_stat_database where datname = current_database()',
      );
      return Number(row!.aborted);
    };
    const name = { networkid: NETWORK, projectid: seeded.project };
    const counts: Record<string, Record<number, number>> = {};

    /** Each gives an address back, which changes a row that is there, and takes one again. */
    async function phase(what: string, forMs: number): Promise<void> {
      const told: Record<number, number> = {};
      counts[what] = told;
      const end = performance.now() + forMs;
      async function client(): Promise<void> {
        const held: string[] = [];
        const ask = async (method: string, path: string, body?: unknown) => {
          const answer = await site.ask(method, path, body, 60_000);
          told[answer.status] = (told[answer.status] ?? 0) + 1;
          assert.doesNotMatch(answer.text, RAW, what);
          if (answer.status !== 503) return answer;
          assert.match(errorMessage(answer.text), /nothing was (changed|done)/, what);
          assert.ok(Number(answer.headers['retry-after']) >= 1, what);
          return undefined;
        };
        while (performance.now() < end || held.length > 0) {
          const isOver = performance.now() >= end;
          if (!isOver && held.length < HELD) {
            const taken = await ask('POST', '/v1/ip/allocate', name);
            if (taken === undefined) continue;
            assert.equal(taken.status, 201, `${what}: ${taken.text}`);
            held.push((JSON.parse(taken.text) as { ipaddress: string }).ipaddress);
            if (held.length < HELD) continue;
          }
          const address = held[0];
          if (address === undefined) continue;
          const given = await ask('DELETE', `/v1/ip/free/${address}`);
          if (given === undefined) continue;
          assert.equal(given.status, 200, `${what}: ${given.text}`);
          held.shift();
        }
      }
      await Promise.all(Array.from({ length: CLIENTS }, client));
    }

    try {
      const before = await aborted();
      const breeze = startRival(rival);
      await phase('rival', PHASE_MS);
      await breeze.end();
      await refuse(rival, GALE);
      await rival.say('create trigger storm before insert on commit_group for each row execute function storm()');
      await phase('gale', PHASE_MS);
      await refuse(rival, 1);
      const over = wait(STORM_MS).then(() => refuse(rival, 0));
      await phase('storm', STORM_MS);
      await over;
      await phase('calm', PHASE_MS);
      // The server counts a while later.
      await until('groups were refused', async () => (await aborted()) > before + 50, 5_000);
      console.log(`answers ${JSON.stringify(counts)}, ${(await aborted()) - before} transactions refused`);
      for (const what of ['rival', 'gale', 'calm'])
        assert.equal(counts[what]![503] ?? 0, 0, `${what}: what is refused now and then costs time only`);
      assert.ok((counts['storm']![503] ?? 0) > 0, 'beyond the deadline it is said');
      const left = await site.call<unknown[]>('POST', '/v1/ip/find', { networkid: NETWORK });
      assert.deepEqual(left, []);
      assert.deepEqual(await auditDatabases([site.databaseUrl]), []);
    } finally {
      await Promise.all([watcher.end(), rival.end()]);
    }
  }));
