import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAdmission, createGate } from '../../http/admission.ts';
import type { IncomingRequest } from '../../router/link/serve.ts';
import type { LinkResponse, Peer } from '../../router/link/link.ts';
import { answerPeers, type Role } from './role.ts';

const asker = { isGone: false, remainingMs: Infinity, whenGone: () => () => {} };
const head = { method: 'POST', path: '/v2/nothing', headers: [] };

function site(budget = { left: Infinity }, more: Partial<Role> = {}) {
  const admission = createAdmission({ world: { monotonicMs: () => 0, random: () => 0 } });
  const role: Role = {
    beforeApp: ({ body }) => ({ status: 200, headers: [], body }),
    app: { fetch: () => assert.fail('it was answered before') },
    ...more,
  };
  const answer = answerPeers(() => role, createGate(admission, '/'), budget);
  const send = (body: IncomingRequest['body']): Promise<LinkResponse> =>
    answer({ ...head, body, asker }, { name: 'router' } as unknown as Peer);
  return { admission, budget, send };
}

async function* pieces(...bytes: Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* bytes;
}

/** Sends a piece, and the rest when it is told to. */
async function* slow(rest: Promise<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield Buffer.from('a');
  yield await rest;
}

const textOf = ({ status, body }: LinkResponse): [number, string] => [
  status,
  Buffer.from(body as Uint8Array).toString(),
];

test('reliability.md F20: a body that is long in coming over a link takes nobody’s place', async () => {
  const { admission, budget, send } = site({ left: 1_000 });
  let end = (_rest: Uint8Array): void => {};
  const rest = new Promise<Uint8Array>((resolve) => (end = resolve));
  const waiting = Array.from({ length: admission.state.limit }, () => send(slow(rest)));
  assert.deepEqual(textOf(await send(pieces(Buffer.from('b')))), [200, 'b']);
  assert.deepEqual([admission.state.inFlight, budget.left], [0, 1_000 - waiting.length]);
  end(Buffer.from('c'));
  assert.deepEqual(textOf(await waiting[0]!), [200, 'ac']);
  await Promise.all(waiting);
  assert.deepEqual([admission.state.inFlight, budget.left], [0, 1_000]);
});

test('a body over a link that is too long, or for which there is no room, is answered in the encoding of v1', async () => {
  const { admission, budget, send } = site({ left: 2 << 20 });
  const [status, text] = textOf(await send(pieces(new Uint8Array(1 << 20), new Uint8Array(1))));
  assert.deepEqual(
    [status, JSON.parse(JSON.parse(text) as string)],
    [413, { statuscode: 413, message: 'the request body is larger than 1048576 bytes' }],
  );
  budget.left = 1;
  const full = await send(pieces(new Uint8Array(2)));
  assert.equal(full.status, 503);
  assert.deepEqual(
    full.headers.find(([name]) => name === 'x-refused-because'),
    ['x-refused-because', 'overloaded'],
  );
  assert.deepEqual([budget.left, admission.state.inFlight], [1, 0]);
  assert.deepEqual(admission.state.refused, { share: 0, limit: 0, overloaded: 1 });
});

test('reliability.md §10: a request over a link that is refused for overload is counted, by the process that refuses it', async () => {
  const busy = { status: 503, headers: [['x-refused-because', 'overloaded']] as Array<[string, string]>, body: null };
  const asked = (role: Partial<Role>) => {
    const made = site({ left: Infinity }, role);
    return { ...made, counted: async () => (await made.send(pieces()), made.admission.state.refused.overloaded) };
  };
  assert.equal(await asked({ beforeApp: () => busy }).counted(), 1);
  assert.equal(
    await asked({ beforeApp: () => ({ ...busy, isPassedOn: true }) }).counted(),
    0,
    'the other one counts it',
  );
  const app: Role['app'] = { fetch: () => new Response(null, { status: 503, headers: busy.headers }) };
  assert.equal(await asked({ beforeApp: () => undefined, app }).counted(), 1);
  const starting = { ...busy, headers: [['x-refused-because', 'starting']] as Array<[string, string]> };
  assert.equal(await asked({ beforeApp: () => starting }).counted(), 0);
});
