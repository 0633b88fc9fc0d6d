import assert from 'node:assert/strict';
import { performance } from 'node:perf_hooks';
import { setTimeout as wait } from 'node:timers/promises';
import { test } from '../../storage/testing/register.ts';
import { callApi } from '../api-client.ts';
import { until } from './child.ts';
import { seedPlace, addNetwork } from './seed.ts';
import { withSitePair, type SitePair, type SiteProcess } from './site-pair.ts';

interface Ip {
  ipaddress: string;
}

/** Milliseconds until a write is acknowledged, tried without pause at the process itself. */
async function untilWritten(pair: SitePair, at: SiteProcess, project: string): Promise<number> {
  const from = performance.now();
  let address = '';
  await until(
    `${at.name} acknowledges a write`,
    async () => {
      const answer = await callApi(
        at.url,
        pair.site.credentials(),
        'POST',
        '/v1/ip/allocate',
        { networkid: 'probe', projectid: project },
        { timeoutMs: 5_000 },
      );
      if (answer.status === 201) address = (JSON.parse(answer.text) as Ip).ipaddress;
      return answer.status === 201;
    },
    20_000,
    10,
  );
  const tookMs = performance.now() - from;
  await pair.site.call('DELETE', `/v1/ip/free/${address}`);
  return tookMs;
}

test('design.md §2, §5: a standby passes on, takes over after kill -9, after a stall and at once after a stop', async () => {
  await withSitePair({}, async (pair) => {
    const seeded = await seedPlace(pair.plant, pair.site, 'muc');
    await addNetwork(pair.site, seeded, 'probe', '172.31.9.0/24');
    await pair.untilBoth();
    const [first, second] = pair.processes;

    // What a standby says of itself, and passes on.
    const at = (process: SiteProcess, method: string, path: string, body?: unknown) =>
      callApi(process.url, pair.site.credentials(), method, path, body, { timeoutMs: 10_000 });
    assert.equal(await second.role(), 'standby');
    assert.equal((await at(second, 'GET', '/healthz')).text, 'alive');
    const health = JSON.parse((await at(second, 'GET', '/v1/health')).text) as { status: string; message: string };
    assert.equal(health.status, 'healthy');
    assert.match(health.message, /standing by/);
    assert.equal((await at(second, 'GET', '/v1/partition/muc')).status, 200);
    const made = await at(second, 'POST', '/v1/ip/allocate', { networkid: 'probe', projectid: seeded.project });
    assert.equal(made.status, 201, made.text);
    assert.equal((await at(second, 'DELETE', `/v1/ip/free/${(JSON.parse(made.text) as Ip).ipaddress}`)).status, 200);

    // Killed.
    await first.child.end('SIGKILL');
    const killedMs = await untilWritten(pair, second, seeded.project);
    assert.ok(killedMs < 20_000, `takeover after kill -9 took ${killedMs} ms`);
    await first.start();
    assert.equal(await first.role(), 'standby');
    await pair.untilBoth();

    // Stalled for longer than its lease: it writes nothing afterwards, says so in one line, and ends.
    process.kill(second.child.pid, 'SIGSTOP');
    const stalledMs = await untilWritten(pair, first, seeded.project);
    assert.ok(stalledMs < 20_000, `takeover from a stalled process took ${stalledMs} ms`);
    process.kill(second.child.pid, 'SIGCONT');
    await second.child.untilEnded();
    assert.equal(second.child.ended, 70);
    const lines = second.child
      .log()
      .split('\n')
      .filter((line) => line.includes('"fenced"'));
    assert.equal(lines.length, 1, lines.join('\n'));
    const said = JSON.parse(lines[0]!) as { epoch: number; standing: number };
    assert.ok(said.standing > said.epoch, lines[0]);
    await second.start();
    await pair.untilBoth();

    // Stopped in order: the lease is given back, clients of the router see no error but a pause.
    const stopping = first.child.end('SIGTERM');
    await wait(20);
    const stoppedMs = await untilWritten(pair, second, seeded.project);
    await stopping;
    assert.equal(first.child.ended, 0);
    assert.ok(stoppedMs < 20_000, `takeover after a stop took ${stoppedMs} ms`);
    console.log(
      `takeover: after kill -9 ${Math.round(killedMs)} ms, from a stalled process ${Math.round(stalledMs)} ms, after a stop ${Math.round(stoppedMs)} ms`,
    );
  });
});
