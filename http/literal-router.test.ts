import { test } from 'node:test';
import assert from 'node:assert/strict';
import { TrieRouter } from 'hono/router/trie-router';
import { createLiteralRouter } from './literal-router.ts';

test('finds what Hono’s own router finds, also the second time, and after another route was added', () => {
  const ours = createLiteralRouter<string>();
  const theirs = new TrieRouter<string>();
  const add = (method: string, path: string): void => {
    for (const router of [ours, theirs]) router.add(method, path, `${method} ${path}`);
  };
  const compare = (): void => {
    for (const method of ['GET', 'POST', 'PATCH']) {
      for (const path of ['/v1/ip', '/v1/ip/find', '/v1/ip/10.0.0.1', '/v1/ip/free/a', '/v1/nothing', '/']) {
        assert.deepEqual(ours.match(method, path), theirs.match(method, path), `${method} ${path}`);
      }
    }
  };
  add('GET', '/v1/ip');
  add('POST', '/v1/ip/find');
  add('GET', '/v1/ip/:id');
  add('POST', '/v1/ip/free/:id');
  compare();
  compare();
  add('ALL', '/v1/*');
  add('POST', '/v1/ip');
  compare();
});
