import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ensureDatabase } from '../../storage/engine/database.ts';
import { migrate, readMigrations } from '../../storage/migrate.ts';
import { test } from '../../storage/testing/register.ts';
import { openSession } from '../../storage/testing/sessions.ts';
import { callApi } from '../api-client.ts';
import { projectRoot } from '../root.ts';
import { auditDatabases } from './audit.ts';
import { freePort, until } from './child.ts';
import { withPlant } from './plant.ts';

const HOST = '127.0.0.1';
const MIGRATIONS = join(projectRoot, 'storage', 'migrations');

test('reliability.md F29: a process killed in each migration: the next one starts where it was, also beside its late statement', () =>
  withPlant({}, async (plant) => {
    const all = readMigrations();
    for (const [index, { version, name }] of all.entries()) {
      const url = await ensureDatabase(plant.first.databaseUrl, `hanse_migration_${version}`);
      const before = join(plant.folder, `before-${version}`);
      mkdirSync(before);
      for (const done of all.slice(0, index)) copyFileSync(join(MIGRATIONS, done.name), join(before, done.name));
      await migrate(url, { applicationName: 'test', path: before });

      // The process has run every statement of the file and is held up where it would record that.
      const locker = openSession(url);
      const watcher = openSession(url);
      const httpPort = await freePort();
      const child = plant.child(`site m${version}`, 'partition.js', {
        HANSE_SITE: `m${version}`,
        HANSE_DATA: plant.folder,
        DATABASE_URL: url,
        HANSE_HOST: HOST,
        HANSE_HTTP_PORT: String(httpPort),
        HANSE_GRPC_PORT: String(await freePort()),
        HANSE_LINK_PORT: String(await freePort()),
        HANSE_METRICS_PORT: '0',
        HANSE_ADVERTISE: HOST,
        HANSE_SHARDS: '1',
      });
      try {
        await locker.say('set idle_in_transaction_session_timeout = 0');
        await locker.say('begin isolation level read committed');
        await locker.say('lock table migration in share row exclusive mode');
        child.start();
        await until(`${name} is run and not recorded`, async () => {
          if (!child.isRunning) throw new Error(`it ended: ${child.ended}\n${child.lastLines()}`);
          const waiting = await watcher.say(
            `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query like 'insert into migration%'`,
          );
          return waiting.length > 0;
        });
        await child.end('SIGKILL');
        await locker.say('rollback');
        child.start();
        await until(`it is ready after it was killed in ${name}`, async () => {
          if (!child.isRunning) throw new Error(`it ended: ${child.ended}\n${child.lastLines()}`);
          return (await callApi(`http://${HOST}:${httpPort}`, null, 'GET', '/readyz')).status === 200;
        });
        const recorded = await watcher.say<{ version: number }>('select version from migration order by version');
        assert.deepEqual(
          recorded.map((row) => row.version),
          all.map((migration) => migration.version),
          name,
        );
        assert.deepEqual(await auditDatabases([url]), [], name);
      } finally {
        await Promise.all([locker.end(), watcher.end()]);
        await child.end('SIGKILL');
      }
    }
  }));
