import assert from 'node:assert/strict';
import { join } from 'node:path';
import { openSession } from '../../storage/testing/sessions.ts';
import { test } from '../../storage/testing/register.ts';
import { callApi, errorMessage, type ApiAnswer } from '../api-client.ts';
import { keepEngine } from '../start/database.ts';
import { auditDatabases } from './audit.ts';
import { until } from './child.ts';
import { withPlant } from './plant.ts';
import { addNetwork, seedPlace } from './seed.ts';
import { createSmallDisk, noSmallDisk } from './small-disk.ts';

const DISK_MIB = 160;
/** A write waits up to its deadline for the server (F07). */
const REFUSED_WITHIN_MS = 35_000;

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

test(
  'reliability.md F16: no space for the journal of the database ends the server; the site says 503, lives on, and goes on when whoever looks after the server can start it again',
  async () => {
    const disk = createSmallDisk(DISK_MIB);
    const dataDir = join(disk.folder, 'database');
    try {
      await withPlant({ databaseFolder: dataDir }, async (plant) => {
        const site = plant.first;
        const { pid } = site.process;
        const seeded = await seedPlace(plant, site, 'muc');
        await addNetwork(site, seeded, 'full', '172.30.0.0/16');
        const body = { networkid: 'full', projectid: seeded.project };
        const take = (): Promise<ApiAnswer> => site.ask('POST', '/v1/ip/allocate', body, 60_000);
        const addressOf = ({ text }: ApiAnswer): string => (JSON.parse(text) as { ipaddress: string }).ipaddress;
        const before = [addressOf(await take()), addressOf(await take())];

        // The tables have room in their pages; the journal needs a new file.
        disk.fill();
        const session = openSession(site.databaseUrl);
        await session.say('select pg_switch_wal()').catch(() => {});
        await session.say('create table no_space (n int)').catch(() => {});
        await session.end().catch(() => {});
        await until('the server ended', () => !isAlive(plant.database.pid));
        for (let i = 0; i < 2; i++) {
          const from = performance.now();
          const refused = await take();
          assert.equal(refused.status, 503, refused.text);
          assert.ok(Number(refused.headers['retry-after']) >= 1);
          assert.ok(performance.now() - from < REFUSED_WITHIN_MS);
          console.log(errorMessage(refused.text));
        }
        assert.equal((await callApi(site.url, null, 'GET', '/healthz')).status, 200);
        assert.equal(site.process.pid, pid, 'it was not restarted');

        disk.free();
        await plant.database.start();
        await until('addresses are given out again', async () => (await take()).status === 201, 30_000);
        assert.equal(site.process.pid, pid);
        const found = await site.call<Array<{ ipaddress: string }>>('POST', '/v1/ip/find', { networkid: 'full' });
        for (const address of before) assert.ok(found.some(({ ipaddress }) => ipaddress === address));
        assert.deepEqual(await auditDatabases([site.databaseUrl]), []);
      });
    } finally {
      disk.remove();
    }
  },
  { skip: noSmallDisk() },
);

test(
  'reliability.md F16: the server that ended for want of space is tried again until there is some',
  async () => {
    const disk = createSmallDisk(DISK_MIB);
    const dataDir = join(disk.folder, 'database');
    const told: string[] = [];
    try {
      const keeper = await keepEngine({
        dataDir,
        onDeath: () => void told.push('died'),
        log: (line) => void told.push(line),
      });
      try {
        const write = async (...statements: string[]): Promise<void> => {
          const session = openSession(keeper.url('postgres'));
          try {
            for (const statement of statements) await session.say(statement);
          } finally {
            await session.end().catch(() => {});
          }
        };
        disk.fill();
        // Into the journal alone: it may have a piece in stock, and comes back by itself as long as it needs no other one.
        await until('it ended', async () => {
          const bytes = `select pg_logical_emit_message(false, 'no space', repeat('x', 1000000))`;
          await write(bytes, 'select pg_switch_wal()').catch(() => {});
          return told.includes('died');
        });
        await until('it is told why it does not start', () =>
          told.some((line) => line.includes("can't be started again")),
        );
        disk.free();
        await until('it is back', async () => {
          const again = openSession(keeper.url('postgres'));
          try {
            return (await again.say('select 1')).length === 1;
          } finally {
            await again.end().catch(() => {});
          }
        });
        assert.equal(told.filter((line) => line === 'died').length, 1);
      } finally {
        await keeper.stop();
      }
    } finally {
      disk.remove();
    }
  },
  { skip: noSmallDisk() },
);
