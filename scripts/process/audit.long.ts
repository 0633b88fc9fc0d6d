import assert from 'node:assert/strict';
import { test } from '../../storage/testing/register.ts';
import { audit, auditDatabases } from './audit.ts';
import { openForAudit, readRows, readSite, type Reading } from './audit-rows.ts';
import type { AuditView } from '../site/audit.ts';
import { until } from './child.ts';
import { startFleet } from './fleet.ts';
import { withPlant } from './plant.ts';
import { addGlobalNetwork, addNetwork, seedPlace } from './seed.ts';

/** What is done to a copy of a good database, and the rule that must notice. */
const PLANTED: ReadonlyArray<readonly [rule: string, sql: string]> = [
  ['address network', `delete from network where key = 'load'`],
  ['address prefix', `update ip set body = jsonb_set(body, '{address}', '"9.9.9.9"') where key = 'load|172.31.1.1'`],
  ['address key', `update ip set owner = 'dmz-muc' where network = 'load'`],
  ['address columns', `update ip set address = '\\x01020304' where key = 'load|172.31.1.1'`],
  [
    'address twice',
    `drop index ip_live_network; drop index ip_live_address;
     insert into ip select scope, key || 'x', owner, version, prev, released, body, changed, released_at, network, address, project
     from ip where network = 'load'`,
  ],
  ['address leak', `update allocation set released = true, body = null`],
  ['address leak', `update machine set body = body - 'attached'`],
  [
    'address leak',
    `update ip set body = jsonb_set(body, '{machines}', (select jsonb_agg(key) from machine)) where network = 'load'`,
  ],
  ['allocation address', `update ip set released = true, body = null where network = 'dmz-muc'`],
  ['allocation address', `update ip set body = jsonb_set(body, '{machines}', '[]') where network = 'dmz-muc'`],
  ['allocation machine', `delete from machine`],
  ['allocation asn', `update pool set released = true, body = null where key like 'asn|%'`],
  ['allocation asn', `update pool set body = jsonb_set(body, '{elected,machine}', '"another"') where key like 'asn|%'`],
  [
    'allocation twice',
    `insert into allocation select scope, 'twin', owner, version, prev, released, body, changed from allocation`,
  ],
  ['pool leak', `update pool set body = jsonb_set(body, '{owners}', '["nobody"]') where key like 'asn|%'`],
  ['pool leak', `update network set released = true, body = null where body->>'parent' = 'super-muc'`],
  ['pool owner', `update pool set released = true, body = null where key like 'vrf|%'`],
  ['pool twice', `update pool set body = jsonb_set(body, '{owners}', '["a", "b"]') where key like 'vrf|%'`],
  ['port vrf', `update switch_port set body = jsonb_set(body, '{vrf}', '"vrf4711"')`],
  ['port missing', `update switch_port set body = jsonb_set(body, '{machine}', '""')`],
  [
    'prefix twice',
    `insert into prefix (scope, key, owner, version, prev, released, body, changed)
     select scope, '10.0.0.0/24', owner, version, prev, false, jsonb_set(body, '{cidr}', '"10.0.0.0/24"'), changed
     from prefix where body->>'root' = '10.0.0.0/16' and key <> '10.0.0.0/16'`,
  ],
  ['prefix leak', `update network set body = jsonb_set(body, '{prefixes}', '[]') where body->>'parent' = 'super-muc'`],
  ['prefix owner', `delete from prefix where key <> '10.0.0.0/16'`],
  ['block holder', `delete from block`],
  ['block holder', `update block set body = jsonb_set(body, '{holder}', '"another"')`],
  ['block lost', `delete from holding`],
  ['block address', `update holding set released = true, body = null`],
  ['block on its way', `update block set body = jsonb_set(body, '{state}', '"sent"')`],
  [
    'block twice',
    `drop index holding_live_first;
     insert into holding select scope, key || 'x', owner, version, prev, released, body, changed from holding`,
  ],
  [
    'block twice',
    `drop index block_live_first; insert into block select scope, key || 'x', owner, version, prev, released, body, changed from block`,
  ],
  [
    'claim twice',
    `insert into claim (scope, key, owner, version, prev, released, body, changed)
     select scope, key || 'x', owner, version, prev, false, jsonb_set(body, '{holder}', '"another"'), changed
     from claim where key = 'prefix|172.31.1.0/26'`,
  ],
  ['claim leak', `update claim set body = jsonb_set(body, '{holder}', '"another"') where key = 'network|load'`],
  ['claim owner', `update claim set released = true, body = null where key = 'prefix|172.31.1.0/26'`],
  ['scope', `update ip set scope = 'partition:ghost' where network = 'load'`],
  ['log hole', `delete from log where n = 2`],
  [
    'log end',
    `delete from log where (scope, shard, epoch, n) in (select scope, shard, epoch, n from log_end where n > 0 order by n desc limit 1)`,
  ],
  ['log end', `update log_end set n = n - 1 where n > 0`],
  ['log end', `delete from log_end where n > 0`],
  ['fold', `update ip set body = jsonb_set(body, '{name}', '"renamed"') where network = 'load'`],
  ['fold', `update ip set version = version - 1 where network = 'load'`],
  ['fold', `delete from ip where network = 'load'`],
  ['fold', `update ip set released = true, body = null where network = 'load'`],
  ['log chain', `update log set changes = jsonb_set(changes, '{0,prev}', '4711') where n = 3`],
];

class Undo extends Error {}

/** What the audit says of the database after `sql`, which is undone then. */
async function auditAfter(sql: ReturnType<typeof openForAudit>, text: string): Promise<string[]> {
  let found: string[] = [];
  await sql
    .begin(async (tx) => {
      await tx.unsafe(text);
      found = audit([await readRows(tx as Reading)], { isQuiet: true });
      throw new Undo();
    })
    .catch((error: unknown) => {
      if (!(error instanceof Undo)) throw error;
    });
  return found;
}

test('reliability.md §5.4: the audit passes a good database and notices each planted violation', async () => {
  await withPlant({}, async (plant) => {
    const site = plant.first;
    const seeded = await seedPlace(plant, site, 'muc');
    await addNetwork(site, seeded, 'load', '172.31.1.0/26');
    await addGlobalNetwork(site, 'internet', '203.0.113.0/24');
    const fleet = await startFleet({ site, partition: 'muc', machines: 1 });
    await fleet.untilWaiting();
    const { id: machineid } = await site.call<{ id: string }>('POST', '/v1/machine/allocate', {
      partitionid: 'muc',
      projectid: seeded.project,
      sizeid: seeded.size,
      imageid: seeded.image,
      networks: [{ networkid: seeded.privateNetwork }, { networkid: seeded.dmz }],
    });
    await site.call('POST', '/v1/ip/allocate', { networkid: 'load', projectid: seeded.project });
    for (const id of [machineid, 'nobody'])
      await site.call('POST', '/v1/ip/allocate', { networkid: 'load', projectid: seeded.project, machineid: id });
    await until('a block came', async () => {
      const answer = await site.ask('POST', '/v1/ip/allocate', { networkid: 'internet', projectid: seeded.project });
      return answer.status === 201;
    });
    // The site's own audit, on a thread beside it; of a part of the log it says so.
    const own = await site.call<AuditView>('GET', '/v2/inspect/audit');
    assert.deepEqual([own.isSound, own.findings, own.more, own.rows.isWholeLog], [true, [], {}, true]);
    const few = await site.call<AuditView>('GET', '/v2/inspect/audit?entries=2&actors=1');
    assert.deepEqual([few.isSound, few.rows.isWholeLog, few.memory.left > 0], [true, false, true]);
    // An ended epoch and a new one.
    await site.kill();
    await site.start();
    await site.call('POST', '/v1/ip/allocate', { networkid: 'load', projectid: seeded.project });
    await fleet.stop();
    await site.process.end('SIGTERM');
    assert.deepEqual(await auditDatabases([site.databaseUrl], { isQuiet: true }), []);

    const sql = openForAudit(site.databaseUrl);
    try {
      for (const [rule, text] of PLANTED) {
        const violations = await auditAfter(sql, text);
        assert.ok(
          violations.some((violation) => violation.startsWith(`${rule}:`)),
          `${rule} was not noticed after ${text}; noticed:\n${violations.join('\n')}`,
        );
      }
    } finally {
      await sql.end({ timeout: 1 });
    }

    // The same database at two sites: everything is there twice.
    const rows = await readSite(site.databaseUrl);
    const violations = audit([rows, { ...rows, site: 'fra' }]);
    for (const rule of ['scope twice', 'machine twice', 'address twice', 'block twice'])
      assert.ok(
        violations.some((violation) => violation.startsWith(`${rule}:`)),
        rule,
      );
  });
});
