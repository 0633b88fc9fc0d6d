import { after, test } from 'node:test';
import assert from 'node:assert/strict';
import { createServer, request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { CLOCK_TOLERANCE_MS, createAuthority, issueCertificate } from './certificates.ts';
import { joinFederation, type JoinOutcome, type JoinWishes } from './join-client.ts';
import { serveJoins, TOKEN_HEADER, type JoinDecision, type JoinRequest } from './join-exchange.ts';
import { JOIN_PATH, listenForPeers } from './listen.ts';
import { createSealingKeys } from './sealing.ts';
import { createToken, isTokenRefusal, parseToken, type JoinToken, type TokenRecord } from './token.ts';
import { federation, processOf } from './tls.fixture.ts';

const cleanups: (() => void | Promise<void>)[] = [];
after(async () => {
  for (const cleanup of cleanups.toReversed()) await cleanup();
});

/** A federation's site that takes joins, with its tokens in memory. */
async function host(decide: (request: JoinRequest) => JoinDecision, wallMs: () => number = Date.now) {
  const records = new Map<string, TokenRecord>();
  const asked: JoinRequest[] = [];
  const peering = await processOf('muc');
  const listener = await listenForPeers(peering, {
    host: '127.0.0.1',
    port: 0,
    join: serveJoins({
      fingerprint: () => federation.fingerprint,
      findToken: async (id) => records.get(id),
      storeClaim: async (before, after) => {
        if (records.get(before.id) !== before) return false;
        records.set(after.id, after);
        return true;
      },
      releaseClaim: async (record) => void records.set(record.id, { ...record, claim: undefined }),
      onJoin: async (request) => {
        asked.push(request);
        return decide(request);
      },
      wallMs,
    }),
  });
  cleanups.push(
    () => listener.close(),
    () => peering.close(),
  );
  const issue = (changes: object = {}): JoinToken => {
    const wishes = { fingerprint: federation.fingerprint, addresses: [`127.0.0.1:${listener.port}`], nowMs: wallMs() };
    const { text, record } = createToken({ ...wishes, ...changes });
    records.set(record.id, record);
    const token = parseToken(text, wallMs());
    assert.ok(!isTokenRefusal(token));
    return token;
  };
  return { issue, asked, records, port: listener.port };
}

const keys = createSealingKeys();
const join = async (token: JoinToken, changes: Partial<JoinWishes> = {}): Promise<JoinOutcome> =>
  await joinFederation({
    token,
    keys,
    siteId: 'fra',
    partitionIds: ['fra'],
    inventory: { networks: ['n1'] },
    wallMs: Date.now,
    ...changes,
  });

const kinds = (outcome: JoinOutcome): string[] =>
  outcome.outcome === 'accepted' ? [] : outcome.reasons.map((one) => one.kind);

const payload = { authorityKey: federation.key, hmac: [['view', 'k1']], roster: [{ site: 'muc' }] };

test('a site joins without a certificate: the authority is pinned, the secrets come sealed', async () => {
  const { issue, asked, records } = await host(() => ({ accept: payload }));
  const token = issue();
  const outcome = await join(token);
  assert.ok(outcome.outcome === 'accepted', JSON.stringify(outcome));
  assert.deepEqual(outcome.payload, payload);
  assert.ok(Math.abs(outcome.skewMs) < 5_000);
  const issued = await issueCertificate(
    { cert: outcome.authorityCert, key: federation.key },
    { commonName: 'fra', kind: 'site', siteId: 'fra' },
  );
  assert.match(issued.cert, /BEGIN CERTIFICATE/);
  assert.deepEqual(
    [asked[0]?.siteId, asked[0]?.partitionIds, asked[0]?.inventory],
    ['fra', ['fra'], { networks: ['n1'] }],
  );
  assert.equal(records.get(token.id)?.claim?.siteId, 'fra');
});

test('F27: repeating the same join finishes it; a token used by another is refused', async () => {
  const { issue } = await host(() => ({ accept: payload }));
  const token = issue();
  assert.equal((await join(token)).outcome, 'accepted');
  assert.equal((await join(token)).outcome, 'accepted');
  assert.deepEqual(kinds(await join(token, { keys: createSealingKeys() })), ['Used']);
  assert.deepEqual(kinds(await join(token, { siteId: 'ber' })), ['Used']);
});

test('F27: of two that use a token at the same moment one joins', async () => {
  const { issue } = await host(() => ({ accept: payload }));
  const token = issue();
  const outcomes = await Promise.all(
    ['a', 'b', 'c'].map((siteId) => join(token, { siteId, keys: createSealingKeys() })),
  );
  assert.deepEqual(outcomes.map((one) => one.outcome).sort(), ['accepted', 'refused', 'refused']);
});

test('design.md §11: a refused join lists each collision, and leaves the token usable', async () => {
  const reasons = [
    { kind: 'Partition', message: 'partition fra exists at site muc' },
    { kind: 'Network', message: 'network internet exists at site muc', details: { id: 'internet' } },
  ];
  let refuse = true;
  const { issue } = await host(() => (refuse ? { refuse: reasons } : { accept: payload }));
  const token = issue();
  const outcome = await join(token);
  assert.ok(outcome.outcome === 'refused');
  assert.deepEqual(outcome.reasons, reasons);
  refuse = false;
  assert.equal((await join(token, { keys: createSealingKeys() })).outcome, 'accepted');
});

test('F27: expired, unknown, meant for another site, another authority than the server has', async () => {
  let nowMs = Date.now();
  const { issue, asked, records } = await host(
    () => ({ accept: payload }),
    () => nowMs,
  );
  const token = issue({ lifetimeMs: 1_000 });
  assert.deepEqual(kinds(await join({ ...token, secret: 'x'.repeat(43) })), ['Unknown']);
  assert.deepEqual(kinds(await join(issue({ siteId: 'ber' }))), ['NotAllowed']);
  const moved = issue();
  const record = records.get(moved.id);
  assert.ok(record !== undefined);
  records.set(moved.id, { ...record, fingerprint: 'ab'.repeat(32) });
  assert.deepEqual(kinds(await join(moved)), ['OtherAuthority']);
  nowMs += 2_000;
  assert.deepEqual(kinds(await join(token)), ['Expired']);
  assert.equal(asked.length, 0);
});

test('a man in the middle with another authority hears no secret; the next address is tried', async () => {
  const { issue, port } = await host(() => ({ accept: payload }));
  const other = await createAuthority('hanse federation');
  const { cert, key } = await issueCertificate(other, { commonName: 'muc', kind: 'site', siteId: 'muc' });
  let heard = 0;
  // It shows its own leaf with the true authority beside it, and its own chain.
  for (const chain of [`${cert}\n${other.cert}`, `${cert}\n${federation.cert}`, cert]) {
    const server = createServer({ cert: chain, key }, () => (heard += 1));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const caught = await join(issue({ addresses: [address] }));
    assert.equal(caught.outcome, 'unreachable');
    assert.deepEqual(kinds(caught), ['OtherAuthority']);
    assert.equal((await join(issue({ addresses: [address, `127.0.0.1:${port}`] }))).outcome, 'accepted');
    server.closeAllConnections();
    server.close();
  }
  assert.equal(heard, 0);
});

test('an agent of the federation can not pose as the site that takes joins', async () => {
  const { issue } = await host(() => ({ accept: payload }));
  const { cert, key } = await issueCertificate(federation, { commonName: 'leaf01', kind: 'agent' });
  const server = createServer({ cert: `${cert}\n${federation.cert}`, key }, () => assert.fail('it heard something'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const outcome = await join(issue({ addresses: [`127.0.0.1:${(server.address() as AddressInfo).port}`] }));
  assert.deepEqual(kinds(outcome), ['OtherAuthority']);
  server.close();
});

test('reliability.md §9: clocks 10 minutes apart join, and the difference is told', async () => {
  const aheadMs = CLOCK_TOLERANCE_MS - 5_000;
  const { issue } = await host(
    () => ({ accept: payload }),
    () => Date.now() + aheadMs,
  );
  const outcome = await join(issue());
  assert.ok(outcome.outcome === 'accepted' && Math.abs(outcome.skewMs - aheadMs) < 5_000);
});

test('a failing federation, a stopped one and nonsense are answered in sentences', async () => {
  const failing = await host(() => {
    throw new Error('the database is down');
  });
  const outcome = await join(failing.issue());
  assert.deepEqual(kinds(outcome), ['Failed']);
  assert.doesNotMatch(JSON.stringify(outcome), /database/);
  assert.deepEqual(kinds(await join(failing.issue({ addresses: ['127.0.0.1:9'] }))), ['Unreachable']);
  assert.deepEqual(kinds(await join(failing.issue(), { siteId: '' })), ['Malformed']);
  assert.deepEqual(kinds(await join(failing.issue(), { keys: { ...keys, publicKey: Uint8Array.of(1) } })), [
    'Malformed',
  ]);
  const status = async (method: string, path: string, token: string): Promise<number | undefined> =>
    await new Promise((resolve, reject) => {
      const options = {
        port: failing.port,
        method,
        path,
        rejectUnauthorized: false,
        headers: { [TOKEN_HEADER]: token },
      };
      const request = httpsRequest(options, (response) => {
        response.resume();
        response.on('end', () => resolve(response.statusCode));
      });
      request.on('error', reject);
      request.end(method === 'POST' ? 'nonsense' : undefined);
    });
  assert.equal(await status('GET', JOIN_PATH, ''), 405);
  assert.equal(await status('POST', JOIN_PATH, '..'), 409);
  const token = failing.issue();
  assert.equal(await status('POST', JOIN_PATH, `${token.id}.${token.secret}.${token.fingerprint}`), 409);
});
