import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { test } from 'node:test';
import { withinOf } from '../actors/asker.ts';
import { askerOf, readRequestBody } from './socket-io.ts';

test('reliability.md §10: a client’s Request-Timeout, in seconds, caps the time of its request', () => {
  let nowMs = 0;
  const asking = (value?: string, arrivedMs?: number) => {
    const headers = value === undefined ? {} : { 'request-timeout': value };
    return askerOf({ req: { headers }, closed: false } as ServerResponse, arrivedMs, () => nowMs);
  };
  const [short, long, none, odd] = [asking('1.5'), asking('90'), asking(), asking('soon')];
  assert.deepEqual(
    [short, long, none, odd].map((asker) => withinOf(asker, 30_000)),
    [1_500, 30_000, 30_000, 30_000],
  );
  for (const text of ['', '-1', '0x10', '1, 2', 'Infinity']) {
    assert.equal(asking(text).remainingMs, Infinity, `${JSON.stringify(text)} says nothing`);
  }
  assert.equal(asking('0').remainingMs, 0);
  nowMs = 2_000;
  assert.equal(withinOf(asking('1.5', 1_000), 30_000), 500, 'it waited since it came');
  assert.deepEqual([withinOf(short, 30_000), short.isGone], [-500, false]);
});

test('a body is read to its end: of a request that waited without listening, of any other as it comes', async (t) => {
  const seen: Array<{ body: string; listeners: number }> = [];
  let ends = 0;
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    request.once('end', () => ends++);
    if (request.url === '/waits') while (!request.complete) await new Promise((resolve) => setImmediate(resolve));
    const body = await readRequestBody(request, 16);
    const text = typeof body === 'string' ? `refused: ${body}` : Buffer.from(body).toString();
    seen.push({ body: text, listeners: request.listenerCount('data') });
    response.end();
  };
  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  t.after(() => socket.destroy());
  const send = async (path: string, header: string, ...pieces: string[]): Promise<void> => {
    const answered = once(socket, 'data');
    const asked = once(server, 'request');
    const [first = '', ...others] = pieces;
    socket.write(`POST ${path} HTTP/1.1\r\nhost: x\r\n${header}\r\n\r\n${first}`);
    await asked;
    for (const piece of others) socket.write(piece);
    await answered;
  };
  const chunked = 'transfer-encoding: chunked';
  await send('/', 'content-length: 2', '{}');
  await send('/', 'content-length: 5', '', 'later');
  await send('/waits', 'content-length: 2', '{}');
  await send('/waits', 'content-length: 5', 'lat', 'er');
  await send('/waits', chunked, '3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n');
  await send('/waits', chunked, '11\r\n12345678901234567\r\n0\r\n\r\n');
  await send('/waits', chunked, '0\r\n\r\n');
  await send('/waits', 'content-length: 0');
  assert.deepEqual(seen, [
    { body: '{}', listeners: 1 },
    { body: 'later', listeners: 1 },
    { body: '{}', listeners: 0 },
    { body: 'later', listeners: 0 },
    { body: 'abcde', listeners: 0 },
    { body: 'refused: too-large', listeners: 0 },
    { body: '', listeners: 0 },
    { body: '', listeners: 0 },
  ]);
  assert.ok(ends >= 7, 'else the server takes a body for one that nobody wants');
});
