import assert from 'node:assert/strict';
import { test } from '../../storage/testing/register.ts';
import { callApi, errorMessage, signedHeaders } from '../api-client.ts';
import { auditDatabases } from './audit.ts';
import { withPlant } from './plant.ts';
import { head, sendRaw } from './raw.ts';

const MIB = 1 << 20;
const PATH = '/v1/ip/allocate';
const KEYS = 1_000_000;

type Pieces = Iterable<string | Uint8Array>;
/** What is sent, and what the answer must be: its status, and words of its message. */
type Case = readonly [what: string, pieces: Pieces, status: number, says: RegExp];

const TOO_LARGE = /larger than 1048576 bytes/;
const TOO_LONG_HEAD = /headers are larger than 16384 bytes/;
const NOT_HTTP = /not HTTP\/1\.1/;

function corpus(signed: (method: string) => Record<string, string>): Case[] {
  const json = { 'content-type': 'application/json' };
  const declared = (length: number | string): string =>
    head('POST', PATH, { ...json, 'content-length': String(length), ...signed('POST') });
  const body = (text: string | Buffer): Pieces => [declared(Buffer.byteLength(text)), text];
  const chunked = (): string => head('POST', PATH, { ...json, 'transfer-encoding': 'chunked', ...signed('POST') });
  function* flood(mib: number): Generator<string> {
    yield chunked();
    for (let i = 0; i < mib * 16; i++) yield `10000\r\n${'x'.repeat(65_536)}\r\n`;
    yield '0\r\n\r\n';
  }
  function* headerFlood(): Generator<string> {
    yield 'GET /v1/version HTTP/1.1\r\nhost: hanse\r\n';
    for (let i = 0; i < 1_000; i++) yield `x-${i}: ${'y'.repeat(1_000)}\r\n`;
  }
  const many = (count: number): string => `{${Array.from({ length: count }, (_, i) => `"${i}":1`).join(',')}}`;
  const nested = (levels: number): string => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;

  return [
    ['a body that is said to be larger than the limit', [declared(2 * MIB), 'x'], 413, TOO_LARGE],
    ['one that is sent in whole', [declared(2 * MIB), 'x'.repeat(2 * MIB)], 413, TOO_LARGE],
    ['one whose length nobody says', flood(8), 413, TOO_LARGE],
    ['a length of 10^15', [declared('1000000000000000'), 'x'], 413, TOO_LARGE],
    [`${KEYS} keys`, body(many(KEYS)), 413, TOO_LARGE],
    ['as many keys as the limit lets through', body(many(90_000)), 400, /networkid should not be empty/],
    ['brackets only', body('['.repeat(100_000)), 400, /deeper than 32 levels/],
    ['33 levels', body(nested(33)), 400, /deeper than 32 levels/],
    ['32 levels', body(nested(32)), 400, /networkid should not be empty/],
    ['bytes that are no UTF-8', body(Buffer.from('{"\xff\xfe":1}', 'latin1')), 400, /not JSON.*utf-8/],
    ['no JSON', body('hello'), 400, /not JSON: expected a value at line 1 column 1$/],
    ['JSON that ends too soon', body('{"networkid":"'), 400, /not JSON/],
    ['a NUL', body('{"networkid":"a\\u0000"}'), 400, /networkid: the character U\+0000/],
    ['half of a surrogate pair', body('{"name":"\\ud800"}'), 400, /name: half of a surrogate pair/],
    ['a number', body('12'), 400, /must be an object, not the number 12/],
    [
      'an infinite number',
      body('{"networkid":1e999}'),
      400,
      /networkid: must be a string, not a number that is too large/,
    ],
    ['nothing', [declared(0)], 400, /body is empty/],
    ['a prototype', body('{"__proto__":{"networkid":"a","projectid":"b"}}'), 400, /networkid should not be empty/],
    ['a length that is too short', [declared(5), '{"networkid":"x"}'], 400, NOT_HTTP],
    ['a negative length', [declared(-5), '{}'], 400, NOT_HTTP],
    ['a length in words', [declared('two'), '{}'], 400, NOT_HTTP],
    [
      'two lengths',
      [`POST ${PATH} HTTP/1.1\r\nhost: hanse\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{} `],
      400,
      NOT_HTTP,
    ],
    [
      'a length and chunks',
      [head('POST', PATH, { 'content-length': '2', 'transfer-encoding': 'chunked' }), '{}'],
      400,
      NOT_HTTP,
    ],
    [
      'chunks of another encoding',
      [head('POST', PATH, { 'transfer-encoding': 'gzip, identity' }), '{}'],
      400,
      NOT_HTTP,
    ],
    ['a chunk of no length', [chunked(), 'zz\r\n{}\r\n'], 400, NOT_HTTP],
    ['a long header', [head('GET', '/v1/version', { 'x-long': 'a'.repeat(32_768) })], 431, TOO_LONG_HEAD],
    ['a long path', [head('GET', `/v1/version?${'a'.repeat(32_768)}`, {})], 431, TOO_LONG_HEAD],
    ['headers without end', headerFlood(), 431, TOO_LONG_HEAD],
    ['a folded header', ['GET /v1/version HTTP/1.1\r\nhost: hanse\r\nx-a: b\r\n c\r\n\r\n'], 400, NOT_HTTP],
    ['a NUL in the path', ['GET /v1/\0version HTTP/1.1\r\nhost: hanse\r\n\r\n'], 400, NOT_HTTP],
    ['a handshake of TLS', [Buffer.from('160301020001000001fc0303', 'hex')], 400, NOT_HTTP],
  ];
}

test('reliability.md F21: hostile requests over raw sockets are refused naming the limit, and nobody else notices', () =>
  withPlant({}, async (plant) => {
    const site = plant.first;
    for (const [what, pieces, status, says] of corpus((method) => signedHeaders(site.credentials(), method))) {
      const answer = await sendRaw(site.url, pieces);
      assert.equal(answer.status, status, `${what}: ${JSON.stringify(answer)}`);
      assert.match(errorMessage(answer.body), says, what);
      assert.equal((await callApi(site.url, null, 'GET', '/healthz')).status, 200, `after ${what}`);
    }
    assert.equal(site.process.log().includes('"level":"error"'), false, site.process.lastLines());
    assert.deepEqual(await auditDatabases([site.databaseUrl]), []);
  }));
