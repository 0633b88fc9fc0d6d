import { test } from 'node:test';
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { createBodyReceiver, createBodySender, PIECE_BYTES, WINDOW_BYTES } from './body.ts';

/** A sender and a receiver with two queues between, which the test delivers step by step, repeating what it likes. */
function wire() {
  const data: ({ seq: number; bytes: Uint8Array } | { pieces: number })[] = [];
  const grants: number[] = [];
  let room = true;
  const sender = createBodySender({
    mayEmit: () => room,
    emit: (seq, bytes) => data.push({ seq, bytes }),
    emitEnd: (pieces) => data.push({ pieces }),
  });
  let cancelled = 0;
  const receiver = createBodyReceiver({ grant: (upTo) => grants.push(upTo), cancelled: () => (cancelled += 1) });
  const deliver = (repeat: boolean): void => {
    const next = data.shift();
    if (next === undefined) return;
    for (let i = 0; i < (repeat ? 2 : 1); i += 1) {
      const verdict: string = 'seq' in next ? receiver.piece(next.seq, next.bytes) : receiver.end(next.pieces);
      assert.equal(verdict, i === 0 ? 'taken' : 'repeated');
    }
  };
  const credit = (repeat: boolean): void => {
    const upTo = grants.shift();
    if (upTo === undefined) return;
    sender.grant(upTo);
    if (repeat) sender.grant(upTo - 1);
  };
  return {
    sender,
    receiver,
    deliver,
    credit,
    data,
    grants,
    cancelled: () => cancelled,
    room: (is: boolean) => (room = is),
  };
}

test('whatever the cuts, repeats and order of steps: bytes arrive as written, never more under way than the window', () => {
  const step = fc.oneof(
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant('write' as const), size: fc.integer({ min: 0, max: 3 * PIECE_BYTES }) }),
    },
    {
      weight: 4,
      arbitrary: fc.record({ do: fc.constantFrom('deliver' as const, 'credit' as const), repeat: fc.boolean() }),
    },
    { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('read' as const, 'block' as const, 'unblock' as const) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const { sender, receiver, deliver, credit, data, grants, room } = wire();
      let written = 0;
      let read = 0;
      const readOne = (): boolean => {
        const got = receiver.read();
        if (got.as !== 'bytes') return false;
        for (const byte of got.bytes) assert.equal(byte, read++ & 255);
        return true;
      };
      for (const one of steps) {
        if (one.do === 'write') sender.write(Uint8Array.from({ length: one.size }, () => written++ & 255));
        else if (one.do === 'deliver') deliver(one.repeat);
        else if (one.do === 'credit') credit(one.repeat);
        else if (one.do === 'read') readOne();
        else room(one.do === 'unblock');
        const underWay = data.reduce((sum, piece) => sum + ('seq' in piece ? piece.bytes.byteLength : 0), 0);
        assert.ok(underWay <= WINDOW_BYTES);
      }
      room(true);
      sender.flush();
      sender.end();
      for (let rounds = 0; rounds < 1_000 && !(receiver.complete && !readOne()); rounds += 1) {
        deliver(false);
        credit(false);
        while (readOne());
      }
      assert.equal(receiver.read().as, 'end');
      assert.equal(read, written);
      assert.equal(grants.length <= 1, true);
      assert.ok(sender.finished);
    }),
    { numRuns: 60 },
  );
});

test('a missing piece, a wrong count, a piece after the end, and more than the credit are broken', () => {
  const fresh = () => createBodyReceiver({ grant: () => {}, cancelled: () => {} });
  const piece = new Uint8Array(PIECE_BYTES);
  assert.equal(fresh().piece(1, piece), 'broken');
  assert.equal(fresh().end(1), 'broken');
  const ended = fresh();
  assert.equal(ended.end(0), 'taken');
  assert.equal(ended.piece(0, piece), 'broken');
  const flooded = fresh();
  for (let seq = 0; seq < WINDOW_BYTES / PIECE_BYTES; seq += 1) assert.equal(flooded.piece(seq, piece), 'taken');
  assert.equal(flooded.piece(WINDOW_BYTES / PIECE_BYTES, new Uint8Array(1)), 'broken');
});

test('a reader that leaves tells it once; a failure reaches the reader after what had arrived; a whole body stays whole', () => {
  const left = wire();
  left.receiver.cancel();
  left.receiver.cancel();
  assert.equal(left.cancelled(), 1);
  const cut = wire().receiver;
  cut.piece(0, Uint8Array.of(1));
  cut.fail(new Error('cut'));
  assert.equal(cut.read().as, 'bytes');
  assert.deepEqual(cut.read(), { as: 'failed', failure: new Error('cut') });
  const whole = wire().receiver;
  whole.piece(0, Uint8Array.of(1));
  whole.end(1);
  whole.fail(new Error('cut'));
  assert.deepEqual([whole.read().as, whole.read().as], ['bytes', 'end']);
});

test('a writer learns when it may go on, also when nobody reads any more', () => {
  const { sender, receiver, deliver, credit } = wire();
  const events: string[] = [];
  assert.ok(!sender.write(new Uint8Array(WINDOW_BYTES + 1)));
  sender.whenDrained(() => events.push('drained'));
  while (receiver.read().as === 'wait') deliver(false);
  for (let i = 0; i < 20; i += 1) {
    deliver(false);
    receiver.read();
    credit(false);
  }
  assert.deepEqual(events, ['drained']);
  assert.ok(!sender.write(new Uint8Array(2 * WINDOW_BYTES)));
  sender.whenDrained(() => events.push('stopped'));
  sender.stop();
  assert.deepEqual(events, ['drained', 'stopped']);
  assert.ok(sender.write(new Uint8Array(1)));
});
