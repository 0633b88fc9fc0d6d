import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LeaseAnswer, LeaseHolder, RenewAnswer, World } from '../../actors/ports.ts';
import { createVirtualWorld } from '../../actors/runtime/virtual-world.ts';
import { keepLease, type Lease } from './lease.ts';

const LEASE_MS = 1_500;
const holderOf = (process: string): LeaseHolder => ({ site: 'muc', process, host: process, pid: 1 });

/** The lease row, in the time of a database whose answers take `delayMs`. */
function database() {
  const world = createVirtualWorld();
  let row: { holder: LeaseHolder; untilMs: number } | undefined;
  const server = { delayMs: 2, isDown: false, wallOffsetMs: 0 };
  const later = <T>(answer: () => T): Promise<T> =>
    new Promise((resolve, reject) => {
      world.after(server.delayMs / 2, () => {
        if (server.isDown) return void world.after(100, () => reject(new Error('connection refused')));
        const value = answer();
        world.after(server.delayMs / 2, () => resolve(value));
      });
    });
  const store = {
    ping: () => later(() => undefined),
    acquireLease: (holder: LeaseHolder, leaseMs: number): Promise<LeaseAnswer> =>
      later(() => {
        const now = world.monotonicMs();
        if (row === undefined || row.untilMs <= now || row.holder.process === holder.process) {
          row = { holder, untilMs: now + leaseMs };
          return { held: true, untilMs: row.untilMs };
        }
        return { held: false, holder: row.holder, remainingMs: row.untilMs - now };
      }),
    renewLease: (holder: LeaseHolder, leaseMs: number): Promise<RenewAnswer> =>
      later(() => {
        if (row?.holder.process !== holder.process) return { held: false, holder: row?.holder };
        row.untilMs = world.monotonicMs() + leaseMs;
        return { held: true, untilMs: row.untilMs };
      }),
    releaseLease: (holder: LeaseHolder) =>
      later(() => {
        if (row?.holder.process === holder.process) row = undefined;
      }),
  };
  /** Time goes on, and everything that awaits is done between two events. */
  async function run(ms: number): Promise<void> {
    const until = world.monotonicMs() + ms;
    const settle = () => new Promise((resolve) => setImmediate(resolve));
    await settle();
    while (world.step(until)) await settle();
    world.advance(until);
  }
  const seen: Record<string, World> = {};
  function join(name: string) {
    const lost: string[] = [];
    const said: string[] = [];
    const say = (_fields: object, what: string): void => void said.push(what);
    // Each process has a clock of its own that a test may stop.
    const own = { stopped: false };
    const processWorld: World = {
      ...world,
      monotonicMs: () => world.monotonicMs(),
      wallMs: () => world.wallMs() + server.wallOffsetMs,
      after: (ms, go) =>
        world.after(ms, function tick() {
          if (own.stopped) return void world.after(50, tick);
          go();
        }),
    };
    seen[name] = processWorld;
    const lease: Lease = keepLease({
      store,
      holder: holderOf(name),
      leaseMs: LEASE_MS,
      world: processWorld,
      log: { info: say, warn: say } as never,
      onLost: (why) => lost.push(why),
    });
    let takenMs: number | undefined;
    void lease.taken.then(() => (takenMs = world.monotonicMs()));
    return { lease, lost, said, own, takenMs: () => takenMs };
  }
  return { world, server, run, join, row: () => row };
}

describe('the lease of a site (design.md §5, §12)', () => {
  it('the first takes it and keeps it, the second stands by and knows for whom', async () => {
    const { run, join } = database();
    const first = join('a');
    await run(100);
    const second = join('b');
    await run(60_000);
    assert.ok(first.lease.isHeld());
    assert.equal(await first.lease.first, 'ours');
    assert.equal(await second.lease.first, 'another');
    assert.equal(second.lease.holder?.process, 'a');
    assert.equal(second.lease.isHeld(), false);
    assert.deepEqual(first.lost, []);
  });

  it('both know when it ends; a standby that can’t look any more sees it run out', async () => {
    const { run, join, server } = database();
    const first = join('a');
    const second = join('b');
    assert.equal(second.lease.endsInMs, undefined);
    await run(10_000);
    for (const { lease } of [first, second]) {
      const { endsInMs } = lease;
      assert.ok(endsInMs! > LEASE_MS / 2 && endsInMs! <= LEASE_MS, String(endsInMs));
    }
    server.isDown = true;
    await run(5_000);
    for (const { lease } of [first, second]) assert.ok(lease.endsInMs! < -3_000, String(lease.endsInMs));
  });

  it('one that stops while it asks for the lease gives back what it was given meanwhile', async () => {
    const { run, join, server, row } = database();
    server.delayMs = 200;
    const only = join('a');
    while (row() === undefined) await run(10);
    const stopped = only.lease.stop();
    await run(1_000);
    await stopped;
    assert.equal(row(), undefined);
    assert.equal(only.lease.wasTaken, false);
  });

  it('a holder that is silent is replaced as its lease ends; awake again it is not held, and hears of it', async () => {
    const { run, join, world } = database();
    const first = join('a');
    await run(100);
    const second = join('b');
    await run(10_000);
    const stalledMs = world.monotonicMs();
    first.own.stopped = true;
    await run(3_000);
    const tookMs = second.takenMs()! - stalledMs;
    assert.ok(tookMs > LEASE_MS * 0.5 && tookMs < LEASE_MS + 100, String(tookMs));
    // Before anything of it runs again: by the clock alone.
    assert.equal(first.lease.isHeld(), false);
    first.own.stopped = false;
    await run(1_000);
    assert.deepEqual(first.lost, ['the lease is held by b now']);
    assert.equal(first.lease.isHeld(), false);
    assert.ok(second.lease.isHeld());
  });

  it('a holder that slept while another one held it is not its holder again, though that one is gone as well', async () => {
    const { run, join, row } = database();
    const first = join('a');
    await run(100);
    const second = join('b');
    await run(5_000);
    first.own.stopped = true;
    await run(3_000);
    assert.equal(row()?.holder.process, 'b');
    second.own.stopped = true;
    await run(3_000);
    // Expired, and nobody else's: but `b` raised the epochs, and what `a` remembers is old.
    first.own.stopped = false;
    await run(1_000);
    assert.deepEqual(first.lost, ['the lease is held by b now']);
    assert.equal(first.lease.isHeld(), false);
  });

  it('given back it is taken at the next look', async () => {
    const { run, join, world } = database();
    const first = join('a');
    await run(100);
    const second = join('b');
    await run(5_000);
    const fromMs = world.monotonicMs();
    void first.lease.stop();
    await run(1_000);
    assert.ok(second.takenMs()! - fromMs <= 260, String(second.takenMs()! - fromMs));
  });

  it('a slow database is no dead holder: a standby whose own looks are slow does not take over', async () => {
    const { run, join, server, world } = database();
    const first = join('a');
    await run(100);
    const second = join('b');
    await run(5_000);
    // Slower than the lease: the holder's renewals come too late.
    server.delayMs = 2_000;
    await run(9_000);
    assert.equal(second.takenMs(), undefined);
    assert.equal(first.lease.isHeld(), false);
    server.delayMs = 2;
    await run(3_000);
    assert.equal(second.takenMs(), undefined);
    assert.ok(first.lease.isHeld());
    // Slow for so long that nobody can have renewed it: then slow is better than nobody.
    first.own.stopped = true;
    server.delayMs = 400;
    const fromMs = world.monotonicMs();
    await run(60_000);
    assert.ok(second.takenMs() !== undefined && second.takenMs()! - fromMs > 10 * LEASE_MS);
  });

  it('a database that is away: not held soon, held again when it is back, never anybody else', async () => {
    const { run, join, server } = database();
    const first = join('a');
    await run(100);
    const second = join('b');
    await run(5_000);
    server.isDown = true;
    await run(5_000);
    assert.equal(first.lease.isHeld(), false);
    assert.equal(first.lease.problem, 'connection refused');
    server.isDown = false;
    await run(2_000);
    assert.notEqual(first.lease.isHeld(), second.lease.isHeld());
  });

  it('renewals that fail are said once, and once that they succeed again', async () => {
    const { run, join, server } = database();
    const { lease, said } = join('a');
    await run(5_000);
    server.isDown = true;
    await run(5_000);
    server.isDown = false;
    await run(2_000);
    assert.equal(lease.problem, undefined);
    assert.deepEqual(said, [
      'the lease of the site is ours',
      'the lease could not be renewed: trying on',
      'the lease is renewed again',
    ]);
  });

  it('a jump of the wall clock (a machine that was asleep) ends it until the next renewal', async () => {
    const { run, join, server } = database();
    const first = join('a');
    await run(1_000);
    server.wallOffsetMs = 60_000;
    assert.equal(first.lease.isHeld(), false);
    await run(500);
    assert.ok(first.lease.isHeld());
  });
});
