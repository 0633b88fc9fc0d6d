import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { PeerIdentity } from './certificates.ts';
import type { Link } from './link.ts';
import { createDuplexPair, createTestWorld, type DuplexPair } from './pair.fixture.ts';
import { createPeering, FORGET_MS, type Peering, type PeeringOptions } from './peering.ts';

const world = createTestWorld();
const identity = (site: string): PeerIdentity => ({ kind: 'site', site, partitions: [site] });

let started = 0;
function processOf(site: string, changes: Partial<PeeringOptions> = {}): Peering & { met: Link[] } {
  const met: Link[] = [];
  const peering = createPeering({
    identity: () => ({ site, process: 'p', certificate: { cert: '', key: '' }, authority: '' }),
    incarnation: `i${++started}`,
    world,
    onLink: (link) => met.push(link),
    ...changes,
  });
  peering.onAsk('who', () => site);
  return { ...peering, met };
}

/** Connects two processes as if the first had dialled; returns the carrier and what the dialler heard at its end. */
function dialled(from: Peering, to: Peering, keys = { from: 'key', to: 'key' }) {
  const pair: DuplexPair = createDuplexPair(world);
  const heard = { reason: '' };
  const [a, b] = [from.options.identity().site, to.options.identity().site];
  from.attach(pair.left, {
    dialled: true,
    identity: identity(b),
    fingerprint: keys.to,
    ended: (reason) => (heard.reason = reason?.kind ?? 'lost'),
  });
  to.attach(pair.right, { dialled: false, identity: identity(a), fingerprint: keys.from });
  return { pair, heard };
}

const settle = async (): Promise<void> => {
  for (let i = 0; i < 20; i += 1) {
    world.advance(1);
    await Promise.resolve();
  }
};

test('of two connections both sides keep the one that the lower site dialled, in whatever order they came', async () => {
  for (const lowerFirst of [true, false]) {
    const [fra, muc] = [processOf('fra'), processOf('muc')];
    const first = lowerFirst ? dialled(fra, muc) : dialled(muc, fra);
    if (!lowerFirst) world.advance(10);
    const second = lowerFirst ? dialled(muc, fra) : dialled(fra, muc);
    world.advance(20);
    const [kept, left] = lowerFirst ? [first, second] : [second, first];
    assert.deepEqual([kept.heard.reason, left.heard.reason], ['', 'Replaced']);
    assert.deepEqual([fra.met.length, muc.met.length], [1, 1]);
    const [toMuc, toFra] = [fra.met[0], muc.met[0]];
    assert.deepEqual([toMuc?.state, toFra?.state], ['up', 'up']);
    const answers = Promise.all([toMuc?.ask('who', null, 1_000), toFra?.ask('who', null, 1_000)]);
    await settle();
    assert.deepEqual(await answers, ['muc', 'fra']);
    fra.close();
    muc.close();
  }
});

test('of two connections that one side dialled the later stays', () => {
  const [fra, muc] = [processOf('fra'), processOf('muc')];
  const first = dialled(fra, muc);
  const second = dialled(fra, muc);
  world.advance(20);
  assert.deepEqual([first.heard.reason, second.heard.reason], ['Replaced', '']);
  assert.deepEqual([fra.met[0]?.state, muc.met[0]?.state], ['up', 'up']);
});

test('a restarted peer replaces what is left of its predecessor at once; the link stays the same', () => {
  const [fra, muc] = [processOf('fra'), processOf('muc')];
  const before = dialled(fra, muc);
  world.advance(20);
  // The machine of the first died without a word.
  before.pair.leftToRight(() => ({ copies: 0, delayMs: 1 }));
  const states: string[] = [];
  muc.met[0]?.onState((state) => states.push(state));
  dialled(processOf('fra'), muc);
  world.advance(20);
  assert.deepEqual([muc.met.length, muc.met[0]?.state, muc.met[0]?.peer?.incarnation], [1, 'up', `i${started}`]);
  assert.deepEqual(states, []);
});

test('reliability.md §9: a hello of another site than the certificate is refused, and so is what the owner does not admit', () => {
  const fra = processOf('fra');
  const muc = processOf('muc', { admit: (peer) => ({ kind: 'Revoked', message: `${peer.fingerprint} is revoked` }) });
  assert.equal(dialledAfter(fra, muc), 'Revoked');
  assert.equal(muc.met.length, 0);
  const pair = createDuplexPair(world);
  let reason = '';
  fra.attach(pair.left, {
    dialled: true,
    identity: identity('ber'),
    fingerprint: 'key',
    ended: (why) => (reason = why?.message ?? ''),
  });
  processOf('muc').attach(pair.right, { dialled: false, identity: identity('fra'), fingerprint: 'key' });
  world.advance(20);
  assert.match(reason, /the hello says site muc, the certificate says ber/);
});

test('F25: a clone with another key is refused while the first is there, and taken when it is gone', () => {
  const muc = processOf('muc');
  const first = processOf('fra');
  dialled(first, muc, { from: 'aaaa', to: 'key' });
  world.advance(20);
  assert.equal(dialledAfter(processOf('fra'), muc, { from: 'bbbb', to: 'key' }), 'Clone');
  assert.equal(first.met[0]?.state, 'up');
  first.close();
  world.advance(20);
  assert.equal(muc.met[0]?.state, 'down');
  assert.equal(dialledAfter(processOf('fra'), muc, { from: 'bbbb', to: 'key' }), '');
  assert.equal(muc.met[0]?.state, 'up');
});

test('a peer that is gone is forgotten after a while, and met anew', () => {
  const [fra, muc] = [processOf('fra'), processOf('muc')];
  dialled(fra, muc);
  world.advance(20);
  fra.close();
  world.advance(FORGET_MS - 1_000);
  assert.deepEqual([muc.links().length, muc.met[0]?.state], [1, 'down']);
  world.advance(2_000);
  assert.deepEqual([muc.links().length, muc.met[0]?.state], [0, 'closed']);
  dialled(processOf('fra'), muc);
  world.advance(20);
  assert.equal(muc.met.length, 2);
});

function dialledAfter(from: Peering, to: Peering, keys?: { from: string; to: string }): string {
  const { heard } = dialled(from, to, keys);
  world.advance(20);
  return heard.reason;
}
