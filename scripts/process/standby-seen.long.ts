import assert from 'node:assert/strict';
import { setTimeout as wait } from 'node:timers/promises';
import { test } from '../../storage/testing/register.ts';
import { siteFolder } from '../config.ts';
import { createProgram as createInspect } from '../inspect.ts';
import { createProgram as createSite } from '../site-command.ts';
import type { StandbyView } from '../site/standbys.ts';
import { until } from './child.ts';
import { withSitePair, type SiteProcess } from './site-pair.ts';

/** Of a scrape: the role of the process, and the lines of these metrics. Rejects when nothing is served. */
async function scrape({ metricsPort }: SiteProcess): Promise<{ role: string | undefined; names: Set<string> }> {
  const answer = await fetch(`http://127.0.0.1:${metricsPort}/metrics`, { signal: AbortSignal.timeout(5_000) });
  assert.equal(answer.status, 200);
  const text = await answer.text();
  return {
    role: /^hanse_process_role\{role="(\w+)"[^}]*\} 1$/m.exec(text)?.[1],
    names: new Set([...text.matchAll(/^(\w+)(?:\{[^\n]*\})? \S+$/gm)].map(([, name]) => name!)),
  };
}

const OF_BOTH = ['hanse_info', 'hanse_lease_remaining_seconds', 'process_resident_memory_bytes'];

test('design.md §2: a standby is scraped and listed, and after kill -9 of the active process the roles are changed', async () => {
  await withSitePair({}, async (pair) => {
    await pair.untilBoth();
    const [first, second] = pair.processes;
    const { id } = pair.plant.first;

    const read = async <T>(program: typeof createSite, words: string[]): Promise<T> => {
      let text = '';
      await program((more) => (text += `${more}\n`)).parseAsync(['node', 'hanse', ...words, '-o', 'json']);
      return JSON.parse(text) as T;
    };
    const { folder } = pair.plant;
    /** By the command, at this process, or where the site's database says that one is. */
    const statusAt = async (asked?: SiteProcess): Promise<StandbyView[] | null> => {
      const words = ['status', '--site', id, '--data', folder, ...(asked === undefined ? [] : ['--api', asked.url])];
      return (await read<Array<{ standbys: StandbyView[] | null }>>(createSite, words))[0]!.standbys;
    };
    const leasesAt = async ({ url }: SiteProcess): Promise<StandbyView[]> => {
      const words = ['leases', '--api', url, '--data', siteFolder(folder, id)];
      return (await read<Array<{ standbys: StandbyView[] }>>(createInspect, words))[0]!.standbys;
    };
    const isListed = (standbys: StandbyView[] | null, { url, child }: SiteProcess): boolean =>
      standbys?.length === 1 &&
      standbys[0]!.urls.some((address) => address.startsWith(url)) &&
      standbys[0]!.process.split(':').at(-2) === String(child.pid);

    // Seen by itself, and by the active one, whichever is asked.
    await until('the active process lists the standby', async () => isListed(await leasesAt(first), second));
    // Without an address, too: the site's database knows those of its processes.
    for (const asked of [first, second, undefined]) {
      const found = await statusAt(asked);
      assert.ok(isListed(found, second), JSON.stringify(found));
      const { startedAtMs, seenAtMs } = found![0]!;
      assert.ok(startedAtMs! < Date.now() && Date.now() - startedAtMs! < 300_000, String(startedAtMs));
      assert.ok(Math.abs(Date.now() - seenAtMs) < 10_000, String(seenAtMs));
    }
    const [active, standby] = [await scrape(first), await scrape(second)];
    assert.deepEqual([active.role, standby.role], ['active', 'standby']);
    for (const name of OF_BOTH) assert.ok(active.names.has(name) && standby.names.has(name), name);
    assert.deepEqual([active.names.has('hanse_standbys'), standby.names.has('hanse_active_reached')], [true, true]);

    // A takeover: each scrape is answered, until it says that it is active and what an active one says.
    const scrapes = (async () => {
      for (let count = 1; ; count++) {
        const { role, names } = await scrape(second);
        if (role === 'active' && names.has('hanse_epoch')) return count;
        await wait(10);
      }
    })();
    await first.child.end('SIGKILL');
    await until('the second process is active', async () => (await second.role()) === 'active');
    assert.ok((await scrapes) > 5);
    await assert.rejects(scrape(first));
    assert.deepEqual([await statusAt(second), await leasesAt(second)], [[], []]);

    await first.start();
    await until('the first process stands by', async () => (await first.role()) === 'standby');
    assert.equal((await scrape(first)).role, 'standby');
    await until('it is listed', async () => isListed(await statusAt(second), first));

    // One that stands still is not there for who needs it.
    process.kill(first.child.pid, 'SIGSTOP');
    await until('a process that is stopped is not listed', async () => (await leasesAt(second)).length === 0, 10_000);
    process.kill(first.child.pid, 'SIGCONT');
    await until('it is listed again', async () => isListed(await leasesAt(second), first), 10_000);
    await first.child.end('SIGKILL');
    await until('a process that was killed is not listed', async () => (await leasesAt(second)).length === 0, 10_000);
    assert.equal(await second.role(), 'active');
  });
});
