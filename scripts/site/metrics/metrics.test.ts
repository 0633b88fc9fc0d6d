import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Registry } from 'prom-client';
import type { RouteDeclaration } from '../../../http/env.ts';
import { createRequestCounts } from './requests.ts';
import { register } from './sampled.ts';
import { serveMetrics } from './server.ts';
import { siteMetrics } from './site-metrics.ts';
import type { Figures } from './figures.ts';

const find: RouteDeclaration = { method: 'get', path: '/v1/machine/:id', role: 'view', operation: 'findMachine' };

async function scrape(registry: Registry): Promise<string[]> {
  return (await registry.metrics()).split('\n');
}

test('machines.md §19.4: requests are counted by metal-api’s names, too, its buckets are added up', async () => {
  const counts = createRequestCounts();
  const registry = new Registry();
  for (const metric of counts.metrics) register(registry, metric);
  counts.observe(find, 200, 3);
  counts.observe(find, 200, 300);
  counts.observe(find, 404, 20_000);
  counts.observeCall('/api.v1.BootService/Boot', 260);
  const lines = await scrape(registry);
  for (const line of [
    '# TYPE hanse_requests_total counter',
    'hanse_requests_total{operation="findMachine",method="GET",status="200"} 2',
    'hanse_requests_total{operation="findMachine",method="GET",status="404"} 1',
    'metal_api_requests_total{code="200",method="GET"} 2',
    '# TYPE metal_api_request_duration_seconds histogram',
    'metal_api_request_duration_seconds_bucket{route="/v1/machine/{id}",method="GET",le="0.25"} 1',
    'metal_api_request_duration_seconds_bucket{route="/v1/machine/{id}",method="GET",le="0.5"} 2',
    'metal_api_request_duration_seconds_bucket{route="/v1/machine/{id}",method="GET",le="10"} 2',
    'metal_api_request_duration_seconds_bucket{route="/v1/machine/{id}",method="GET",le="+Inf"} 3',
    'metal_api_request_duration_seconds_sum{route="/v1/machine/{id}",method="GET"} 20.303',
    'metal_api_request_duration_seconds_count{route="/v1/machine/{id}",method="GET"} 3',
    'metal_api_grpc_request_duration_seconds_bucket{method="/api.v1.BootService/Boot",le="0.25"} 0',
    'metal_api_grpc_request_duration_seconds_bucket{method="/api.v1.BootService/Boot",le="0.5"} 1',
    'metal_api_grpc_request_duration_seconds_count{method="/api.v1.BootService/Boot"} 1',
  ])
    assert.ok(lines.includes(line), line);
});

const figures = (): Figures => ({
  shards: [],
  kinds: [{ scope: 'partition:muc', kind: 'machine', resident: 8, busy: 1, inbox: 2, waiting: 0, held: 0, crashes: 0 }],
  turns: [{ kind: 'machine', timesMs: [3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], totalMs: 2_000 }],
  quarantined: 2,
  quarantineLost: 5,
  admission: { limit: 512, inFlight: 7, refused: { share: 3, limit: 1_400, overloaded: 28 }, delayMs: 12 },
  restarts: 1,
  presences: [
    { shard: 0, startOvers: 0, lately: 0, awayMs: null, isStartingOver: false },
    { shard: 1, startOvers: 4, lately: 1, awayMs: 20, isStartingOver: true },
  ],
  links: [{ site: 'fra', partitions: ['fra'], up: false, roundTripMs: null, driftMs: null, lastFailure: 'cut' }],
  standbys: 1,
  bus: { isCatchingUp: false, held: 0, waiting: 3, nsqd: 'none' },
  blocks: { open: 0, networks: [] },
  health: undefined,
  streams: [],
  cursors: [],
});

test('reliability.md §10: overload is seen: admission, turns and quarantine are among the figures; what is not known is left out', async () => {
  const registry = new Registry();
  for (const metric of siteMetrics(() => Promise.resolve(figures()))) register(registry, metric);
  const lines = await scrape(registry);
  assert.ok(lines.includes('hanse_mailbox_messages{scope="partition:muc",kind="machine"} 2'));
  for (const line of [
    'hanse_link_up{peer="fra"} 0',
    'hanse_standbys 1',
    'hanse_admission_limit 512',
    'hanse_admission_in_flight 7',
    '# TYPE hanse_admission_refused_total counter',
    'hanse_admission_refused_total{reason="limit"} 1400',
    'hanse_admission_refused_total{reason="share"} 3',
    'hanse_admission_refused_total{reason="overloaded"} 28',
    'hanse_admission_delay_seconds 0.012',
    'hanse_quarantined 2',
    '# TYPE hanse_quarantine_lost_total counter',
    'hanse_quarantine_lost_total 5',
    'hanse_shard_restarts_total 1',
    '# TYPE hanse_shard_start_overs_total counter',
    'hanse_shard_start_overs_total{shard="0"} 0',
    'hanse_shard_start_overs_total{shard="1"} 4',
    'hanse_turn_seconds_bucket{kind="machine",le="0.0001"} 3',
    'hanse_turn_seconds_bucket{kind="machine",le="+Inf"} 4',
    'hanse_turn_seconds_sum{kind="machine"} 2',
  ])
    assert.ok(lines.includes(line), line);
  assert.ok(!lines.some((line) => line.startsWith('hanse_link_round_trip_seconds{')));
});

test('design.md §6: how long a partition can go on when it is cut off, by network and family; 0 when nothing is left', async () => {
  const network = {
    network: 'internet',
    home: 'fra',
    prefixes: ['203.0.113.0/24', '2001:db8::/64'],
    isHome: false,
    ledger: [],
    holdings: [],
    wants: [],
    used: { muc: 12 },
    hoursLeft: { muc: { IPv4: 8.5, IPv6: null }, ber: { IPv4: 0 } },
  };
  const registry = new Registry();
  const sampled = { ...figures(), blocks: { open: 0, networks: [network] } };
  for (const metric of siteMetrics(() => Promise.resolve(sampled))) register(registry, metric);
  const left = (await scrape(registry)).filter((line) => line.startsWith('hanse_cut_off_hours_left{'));
  assert.deepEqual(left, [
    'hanse_cut_off_hours_left{network="internet",partition="muc",family="IPv4"} 8.5',
    'hanse_cut_off_hours_left{network="internet",partition="ber",family="IPv4"} 0',
  ]);
});

test('the scrape port serves GET /metrics and nothing else', async () => {
  const registry = new Registry();
  register(registry, { name: 'x', help: 'x', type: 'gauge', samples: () => [{ labels: {}, value: 1 }] });
  const server = await serveMetrics(registry, { host: '127.0.0.1', port: 0 });
  try {
    const at = `http://127.0.0.1:${server.port}`;
    const answer = await fetch(`${at}/metrics`);
    assert.equal(answer.status, 200);
    assert.match(answer.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
    assert.match(await answer.text(), /^x 1$/m);
    assert.equal((await fetch(`${at}/`)).status, 404);
    assert.equal((await fetch(`${at}/metrics`, { method: 'POST' })).status, 404);
    await assert.rejects(serveMetrics(registry, { host: '127.0.0.1', port: server.port }), { code: 'EADDRINUSE' });
  } finally {
    await server.stop();
  }
});
