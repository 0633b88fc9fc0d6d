import test from 'node:test';
import assert from 'node:assert/strict';
import type { Located } from '../../router/locate.ts';
import type { HttpAnswer, HttpRequest } from '../../router/message.ts';
import { placedFirst } from './placed-first.ts';

const request = (method: string, path: string): HttpRequest =>
  ({ method, path, headers: [], body: new Uint8Array(), via: 'client' }) as unknown as HttpRequest;

test('a request is located after what it names was looked up, and only while the index is not whole', async () => {
  const said: string[] = [];
  const filling = {
    isWhole: false,
    sure(what: object) {
      const { at } = what as Located;
      if (typeof at !== 'object' || at.by !== 'machine') return undefined;
      return Promise.resolve().then(() => void said.push(`looked up ${at.id}`));
    },
  };
  const forward = { beforeApp: ({ path }: HttpRequest) => void said.push(`located ${path}`) };
  const before = placedFirst(filling, forward, '/');
  await before(request('GET', '/v1/machine/m1'));
  assert.deepEqual(said.splice(0), ['looked up m1', 'located /v1/machine/m1']);
  assert.equal(before(request('GET', '/v1/version')), undefined, 'at once');
  assert.deepEqual(said.splice(0), ['located /v1/version']);
  filling.isWhole = true;
  assert.equal(before(request('GET', '/v1/machine/m1')), undefined, 'at once');
  assert.deepEqual(said.splice(0), ['located /v1/machine/m1']);
});

test('a place that the database does not tell is 503, not 404', async () => {
  const filling = { isWhole: false, sure: () => Promise.reject(new Error('no connection')) };
  const forward = { beforeApp: () => assert.fail('nobody knows where it belongs') };
  const answer = (await placedFirst(filling, forward, '/')(request('GET', '/v1/machine/m1'))) as HttpAnswer;
  assert.equal(answer.status, 503);
  assert.match(Buffer.from(answer.body as Uint8Array).toString(), /no connection/);
});
