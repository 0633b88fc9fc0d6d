import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { test } from 'node:test';
import { createVirtualWorld } from '../../../actors/runtime/virtual-world.ts';
import type { LeaseHolder } from '../../../actors/ports.ts';
import { openProcessMetrics, type ProcessMetricsOptions } from './process-metrics.ts';
import { register } from './sampled.ts';

const OTHER: LeaseHolder = { site: 'muc', process: 'there:1:0', host: 'there', pid: 1 };
const HOST = '127.0.0.1';

function start(port: number) {
  const said: string[] = [];
  const say = (_fields: object, what: string): void => void said.push(what);
  const world = createVirtualWorld();
  const lease: { wasTaken: boolean; holder: LeaseHolder | undefined; endsInMs: number | undefined } = {
    wasTaken: false,
    holder: undefined,
    endsInMs: undefined,
  };
  const options: ProcessMetricsOptions = {
    site: 'muc',
    process: 'here:2:0',
    version: '1.0.0',
    lease,
    isActiveReached: () => true,
    at: { host: HOST, port },
    world,
    log: { info: say, warn: say },
  };
  return { said, world, lease, metrics: openProcessMetrics(options) };
}

async function until(isSo: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 5_000; !isSo() && Date.now() < deadline;)
    await new Promise((resolve) => setTimeout(resolve, 10));
  assert.ok(isSo());
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, HOST);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

const scrape = async (port: number): Promise<string[]> =>
  (await (await fetch(`http://${HOST}:${port}/metrics`)).text())
    .split('\n')
    .filter((line) => line.startsWith('hanse_'));

test('design.md §2: a process is scraped before it knows of a lease, while it stands by, and on the same port once it is active', async () => {
  const port = await freePort();
  const { lease, metrics } = start(port);
  try {
    await until(() => metrics.port === port);
    const always = 'hanse_info{version="1.0.0",process="here:2:0",site="muc"} 1';
    const standing = [
      always,
      'hanse_process_role{role="active",site="muc"} 0',
      'hanse_process_role{role="standby",site="muc"} 1',
    ];
    assert.deepEqual(await scrape(port), [...standing, 'hanse_active_reached{site="muc"} 1']);
    Object.assign(lease, { holder: OTHER, endsInMs: 1_200 });
    assert.deepEqual(await scrape(port), [
      ...standing,
      'hanse_lease_remaining_seconds{holder="there:1:0",site="muc"} 1.2',
      'hanse_active_reached{site="muc"} 1',
    ]);
    Object.assign(lease, { wasTaken: true, holder: undefined, endsInMs: 1_500 });
    register(metrics.registry, {
      name: 'hanse_actors',
      help: 'x',
      type: 'gauge',
      samples: () => [{ labels: {}, value: 3 }],
    });
    assert.deepEqual(await scrape(port), [
      always,
      'hanse_process_role{role="active",site="muc"} 1',
      'hanse_process_role{role="standby",site="muc"} 0',
      'hanse_lease_remaining_seconds{holder="here:2:0",site="muc"} 1.5',
      'hanse_actors{site="muc"} 3',
    ]);
  } finally {
    await metrics.stop();
  }
});

test('design.md §2: a port that the active process of the same machine has is had once that has ended; it is told once', async () => {
  const first = createServer().listen(0, HOST);
  await once(first, 'listening');
  const { port } = first.address() as AddressInfo;
  const { said, world, metrics } = start(port);
  const isServed = (): boolean => {
    world.run(world.monotonicMs() + 1_000);
    return metrics.port === port;
  };
  try {
    await until(() => said.length === 1);
    for (let looks = 0; looks < 5; looks++) {
      assert.ok(!isServed());
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    first.close();
    await once(first, 'close');
    await until(isServed);
    assert.equal((await scrape(port)).length, 4);
    assert.deepEqual([said.length, /another process has it/.test(said[0] ?? '')], [2, true], said.join('\n'));
  } finally {
    await metrics.stop();
  }
});

test('port 0 is nowhere', async () => {
  const { metrics } = start(0);
  assert.equal(metrics.port, null);
  await metrics.stop();
});
