import assert from 'node:assert/strict';
import type { Scope } from '../actors/address.ts';
import { loadStatement, type FoundBy } from './loading.ts';
import { COUNT_HELD, countStatement, readStatement } from './reader.ts';
import { groupStatement, type Statement } from './statement.ts';
import { groupOf, ipChange } from './testing/samples.ts';
import { openSession, withStores } from './testing/sessions.ts';
import { testServers } from './testing/servers.ts';
import { test } from './testing/register.ts';

const ROWS = 1_000_000;
const SCOPE: Scope = 'partition:plans';

const FILL = `insert into ip (scope, key, owner, version, prev, released, body, changed, network, address, project)
select $1, 'net' || (i % 100) || '|' || i, 'net' || (i % 100), 1, 0, false, '{"name": "x"}', now(), 'net' || (i % 100),
  decode(lpad(to_hex(i), 8, '0'), 'hex'), 'project' || (i % 1000) from generate_series(1, ${ROWS}) i`;
const FILL_LOG = `insert into log (scope, shard, epoch, n, operation, what, who, at, changes)
select $1, 0, $2, i, 'o', 'w', 'who', now(), '[]' from generate_series(1, ${ROWS}) i`;

const literal = (value: unknown): string =>
  typeof value === 'number' ? String(value) : `'${String(value).replaceAll("'", "''")}'`;

for (const server of testServers().filter(({ dialect }) => dialect === 'postgres'))
  test(`database.md §8: at 10⁶ rows what a turn asks is found by index, also without statistics: ${server.name}`, async () => {
    const started = await server.start();
    try {
      await withStores(started.url, async ({ site }) => {
        const fences = await site.takeOver([SCOPE], 1);
        const load = (by: FoundBy, ...wanted: string[]) => loadStatement(SCOPE, new Map([['ip', wanted]]), by, fences);
        const keys = Array.from({ length: 64 }, (_, i) => `net${i}|${i}`);
        const statements: Record<string, Statement> = {
          group: groupStatement(groupOf(fences, [ipChange(SCOPE, 'net1', '10.0.0.1', { prev: 3, version: 4 })], 7)),
          'load of an owner': load('owner', 'net7'),
          'load of many owners': load('owner', 'net7', 'net8', 'net9', 'net10'),
          'fetch of a key': load('key', 'net7|7'),
          'fetch of many keys': load('key', ...keys),
          'list by key': readStatement('ip', { keys: ['net7|7'] }),
          'list by owner': readStatement('ip', { scopes: [SCOPE], owners: ['net7'] }),
          'list by project': readStatement('ip', { project: 'project7' }),
          'count by project': countStatement('ip', { scopes: [SCOPE], project: 'project7' }),
          'held of a network': { text: COUNT_HELD, parameters: [`{"${SCOPE}"}`, '{"net7"}'] },
          'list by address': readStatement('ip', { addresses: ['0.0.0.9'] }),
        };
        const session = openSession(started.url, 120_000);
        const check = async (when: string): Promise<void> => {
          for (const [name, { text, parameters }] of Object.entries(statements)) {
            await session.say(`prepare asked as ${text}`);
            const lines = await session.say<{ 'QUERY PLAN': string }>(
              `explain execute asked (${parameters.map(literal).join()})`,
            );
            await session.say('deallocate asked');
            const plan = lines.map((line) => line['QUERY PLAN']).join('\n');
            assert.doesNotMatch(plan, /Seq Scan on (ip|log|log_end|commit_group)\b/, `${name} ${when}:\n${plan}`);
            if (name.startsWith('fetch')) assert.match(plan, /using ip_pkey/, `${name} ${when}:\n${plan}`);
          }
        };
        await session.say('alter table ip set (autovacuum_enabled = off)');
        await session.say(FILL, [SCOPE]);
        await session.say(FILL_LOG, [SCOPE, fences[0]!.epoch]);
        await check('without statistics');
        await session.say('analyze');
        await check('with statistics');
        await session.end();
      });
    } finally {
      await started.stop();
    }
  });
