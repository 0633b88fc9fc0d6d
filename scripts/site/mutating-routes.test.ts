import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Registry } from 'prom-client';
import { createApp } from '../../http/app.ts';
import type { RegisteredRoute } from '../../http/env.ts';
import { asUser, createTestSite, errorOf } from '../../http/testing.ts';
import { openInsight } from './insight.ts';
import { siteRoutes } from './routes.ts';

/** All that a site serves; whatever would change something besides the actors throws. */
function start() {
  const site = createTestSite();
  const untouched = new Proxy(
    {},
    {
      get: (_, name) => () => {
        throw new Error(`${String(name)} was called`);
      },
    },
  ) as never;
  const insight = openInsight({
    site,
    process: 'here:1',
    databaseUrl: 'postgres://nobody@127.0.0.1:1/nothing',
    auditHeapMb: 64,
    registry: new Registry(),
    host: untouched,
    admission: untouched,
    blocks: untouched,
    bus: untouched,
    federation: untouched,
    standbys: untouched,
    shards: 1,
  });
  let routes: RegisteredRoute[] = [];
  const app = createApp(site, {
    report: (error, operation) => assert.fail(`${operation}: ${String(error)}`),
    more: [
      (edge) => void (routes = edge.routes),
      ...siteRoutes({
        bus: untouched,
        insight,
        joins: untouched,
        federation: untouched,
        standbys: untouched,
        blocks: untouched,
        restart: () => assert.fail('restart'),
      }),
    ],
  });
  return { site, routes, app, stop: () => insight.stop() };
}

/** Refused here whatever they are asked with (http/v1/switched-off.ts): there is nothing to repeat. */
const SWITCHED_OFF = new Set(['getVPNAuthKey', 'uploadFirmware', 'removeFirmware']);
/** Only reads, yet metal-api audits it. */
const AUDITED_READS = new Set(['issues']);
/** Where none, or an empty one, has not the right form. */
const BODIES: Readonly<Record<string, unknown>> = { join: { token: 'hanse1.x' }, getVPNAuthKey: {} };

test('design.md §4, issue 5: every operation of a site that changes something knows dry run, and Idempotency-Key or says that it keeps none', async () => {
  const { site, routes, app, stop } = start();
  const odd: string[] = [];
  const walked = { write: 0, dry: [] as string[] };
  for (const route of routes) {
    const name = `${route.method.toUpperCase()} ${route.path} (${route.operation})`;
    if (route.effect === 'other' && !SWITCHED_OFF.has(route.operation)) odd.push(`${name}: no dry run`);
    const isAuditedRead = route.effect === 'read' && route.method !== 'get' && route.audited;
    if (isAuditedRead && !AUDITED_READS.has(route.operation)) odd.push(`${name}: audited, yet it only reads`);
    if (route.effect === 'read') continue;
    const path = route.path.replace(/:[A-Za-z]+/g, 'x');
    const sendWith = async (headers: Record<string, string>, query = ''): Promise<string> => {
      const body = BODIES[route.operation] ?? (route.body && {});
      const init = asUser('Metal-Admin', route.method.toUpperCase(), body);
      const all = { ...(init.headers as Record<string, string>), ...headers };
      const answer = await app.request(`${path}${query}`, { ...init, headers: all });
      return `${answer.status} ${(await errorOf(answer)).message}`;
    };
    const isV2 = route.path.startsWith('/v2/');
    const dry = isV2 ? await sendWith({}, '?dryRun=maybe') : await sendWith({ 'x-hanse-dry-run': 'maybe' });
    if (!/^400 .*must be true or false/.test(dry)) odd.push(`${name}: a bad dry run is answered ${dry}`);
    if (route.effect === 'write') {
      walked.write++;
      const keyed = await sendWith({ 'idempotency-key': 'a b' });
      if (!/^400 .*Idempotency-Key must have/.test(keyed)) odd.push(`${name}: a bad key is answered ${keyed}`);
    } else {
      if (route.effect === 'dry') walked.dry.push(route.operation);
      const keyed = await sendWith({ 'idempotency-key': 'a' });
      if (!/^422 .*without the header Idempotency-Key/.test(keyed)) odd.push(`${name}: a key is answered ${keyed}`);
    }
  }
  await stop();
  assert.deepEqual(odd, []);
  assert.deepEqual(site.asked, [], 'nothing was asked of anybody');
  assert.ok(walked.write >= 80, `${walked.write} operations`);
  assert.deepEqual(walked.dry.sort(), ['accept-loss', 'dropQuarantined', 'invite', 'join']);
});
