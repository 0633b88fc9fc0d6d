import { test } from 'node:test';
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { encode } from '../../actors/runtime/codec.ts';
import { MAX_ASKS, type AskOutcome, type AskServer } from './asks.ts';
import type { BodyReceiver } from './body.ts';
import type { IncomingExchange, ResponseHead } from './exchange.ts';
import type { LinkFailure, LinkRefusal } from './failure.ts';
import { readFrame } from './frames.ts';
import { SILENCE_MS } from './heartbeat.ts';
import { GRACE_MS } from './outgoing.ts';
import { createMultiplexer, type Multiplexer, type MultiplexerPorts } from './multiplexer.ts';
import { createDuplexPair, createTestWorld } from './pair.fixture.ts';

type Side = {
  mux: Multiplexer;
  states: string[];
  reasons: (LinkRefusal | undefined)[];
  exchanges: IncomingExchange[];
  odd: string[];
  asked: string[];
};

function connect(
  changes: { left?: Partial<MultiplexerPorts>; right?: Partial<MultiplexerPorts>; mute?: boolean } = {},
) {
  const world = createTestWorld();
  const pair = createDuplexPair(world);
  if (changes.mute === true) pair.leftToRight(() => ({ copies: 0, delayMs: 1 }));
  const side = (name: 'left' | 'right'): Side => {
    const made: Omit<Side, 'mux'> = { states: [], reasons: [], exchanges: [], odd: [], asked: [] };
    const echo: AskServer = (kind, body, _deadlineMs, answer) => {
      made.asked.push(kind);
      if (kind === 'refuse') answer({ refusal: { kind: 'NotMine', message: 'not mine' } });
      else if (kind === 'throw') throw new Error('a secret');
      else if (kind !== 'silent') answer({ body });
    };
    const mux = createMultiplexer({
      duplex: pair[name],
      world,
      greeting: { site: name, process: 'p', incarnation: `${name}-1`, connection: 1 },
      admit: () => undefined,
      serveAsk: echo,
      serveNotify: (kind) => made.asked.push(`notify ${kind}`),
      serveExchange: (exchange) => made.exchanges.push(exchange),
      changed: (state, reason) => void (made.states.push(state), made.reasons.push(reason)),
      odd: (what) => made.odd.push(what),
      ...changes[name],
    });
    return { ...made, mux };
  };
  const left = side('left');
  const right = side('right');
  world.advance(5);
  return { world, pair, left, right };
}

const ask = (mux: Multiplexer, kind: string, body: unknown = null, deadlineMs = 10_000): (AskOutcome | undefined)[] => {
  const outcomes: (AskOutcome | undefined)[] = [];
  mux.ask(kind, body, deadlineMs, (outcome) => outcomes.push(outcome));
  return outcomes;
};

const failureKind = (outcomes: (AskOutcome | undefined)[]): string | undefined => {
  assert.equal(outcomes.length, 1);
  const [outcome] = outcomes;
  return outcome !== undefined && 'failure' in outcome ? outcome.failure.kind : undefined;
};

function request(mux: Multiplexer, first: 'none' | 'streamed' | Uint8Array = 'none', deadlineMs = 10_000) {
  const seen: { head?: ResponseHead; body?: BodyReceiver; failure?: LinkFailure } = {};
  const exchange = mux.open({ method: 'PUT', path: '/v1/ip?x=1', headers: [['A', 'b']] }, first, deadlineMs, {
    head: (head, body) => void Object.assign(seen, { head, body }),
    failed: (failure) => void (seen.failure = failure),
  });
  return { exchange, seen };
}

const text = (body: BodyReceiver | undefined): string => {
  let all = '';
  for (let read = body?.read(); read?.as === 'bytes'; read = body?.read()) all += Buffer.from(read.bytes).toString();
  return all;
};
const bytes = (from: string): Uint8Array => Buffer.from(from);

test('both sides greet, ask and answer at the same time', () => {
  const { world, left, right } = connect();
  assert.deepEqual([left.states, right.states], [['up'], ['up']]);
  const one = ask(left.mux, 'echo', { a: [1, null] });
  const two = ask(right.mux, 'echo', 'x');
  const refused = ask(left.mux, 'refuse');
  const thrown = ask(left.mux, 'throw');
  left.mux.notify('grown', 1);
  world.advance(3);
  assert.deepEqual(one, [{ body: { a: [1, null] } }]);
  assert.deepEqual(two, [{ body: 'x' }]);
  assert.equal(failureKind(refused), 'Refused');
  assert.ok(thrown[0] !== undefined && 'failure' in thrown[0]);
  assert.deepEqual(thrown[0].failure.refusal?.kind, 'Failed');
  assert.doesNotMatch(thrown[0].failure.message, /secret/);
  assert.ok(right.asked.includes('notify grown'));
  assert.equal(left.mux.heartbeat?.roundTripMs, 2);
});

test('an ask without an answer fails at its deadline, once, and a late answer is not sent', () => {
  let late: (() => void) | undefined;
  const { world, left } = connect({ right: { serveAsk: (_k, _b, _d, answer) => (late = () => answer({ body: 1 })) } });
  const outcomes = ask(left.mux, 'slow', null, 200);
  world.advance(300);
  assert.equal(failureKind(outcomes), 'Deadline');
  late?.();
  world.advance(10);
  assert.equal(outcomes.length, 1);
  assert.equal(failureKind(ask(left.mux, 'slow', null, 0)), 'Deadline');
});

test('an answer that can’t be read ends its exchange on both sides, though its body is a stream', () => {
  const { world, left, right } = connect();
  const { seen } = request(left.mux);
  world.advance(3);
  const [exchange] = right.exchanges;
  let isAborted = false;
  exchange!.whenAborted(() => (isAborted = true));
  const headers = Array.from({ length: 300 }, (_, n): [string, string] => [`x-${n}`, '1']);
  const body = exchange!.respond({ status: 200, headers }, 'streamed');
  world.advance(3);
  assert.equal(seen.failure?.kind, 'Broken');
  assert.deepEqual([isAborted, body?.stopped], [true, true]);
});

test('reliability.md §10: more asks than the limit are refused at once, here and there', () => {
  const { left } = connect();
  for (let i = 0; i < MAX_ASKS; i += 1) ask(left.mux, 'silent');
  assert.equal(failureKind(ask(left.mux, 'echo')), 'Overloaded');
});

test('F12: with one direction swallowed both sides are down within two heartbeats, nothing waits, and both come back', () => {
  for (const direction of ['leftToRight', 'rightToLeft'] as const) {
    const { world, pair, left, right } = connect();
    world.advance(10_000);
    const serving = request(right.mux);
    world.advance(2);
    const incoming = left.exchanges[0];
    let aborted = false;
    incoming?.whenAborted(() => (aborted = true));
    pair[direction](() => ({ copies: 0, delayMs: 1 }));
    const waiting = [ask(left.mux, 'silent', null, 60_000), ask(right.mux, 'silent', null, 60_000)];
    world.advance(SILENCE_MS + 510);
    assert.deepEqual([left.mux.state, right.mux.state], ['down', 'down'], direction);
    assert.deepEqual(waiting.map(failureKind), ['LinkDown', 'LinkDown']);
    assert.equal(serving.seen.failure?.kind, 'LinkDown');
    assert.ok(aborted);
    assert.equal(failureKind(ask(left.mux, 'echo')), 'LinkDown');
    assert.equal(request(left.mux).seen.failure?.kind, 'LinkDown');
    pair[direction](() => ({ copies: 1, delayMs: 1 }));
    world.advance(1_100);
    assert.deepEqual([left.mux.state, right.mux.state], ['up', 'up'], direction);
    const again = ask(left.mux, 'echo', 7);
    world.advance(3);
    assert.deepEqual(again, [{ body: 7 }]);
  }
});

test('F11: a link that stays silent is given up, so that a new connection is made', () => {
  const { world, pair, left, right } = connect();
  pair.leftToRight(() => ({ copies: 0, delayMs: 1 }));
  pair.rightToLeft(() => ({ copies: 0, delayMs: 1 }));
  world.advance(8_000);
  assert.deepEqual([left.states.at(-1), right.states.at(-1)], ['closed', 'closed']);
  assert.equal(left.reasons.at(-1)?.kind, 'Silent');
});

test('a quiet link stays up for ever; a process that stood still does not blame its peer', () => {
  const { world, left, right } = connect();
  world.advance(3_600_000);
  assert.deepEqual([left.states, right.states], [['up'], ['up']]);
});

test('F13: with every message delivered twice each ask and each request is served once', () => {
  const { world, pair, left, right } = connect();
  pair.leftToRight(() => ({ copies: 2, delayMs: 3 }));
  pair.rightToLeft(() => ({ copies: 2, delayMs: 7 }));
  const outcomes = ask(left.mux, 'echo', 1);
  const { exchange, seen } = request(left.mux, 'streamed');
  exchange.body?.write(bytes('hello '));
  exchange.body?.write(bytes('world'));
  exchange.body?.end();
  world.advance(20);
  assert.deepEqual(outcomes, [{ body: 1 }]);
  assert.deepEqual(right.asked, ['echo']);
  assert.equal(right.exchanges.length, 1);
  assert.equal(text(right.exchanges[0]?.body), 'hello world');
  right.exchanges[0]?.respond({ status: 201, headers: [['x', 'y']] }, bytes('done'));
  world.advance(20);
  assert.deepEqual(seen.head, { status: 201, headers: [['x', 'y']] });
  assert.equal(text(seen.body), 'done');
});

test('a lost piece of a body ends its exchange on both sides, and no other', () => {
  const { world, pair, left, right } = connect();
  const hurt = request(left.mux, 'streamed');
  const well = request(left.mux, 'none');
  hurt.exchange.body?.write(bytes('a'));
  pair.leftToRight(() => ({ copies: 0, delayMs: 1 }));
  hurt.exchange.body?.write(bytes('b'));
  pair.leftToRight(() => ({ copies: 1, delayMs: 1 }));
  hurt.exchange.body?.write(bytes('c'));
  world.advance(5);
  assert.equal(hurt.seen.failure?.kind, 'Broken');
  assert.equal(right.exchanges[0]?.body.read().as, 'bytes');
  assert.equal(right.exchanges[0]?.body.read().as, 'failed');
  right.exchanges[1]?.respond({ status: 200, headers: [] }, 'none');
  world.advance(5);
  assert.equal(well.seen.head?.status, 200);
  assert.deepEqual(well.seen.body?.read(), { as: 'end' });
});

test('an early answer ends the request body; an abandoned response ends at its server', () => {
  const { world, left, right } = connect();
  const early = request(left.mux, 'streamed');
  early.exchange.body?.write(new Uint8Array(1_000_000));
  world.advance(5);
  right.exchanges[0]?.respond({ status: 413, headers: [] }, bytes('too large'));
  world.advance(5);
  assert.equal(early.seen.head?.status, 413);
  assert.ok(early.exchange.body?.stopped);
  assert.equal(text(early.seen.body), 'too large');

  const watch = request(left.mux, 'none');
  world.advance(5);
  const sender = right.exchanges[1]?.respond({ status: 200, headers: [] }, 'streamed');
  let aborted = 0;
  right.exchanges[1]?.whenAborted(() => (aborted += 1));
  sender?.write(bytes('event'));
  world.advance(60_000);
  assert.equal(text(watch.seen.body), 'event', 'a stream lives longer than the deadline of its head');
  watch.seen.body?.cancel();
  world.advance(5);
  assert.equal(aborted, 1);
  assert.ok(sender?.stopped);
});

test('a request without an answer ends at its deadline, and its server learns it', () => {
  const { world, left, right } = connect();
  const { seen } = request(left.mux, 'none', 300);
  world.advance(2);
  let aborted = 0;
  right.exchanges[0]?.whenAborted(() => (aborted += 1));
  // What its server says at the last moment is still heard.
  world.advance(300 + GRACE_MS - 4);
  assert.deepEqual([seen.failure], [undefined]);
  world.advance(4);
  assert.equal(seen.failure?.kind, 'Deadline');
  assert.equal(aborted, 1);
  assert.equal(right.exchanges[0]?.respond({ status: 200, headers: [] }, 'streamed'), undefined);
});

test('a server that fails resets its exchange with a reason', () => {
  const { world, left, right } = connect();
  const { seen } = request(left.mux);
  world.advance(2);
  right.exchanges[0]?.abort({ kind: 'Failed', message: 'the peer failed' });
  world.advance(2);
  assert.equal(seen.failure?.kind, 'Refused');
  assert.equal(seen.failure?.refusal?.kind, 'Failed');
});

test('F25: a peer that is not admitted hears why, and nothing of it is served', () => {
  const refusal = { kind: 'Clone', message: 'site right has key aa here and bb there' };
  const { world, left, right } = connect({ left: { admit: () => refusal } });
  assert.deepEqual(left.states, ['closed']);
  assert.equal(right.states.at(-1), 'closed');
  assert.deepEqual(right.reasons.at(-1), refusal);
  world.advance(10_000);
  assert.equal(failureKind(ask(right.mux, 'echo')), 'LinkDown');
});

test('a peer that never greets, or sends garbage, is closed; an unknown frame is answered and survived', () => {
  const silent = connect({ mute: true });
  silent.world.advance(6_000);
  assert.equal(silent.right.states.at(-1), 'closed');

  const { world, pair, left, right } = connect();
  const got: string[] = [];
  pair.left.onMessage((message) => {
    const reading = readFrame(message);
    if (reading.as === 'frame') got.push(reading.frame.f);
  });
  pair.left.send(encode({ f: 'teleport', id: 1 }));
  world.advance(5);
  assert.ok(got.includes('unreadable'));
  assert.equal(left.odd.length, 1);
  assert.equal(right.mux.state, 'up');
  pair.left.send(new Uint8Array([0xc1, 0xff]));
  world.advance(5);
  assert.equal(right.states.at(-1), 'closed');
  assert.equal(left.reasons.at(-1)?.kind, 'Broken');
});

test('F28: a refusal that can not be read is an answer: who asked does not wait on', () => {
  const { world, pair, left } = connect({ right: { serveAsk: () => {} } });
  const outcomes = ask(left.mux, 'x');
  world.advance(5);
  pair.right.send(encode({ f: 'refusal', id: 1, reason: { kind: 'k', message: 'm'.repeat(5_000) } }));
  world.advance(5);
  assert.equal(failureKind(outcomes), 'Broken');
});

test('what is too large or can not be encoded fails for its sender only', () => {
  const { world, left, right } = connect();
  assert.equal(failureKind(ask(left.mux, 'echo', new Uint8Array(5 * 1024 * 1024))), 'TooLarge');
  const large = connect({
    right: { serveAsk: (_k, _b, _d, answer) => answer({ body: new Uint8Array(5 * 1024 * 1024) }) },
  });
  const outcomes = ask(large.left.mux, 'x');
  large.world.advance(5);
  assert.equal(failureKind(outcomes), 'Refused');
  world.advance(5);
  assert.deepEqual([left.mux.state, right.mux.state], ['up', 'up']);
});

test('a retired connection finishes what is open on it, then closes without a failure', () => {
  const { world, left, right } = connect();
  const { seen } = request(left.mux);
  world.advance(2);
  left.mux.retire();
  right.mux.retire();
  world.advance(100);
  assert.equal(left.mux.state, 'up');
  right.exchanges[0]?.respond({ status: 200, headers: [] }, bytes('x'));
  world.advance(5);
  assert.equal(text(seen.body), 'x');
  assert.deepEqual([left.mux.state, right.mux.state], ['closed', 'closed']);
});

test('many bodies both ways, cut anywhere, arrive as written', () => {
  const cuts = fc.array(fc.integer({ min: 0, max: 100_000 }), { maxLength: 8 });
  fc.assert(
    fc.property(fc.array(fc.tuple(cuts, cuts, fc.boolean()), { minLength: 1, maxLength: 5 }), (bodies) => {
      const { world, left, right } = connect();
      const fill = (size: number, salt: number): Uint8Array => new Uint8Array(size).fill(salt);
      const sum = (sizes: number[]): number => sizes.reduce((all, size) => all + size, 0);
      const count = (body: BodyReceiver | undefined, salt: number): number => {
        let all = 0;
        for (let read = body?.read(); read?.as === 'bytes'; read = body?.read()) {
          assert.ok(read.bytes.every((byte) => byte === salt));
          all += read.bytes.byteLength;
        }
        return all;
      };
      const open = bodies.map(([up, down, byRight], i) => {
        const [asker, answerer] = byRight ? [right, left] : [left, right];
        const { exchange, seen } = request(asker.mux, 'streamed');
        up.forEach((size) => exchange.body?.write(fill(size, i)));
        exchange.body?.end();
        world.advance(2);
        const incoming = answerer.exchanges.at(-1);
        const sender = incoming?.respond({ status: 200, headers: [] }, 'streamed');
        down.forEach((size) => sender?.write(fill(size, 100 + i)));
        return { incoming, seen, sender, up: 0, down: 0, wantUp: sum(up), wantDown: sum(down) };
      });
      for (let round = 0; round < 40; round += 1) {
        world.advance(2);
        open.forEach((one, i) => {
          one.up += count(one.incoming?.body, i);
          one.down += count(one.seen.body, 100 + i);
          // The answer ends after its request has arrived, as a proxy's does.
          if (one.up === one.wantUp) one.sender?.end();
        });
      }
      for (const one of open) {
        assert.deepEqual([one.up, one.down], [one.wantUp, one.wantDown]);
        assert.equal(one.seen.body?.read().as, 'end');
      }
    }),
    { numRuns: 25 },
  );
});
