import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureDatabase } from '../engine/database.ts';
import { migrate, readMigrations } from '../migrate.ts';
import { openSession } from '../testing/sessions.ts';
import type { Started } from './server.ts';
import { test } from '../testing/register.ts';

const all = readMigrations();
const applicationName = 'migration';

/** reliability.md F29 */
export function migrationContract({ url }: Started): void {
  const fresh = () => ensureDatabase(url(), `hanse_test_${randomBytes(6).toString('hex')}`);

  test('two processes that start at once both end with every migration applied once', async () => {
    const database = await fresh();
    await Promise.all([1, 2, 3].map(() => migrate(database, { applicationName })));
    assert.deepEqual(await migrate(database, { applicationName }), []);
    const session = openSession(database);
    const rows = await session.say<{ version: number }>('select version from migration order by version');
    await session.end();
    assert.deepEqual(
      rows.map((row) => row.version),
      all.map((migration) => migration.version),
    );
  });

  test('killed after any statement, the next start goes on', async () => {
    const database = await fresh();
    await migrate(database, { applicationName, path: emptyFolder });
    const session = openSession(database);
    const [first] = all;
    for (const statement of first!.statements.slice(0, 1)) await session.say(statement);
    await migrate(database, { applicationName });
    for (const { version, name } of all) {
      await session.say('delete from migration where version = $1', [version]);
      assert.deepEqual(await migrate(database, { applicationName }), [name], 'ran, but was not recorded');
    }
    await session.end();
  });

  test('design.md §12: what was claimed before the database had a rule for it, or is by a process of the version before, has its prefix', async () => {
    const database = await fresh();
    const path = mkdtempSync(join(tmpdir(), 'hanse-migrations-'));
    const claim = (what: string, value: string) =>
      session.say(
        `insert into claim (scope, key, owner, version, prev, released, body, changed)
         values ('site:s', $1::text, 's', 1, 0, false, $2::text::jsonb, clock_timestamp())`,
        [`${what}|${value}`, JSON.stringify({ what, value, holder: 'n', site: 's', state: 'owned', h: 'h' })],
      );
    for (const { name, statements } of all.filter(({ version }) => version < 15))
      writeFileSync(join(path, name), statements.map((statement) => `${statement};\n`).join(''));
    await migrate(database, { applicationName, path });
    const session = openSession(database);
    try {
      await claim('prefix', '10.0.0.0/22');
      await claim('prefix', '2001:db8::/48');
      await claim('network', 'n');
      await migrate(database, { applicationName });
      await claim('prefix', '::ffff:10.0.0.0/112');
      const rows = await session.say<{ key: string; cidr: string | null }>('select key, cidr from claim');
      const byKey = new Map(rows.map(({ key, cidr }) => [key, cidr]));
      assert.equal(byKey.get('network|n'), null);
      for (const cidr of ['10.0.0.0/22', '2001:db8::/48', '::ffff:10.0.0.0/112'])
        assert.equal(byKey.get(`prefix|${cidr}`), cidr);
    } finally {
      await session.end();
      rmSync(path, { recursive: true });
    }
  });

  test('a migration that fails names its file and is not recorded; a database of a newer release stays as it is', async () => {
    const database = await fresh();
    const path = mkdtempSync(join(tmpdir(), 'hanse-migrations-'));
    try {
      writeFileSync(join(path, '001-good.sql'), 'create table if not exists good (id int4 not null primary key);\n');
      writeFileSync(join(path, '002-bad.sql'), 'create table if not exists bad (id nonsense);\n');
      await assert.rejects(migrate(database, { applicationName, path }), /migration 002-bad\.sql: .*nonsense/);
      writeFileSync(join(path, '002-bad.sql'), 'create table if not exists bad (id int4 not null primary key);\n');
      assert.deepEqual(await migrate(database, { applicationName, path }), ['002-bad.sql']);
      assert.deepEqual(await migrate(database, { applicationName, path: emptyFolder }), []);
    } finally {
      rmSync(path, { recursive: true });
    }
  });
}

const emptyFolder = mkdtempSync(join(tmpdir(), 'hanse-migrations-'));
process.on('exit', () => rmSync(emptyFolder, { recursive: true, force: true }));
