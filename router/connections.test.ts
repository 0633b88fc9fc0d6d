import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { test } from 'node:test';
import { connectionLimit, limitConnections, openFileLimit } from './connections.ts';

test('clients take at most half of the files that a process may have open, and ten thousand', () => {
  assert.equal(
    openFileLimit('Limit    Soft Limit\nMax open files            1024                 4096      files\n'),
    1_024,
  );
  assert.equal(openFileLimit(''), Infinity);
  assert.deepEqual([1_024, 1_048_576, Infinity].map(connectionLimit), [512, 10_000, 10_000]);
});

test('one too many is closed, once a minute somebody hears of it, and a place that is left is taken', async () => {
  const said: string[] = [];
  let nowMs = 0;
  const server = createServer();
  limitConnections(
    server,
    (what) => said.push(what),
    1,
    () => nowMs,
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const open = () => connect(port, '127.0.0.1').on('error', () => {});
  const first = open();
  await once(server, 'connection');
  for (const at of [0, 1_000, 60_000]) {
    nowMs = at;
    const refused = open();
    refused.resume();
    await once(refused, 'close');
  }
  assert.deepEqual(said, Array(2).fill('more than 1 connections are open at once: further ones are closed'));
  first.destroy();
  await once(first, 'close');
  while ((await count(server)) > 0) await new Promise((resolve) => setImmediate(resolve));
  const next = open();
  await once(server, 'connection');
  next.destroy();
  server.close();
});

const count = (server: ReturnType<typeof createServer>): Promise<number> =>
  new Promise((resolve) => server.getConnections((_, connections) => resolve(connections)));
