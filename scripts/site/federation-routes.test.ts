import assert from 'node:assert/strict';
import { test } from 'node:test';
import { unprocessable } from '../../actors/refusal.ts';
import { createApp } from '../../http/app.ts';
import { clientOf, createTestSite } from '../../http/testing.ts';
import { addFederationRoutes, type FederationRoutes } from './federation-routes.ts';

const STANDBY = { process: 'there:7:0', urls: ['http://there:8080/'], links: [], startedAtMs: 5, seenAtMs: 9 };

function start(restored: readonly string[] | null = null) {
  const done: string[] = [];
  const joins: FederationRoutes['joins'] = {
    invitation: () => ({ addresses: ['muc.example:8443'] }),
    invite: () => (done.push('invite'), 'hanse1.token'),
    prospect: (token) =>
      token === 'own'
        ? { outcome: 'refused', reasons: [{ kind: 'Self', message: 'token: it was made by site a itself' }] }
        : {
            outcome: 'asks',
            token: { id: 'i', secret: 's', fingerprint: 'f', addresses: ['fra.example:8443'], expiresAtMs: 0 },
          },
    joinWith: () => (done.push('join'), Promise.resolve({ outcome: 'joined', skewMs: 0 })),
  };
  const blocks: FederationRoutes['blocks'] = {
    restored: restored && { missing: restored },
    closedBlocks: () => Promise.resolve(3),
    acceptLoss: () => (done.push('accept'), Promise.resolve({ blocks: 3 })),
  };
  const add = addFederationRoutes({
    joins,
    federation: { status: () => [] },
    standbys: () => [STANDBY],
    blocks,
    restart: () => void done.push('restart'),
  });
  const call = clientOf(createApp(createTestSite(), { more: [add] }));
  const dry = async (path: string, body?: unknown): Promise<[status: number, answer: unknown]> => {
    const answer = await call('Metal-Admin', 'POST', `/v2/federation/${path}?dryRun=true`, body);
    return [answer.status, (answer.body as { answer?: unknown }).answer ?? answer.body];
  };
  return { done, joins, call, dry };
}

test('reliability.md I18: dry runs of the federation say what would be done or which rule refuses, and do nothing', async () => {
  const { done, dry, joins } = start();
  assert.deepEqual(await dry('invite'), [200, { addresses: ['muc.example:8443'] }]);
  assert.deepEqual(await dry('join', { token: 'good' }), [200, { asks: ['fra.example:8443'] }]);
  const [status, own] = await dry('join', { token: 'own' });
  assert.deepEqual([status, JSON.stringify(own).includes('made by site a itself')], [422, true]);
  assert.deepEqual(await dry('accept-loss', {}), [200, { blocks: 3, without: [] }]);
  joins.invitation = () => unprocessable('no address of this site is known');
  assert.equal((await dry('invite'))[0], 422);

  const cut = start(['site fra: cut']);
  assert.equal((await cut.dry('accept-loss', {}))[0], 409);
  assert.deepEqual(await cut.dry('accept-loss', { without: true }), [200, { blocks: 3, without: ['site fra: cut'] }]);
  assert.deepEqual([...done, ...cut.done], []);
});

test('what they do they do without a dry run', async () => {
  const { done, call } = start();
  assert.deepEqual((await call('Metal-Admin', 'POST', '/v2/federation/invite')).body, { token: 'hanse1.token' });
  await call('Metal-Admin', 'POST', '/v2/federation/accept-loss', {});
  await call('Metal-Admin', 'POST', '/v2/federation/join', { token: 'good' });
  assert.deepEqual(done, ['invite', 'accept', 'join', 'restart']);
});

test('design.md §2: the federation names the processes of this site that stand by', async () => {
  const { body } = await start().call('Metal-Admin', 'GET', '/v2/federation');
  assert.deepEqual((body as { standbys: unknown }).standbys, [STANDBY]);
});
