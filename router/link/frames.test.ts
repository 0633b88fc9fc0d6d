import { test } from 'node:test';
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { encode } from '../../actors/runtime/codec.ts';
import { encodeFrame, MAX_FRAME_BYTES, readFrame, type Frame } from './frames.ts';

const frames: Frame[] = [
  {
    f: 'hello',
    version: 1,
    site: 'muc',
    process: 'a',
    incarnation: 'x',
    connection: 1,
    wallMs: 1.5,
    greeting: { key: 'k' },
  },
  { f: 'bye', reason: { kind: 'Replaced', message: 'm' } },
  { f: 'welcome' },
  { f: 'retire' },
  { f: 'ping', n: 1 },
  { f: 'pong', n: 1, wallMs: 2 },
  {
    f: 'http-request',
    id: 1,
    method: 'PUT',
    path: '/v1/ip',
    headers: [['a', 'b']],
    deadlineMs: 30_000,
    body: new Uint8Array([1]),
    end: true,
  },
  { f: 'http-response', id: 1, status: 200, headers: [], end: false },
  { f: 'http-body', id: 1, side: 'asker', seq: 0, bytes: new Uint8Array([0, 255]) },
  { f: 'http-credit', id: 1, side: 'answerer', upTo: 5 * 2 ** 32 },
  { f: 'http-end', id: 1, side: 'asker', pieces: 0 },
  { f: 'http-reset', id: 1, side: 'asker', reason: { kind: 'Aborted', message: 'm' } },
  { f: 'ask', id: 1, kind: 'block.want', body: { h: 'x', list: [1, null] }, deadlineMs: 100 },
  { f: 'reply', id: 1, body: null },
  { f: 'refusal', id: 1, reason: { kind: 'NotMine', message: 'm', details: [1] } },
  { f: 'notify', kind: 'log.grown', body: 5 },
  { f: 'unreadable', frame: 'x', id: 3, why: 'unknown' },
];

test('every frame comes back as it was', () => {
  for (const frame of frames) {
    const reading = readFrame(encodeFrame(frame));
    assert.equal(reading.as, 'frame', JSON.stringify(reading));
    assert.deepEqual(plain(reading.as === 'frame' && reading.frame), plain(frame));
  }
});

/** Bytes come back as a Buffer, which is the same bytes. */
const plain = (frame: unknown): unknown =>
  JSON.parse(
    JSON.stringify(frame, (_key, value: unknown) =>
      value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value,
    ),
  );

test('F28: an unknown kind and a frame against its schema are answered naming what is wrong, not crashed on', () => {
  const unknown = readFrame(encode({ f: 'teleport', id: 7 }));
  assert.ok(unknown.as === 'unreadable' && unknown.answer.id === 7 && unknown.answer.frame === 'teleport');
  assert.match(unknown.answer.why, /"teleport" is unknown/);
  const wrong = readFrame(encode({ f: 'ask', id: 7, kind: '', deadlineMs: 'soon' }));
  assert.ok(wrong.as === 'unreadable' && wrong.answer.id === 7);
  assert.match(wrong.answer.why, /kind: .*deadlineMs: /);
  const hasOwn = readFrame(encode({ f: 'constructor', id: -1 }));
  assert.ok(hasOwn.as === 'unreadable' && hasOwn.answer.id === undefined);
  const future = readFrame(encode({ f: 'ping', n: 3, later: true }));
  assert.deepEqual(future, { as: 'frame', frame: { f: 'ping', n: 3 } });
});

test('actors.md §3.1: length is checked before decoding, left-over and missing bytes are garbage', () => {
  const { as } = readFrame(new Uint8Array(MAX_FRAME_BYTES + 1));
  assert.equal(as, 'garbage');
  const good = encodeFrame({ f: 'ping', n: 1 });
  assert.equal(readFrame(Buffer.concat([good, good])).as, 'garbage');
  assert.equal(readFrame(good.subarray(0, good.length - 1)).as, 'garbage');
  assert.equal(readFrame(new Uint8Array()).as, 'garbage');
  assert.equal(readFrame(encode([1, 2])).as, 'garbage');
  // array32, map32, str32, bin32 of 4 G entries without a body.
  for (const first of [0xdd, 0xdf, 0xdb, 0xc6]) {
    assert.equal(readFrame(Uint8Array.from([first, 255, 255, 255, 255])).as, 'garbage');
  }
});

test('a frame over the limit is refused by its sender', () => {
  const body = new Uint8Array(MAX_FRAME_BYTES);
  assert.throws(() => encodeFrame({ f: 'ask', id: 1, kind: 'x', body, deadlineMs: 1 }), { kind: 'TooLarge' });
  assert.throws(() => encodeFrame({ f: 'ask', id: 1, kind: 'x', body: 2n ** 70n, deadlineMs: 1 }), { kind: 'Broken' });
});

test('F28: a refusal says no more than is read: its text is cut where it leaves', () => {
  const long = `${'a'.repeat(4_094)}😀${'b'.repeat(5_000)}`;
  const reason = { kind: 'k'.repeat(200), message: long, details: { message: long } };
  for (const frame of [
    { f: 'refusal', id: 1, reason },
    { f: 'http-reset', id: 1, side: 'answerer', reason },
    { f: 'bye', reason },
  ] as const) {
    const reading = readFrame(encodeFrame(frame));
    assert.ok(reading.as === 'frame' && 'reason' in reading.frame, JSON.stringify(reading));
    assert.equal(reading.frame.reason.message, `${'a'.repeat(4_094)}…`);
    assert.equal(reading.frame.reason.kind.length, 128);
    assert.deepEqual(reading.frame.reason.details, reason.details);
  }
  const whole = readFrame(encodeFrame({ f: 'refusal', id: 1, reason: { kind: 'k', message: 'm'.repeat(4_096) } }));
  assert.ok(whole.as === 'frame' && whole.frame.f === 'refusal' && whole.frame.reason.message.endsWith('m'));
});

test('reading never throws, whatever comes', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void readFrame(bytes)));
  fc.assert(
    fc.property(fc.anything({ maxDepth: 3 }), (value) => {
      let bytes: Uint8Array;
      try {
        bytes = encode(value);
      } catch {
        return;
      }
      readFrame(bytes);
    }),
    { numRuns: 300 },
  );
});
