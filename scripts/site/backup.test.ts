import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { siteScope, type Scope } from '../../actors/address.ts';
import type { Fence, SiteStore } from '../../actors/ports.ts';
import { openForAudit, readSite } from '../../storage/audit/index.ts';
import { ensureDatabase } from '../../storage/engine/database.ts';
import { createShardStore, createSiteStore } from '../../storage/index.ts';
import { readMark } from '../../storage/backup/index.ts';
import { suite, test } from '../../storage/testing/register.ts';
import { asked, groupOf, ipChange, ipRecord } from '../../storage/testing/samples.ts';
import { testServers } from '../../storage/testing/servers.ts';
import { backupSite } from './backup.ts';
import { Problem, type SitePlace } from './place.ts';
import { planRestore, restoreSite } from './restore.ts';
import { checkStanding, followStanding, keepStanding, noteCompared, readStandingFile } from './standing.ts';

const own = siteScope('muc');
const part: Scope = 'partition:muc';
const AWKWARD = 'null, "quoted" \\ {braced} \u2028 ü\n\t,';

for (const server of testServers().slice(0, 3)) {
  suite(`backup over ${server.name}`, { skip: server.skip }, () => {
    let started: { url: string; stop(): Promise<void> };
    let folder: string;
    let place: SitePlace;
    let store: SiteStore;
    let fences: Fence[];
    let next = 1;

    const write = async (address: string): Promise<void> => {
      const shard = createShardStore({ url: started.url, applicationName: 'backup-test' });
      const change = ipChange(part, 'net', address, { value: ipRecord('net', address, { name: AWKWARD }) });
      const fence = fences.find(({ scope }) => scope === part) as Fence;
      assert.deepEqual(await asked(shard).commit(groupOf([fence], [change], next++)), { outcome: 'committed' });
      await shard.close();
    };
    const addresses = async (url: string): Promise<string[]> =>
      (await readSite(url)).rows.ip.map(({ value }) => value?.address ?? '').sort();

    before(async () => {
      started = await server.start();
      folder = mkdtempSync(join(tmpdir(), 'hanse-backup-'));
      place = { site: 'muc', data: folder, folder: join(folder, 'sites', 'muc') };
      mkdirSync(join(place.folder, 'identity', 'agents'), { recursive: true });
      for (const file of ['ca.pem', 'ca.key', 'hmac.json', 'agents/agent.key'])
        writeFileSync(join(place.folder, 'identity', file), `${file} of muc`, { mode: 0o600 });
      store = await createSiteStore({ url: started.url, applicationName: 'backup-test' });
      fences = await store.takeOver([own, part], 1);
      await write('10.0.0.1');
      await write('10.0.0.2');
    });
    after(async () => {
      await store?.close();
      await started?.stop();
      rmSync(folder, { recursive: true, force: true });
    });

    test('design.md §12: another database gets everything back: rows, log, keys, and epochs above all that were', async () => {
      const path = join(folder, 'muc.hanse');
      const report = await backupSite(place, started.url, path);
      assert.equal(statSync(path).mode & 0o777, 0o600);
      assert.deepEqual([report.end.rows['ip'], report.end.rows['log'], report.end.files], [2, 2, 4]);

      const other = await ensureDatabase(started.url, `${new URL(started.url).pathname.slice(1)}_other`);
      const elsewhere = { ...place, folder: join(folder, 'elsewhere') };
      const plan = await planRestore(elsewhere, other, path);
      assert.deepEqual([plan.losses, plan.keys], [[], 'missing']);
      const standing = await restoreSite(elsewhere, other, path, plan, { replaceKeys: false });

      const [was, is] = [await readSite(started.url), await readSite(other)];
      assert.deepEqual(is.rows, was.rows);
      assert.equal(is.rows.ip[0]?.value?.name, AWKWARD);
      assert.deepEqual(is.log, was.log);
      const before = Math.max(...fences.map(({ epoch }) => epoch));
      assert.ok(standing.epochs.every(({ epoch }) => epoch > before));
      assert.ok(is.ended.some(({ scope, n }) => scope === part && n === 2));
      assert.equal(
        readFileSync(join(elsewhere.folder, 'identity', 'agents', 'agent.key'), 'utf8'),
        'agents/agent.key of muc',
      );
      assert.equal(readStandingFile(elsewhere.folder)?.incarnation, 2);
      assert.deepEqual((await checkStanding(other, elsewhere.folder)).lost, []);

      // Another process of the site, whose own file saw nothing of it.
      const standby = join(folder, 'standby');
      mkdirSync(standby);
      await followStanding(other, standby, 0);
      const found = await checkStanding(other, standby);
      assert.deepEqual([found.incarnation, found.restoredMs], [2, standing.restoredMs]);
      await noteCompared(other, 1);
      assert.equal((await checkStanding(other, standby)).restoredMs, standing.restoredMs, 'a mark of a later restore');
      await noteCompared(other, 2);
      for (const file of [standby, elsewhere.folder])
        assert.deepEqual(await checkStanding(other, file), { incarnation: 2, lost: [] });
    });

    test('design.md §12: epochs begin above all that were, also those of a scope that is younger than the backup', async () => {
      const path = join(folder, 'younger.hanse');
      await backupSite(place, started.url, path);
      const other = await ensureDatabase(started.url, `${new URL(started.url).pathname.slice(1)}_younger`);
      const elsewhere = { ...place, folder: join(folder, 'younger') };
      const restore = async () =>
        restoreSite(elsewhere, other, path, await planRestore(elsewhere, other, path), { replaceKeys: false });
      await restore();
      const site = await createSiteStore({ url: other, applicationName: 'backup-test' });
      const young: Scope = 'partition:young';
      const [fence] = await site.takeOver([young], 2);
      await restore();
      const [again] = await site.takeOver([young], 2);
      await site.close();
      assert.ok((again?.epoch ?? 0) > (fence?.epoch ?? 0), `${again?.epoch} after ${fence?.epoch}`);
    });

    test('reliability.md F24: a file that is followed does not hide that the database was put back', async () => {
      const standby = join(folder, 'followed');
      mkdirSync(standby);
      await followStanding(started.url, standby, 1);
      const before = readStandingFile(standby);
      await write('10.0.0.9');
      await followStanding(started.url, standby, 2);
      assert.notDeepEqual(readStandingFile(standby)?.ends, before?.ends);
      // As by the database's own tools: the last entry is gone.
      const sql = openForAudit(started.url);
      await sql.unsafe(`delete from log where scope = 'partition:muc' and n = ${next - 1}`);
      await sql.unsafe(`delete from ip where body ->> 'address' = '10.0.0.9'`);
      await sql.end();
      await followStanding(started.url, standby, 3);
      assert.equal(readStandingFile(standby)?.atMs, 2);
      assert.equal((await checkStanding(started.url, standby)).lost.length, 1);
      fences = await store.takeOver([own, part], 1);
      next = 1;
    });

    test('where no file can be made the reason is a sentence that names the file', async () => {
      const path = join(folder, 'gone', 'muc.hanse');
      await assert.rejects(backupSite(place, started.url, path), (error) => {
        assert.ok(error instanceof Problem);
        assert.equal(error.message, `${path} can't be written: no such file or directory; name a file elsewhere`);
        return true;
      });
    });

    test('what is there now is named before it is replaced; nothing is replaced while a process is active', async () => {
      const path = join(folder, 'before.hanse');
      await backupSite(place, started.url, path);
      await write('10.0.0.3');
      const plan = await planRestore(place, started.url, path);
      assert.equal(plan.keys, 'same');
      assert.match(
        plan.losses.join('\n'),
        /^3 rows and 3 log entries .*\n1 operations of partition:muc after the backup are lost/,
      );

      const holder = { site: 'muc', process: 'other:1', host: 'other', pid: 1 };
      await store.acquireLease(holder, 60_000);
      await assert.rejects(
        restoreSite(place, started.url, path, plan, { replaceKeys: false }),
        (error) => error instanceof Problem && /process other:1 is active for site muc/.test(error.message),
      );
      await store.releaseLease(holder);
      assert.equal((await addresses(started.url)).length, 3);

      await restoreSite(place, started.url, path, plan, { replaceKeys: false });
      assert.deepEqual(await addresses(started.url), ['10.0.0.1', '10.0.0.2']);
      fences = await store.takeOver([own, part], 1);
      next = 1;
      await write('10.0.0.4');
      assert.equal((await addresses(started.url)).length, 3);
    });

    test('a file that is cut off, changed, of another site or no backup is refused, with the reason', async () => {
      const path = join(folder, 'damaged.hanse');
      await backupSite(place, started.url, path);
      await assert.rejects(
        planRestore({ ...place, site: 'fra' }, started.url, path),
        /is a backup of site muc, not of fra/,
      );
      truncateSync(path, statSync(path).size - 20);
      await assert.rejects(planRestore(place, started.url, path), /damaged after line \d+/);
      writeFileSync(path, 'hello');
      await assert.rejects(planRestore(place, started.url, path), /it is no backup of Hanse/);
    });

    test('design.md §12: a database behind the standing file was restored: its epochs are raised above all that were', async () => {
      const keeper = keepStanding({
        siteFolder: place.folder,
        incarnation: 1,
        epochs: fences,
        after: () => () => {},
        wallMs: () => 0,
        odd: (what, error) => assert.fail(`${what}: ${String(error)}`),
      });
      const fence = fences.find(({ scope }) => scope === part) as Fence;
      const entry = { ...fence, n: 99, operation: '', what: '', who: '', atMs: 0, changes: [], messages: [] };
      keeper.committed(entry);
      keeper.stop();
      const sql = openForAudit(started.url);
      const before = await readMark(sql);
      const { lost, incarnation } = await checkStanding(started.url, place.folder);
      assert.equal(incarnation, before.incarnation + 1);
      assert.deepEqual(lost, [
        `the log of partition:muc, shard 0, epoch ${fence.epoch} ends at ${next - 1}, it had 99 entries`,
      ]);
      const [row] = await sql.unsafe<Array<{ epoch: number }>>(
        `select epoch from ownership where scope = 'partition:muc'`,
      );
      await sql.end();
      assert.ok((row?.epoch ?? 0) > fence.epoch);
      // Raised once, not at every start.
      assert.deepEqual((await checkStanding(started.url, place.folder)).lost, []);
    });
  });
}
