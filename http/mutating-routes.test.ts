import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createEdge, finishEdge } from './app.ts';
import { asUser, createTestSite, errorOf } from './testing.ts';
import { V1_RESOURCES } from './v1/routes.ts';

function start() {
  const site = createTestSite();
  const edge = createEdge(site);
  for (const add of V1_RESOURCES) add(edge);
  return { site, routes: edge.routes, app: finishEdge(edge) };
}

/** Refused here whatever they are asked with (http/v1/switched-off.ts): there is nothing to repeat. */
const SWITCHED_OFF = new Set(['getVPNAuthKey', 'uploadFirmware', 'removeFirmware']);
/** Only reads, yet metal-api audits it. */
const AUDITED_READS = new Set(['issues']);

test('design.md §4, issue 5: every operation that changes something knows Idempotency-Key and dry run, below /v1 and /v2', async () => {
  const { site, routes, app } = start();
  const odd: string[] = [];
  let walked = 0;
  for (const route of routes) {
    const name = `${route.method.toUpperCase()} ${route.path} (${route.operation})`;
    if (route.effect === 'other' && !SWITCHED_OFF.has(route.operation)) odd.push(`${name}: neither key nor dry run`);
    const isAuditedRead = route.effect === 'read' && route.method !== 'get' && route.audited;
    if (isAuditedRead && !AUDITED_READS.has(route.operation)) odd.push(`${name}: audited, yet it only reads`);
    if (route.effect !== 'write') continue;
    walked++;
    const path = route.path.replace(/:[A-Za-z]+/g, 'x');
    const sendWith = async (headers: Record<string, string>, query = ''): Promise<string> => {
      const init = asUser('Metal-Admin', route.method.toUpperCase(), route.body === undefined ? undefined : {});
      const all = { ...(init.headers as Record<string, string>), ...headers };
      const answer = await app.request(`${path}${query}`, { ...init, headers: all });
      return `${answer.status} ${(await errorOf(answer)).message}`;
    };
    const keyed = await sendWith({ 'idempotency-key': 'a b' });
    if (!/^400 .*Idempotency-Key must have/.test(keyed)) odd.push(`${name}: a bad key is answered ${keyed}`);
    const isV2 = route.path.startsWith('/v2/');
    const dry = isV2 ? await sendWith({}, '?dryRun=maybe') : await sendWith({ 'x-hanse-dry-run': 'maybe' });
    if (!/^400 .*must be true or false/.test(dry)) odd.push(`${name}: a bad dry run is answered ${dry}`);
  }
  assert.deepEqual(odd, []);
  assert.deepEqual(site.asked, [], 'nothing was asked of anybody');
  assert.ok(walked >= 80, `${walked} operations`);
});
