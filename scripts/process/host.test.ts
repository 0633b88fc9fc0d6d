import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { shardOf } from '../../actors/address.ts';
import { isRefusal, type Refusal } from '../../actors/refusal.ts';
import { realWorld as world } from '../world.ts';
import { BUSY } from './back-within.ts';
import { actor, scope } from './faulty.fixture.ts';
import { createShardHost, type ShardHost } from '../../actors/runtime/host.ts';
import type { ActorInspection } from '../../actors/runtime/inspection.ts';

const SHARDS = 2;
const on = (shard: number): ReturnType<typeof actor> => {
  for (let i = 0; ; i++) if (shardOf(actor(`m${i}`), SHARDS) === shard) return actor(`m${i}`);
};

describe('the host of shards on real threads (reliability.md F02, F03, F18)', () => {
  let host: ShardHost;
  const ask = (shard: number, name: string, withinMs = 20_000): Promise<unknown> =>
    host.ask(on(shard), name, 'x', { who: 'test', deadlineMs: world.monotonicMs() + withinMs });

  before(async () => {
    host = createShardHost({
      shards: SHARDS,
      fences: [0, 1].map((shard) => ({ scope, shard, epoch: 1 })),
      module: { url: fileURLToPath(new URL('./faulty.fixture.ts', import.meta.url)), name: 'shard' },
      config: null,
      world,
      onCommitted: () => {},
      missed: async () => [],
      onFenced: (shard) => assert.fail(`shard ${shard} was fenced`),
      log: () => {},
      execArgv: ['--import', 'tsx'],
      heapMb: 64,
    });
    await host.ready;
  });
  after(() => host.stop());

  /** How often the actor of that shard crashed. */
  const crashesOf = async (shard: number): Promise<number> =>
    ((await host.inspect(shard, on(shard))) as ActorInspection).crashes;

  /** Milliseconds from the fault until the shard answers; its neighbour is asked all the while. */
  async function untilBack(name: string): Promise<number> {
    const from = world.monotonicMs();
    const answer = await ask(0, name);
    // What was posted just before the death may have been answered.
    if (answer !== null) assert.equal((answer as Refusal).kind, 'Unavailable', JSON.stringify(answer));
    for (;;) {
      const other = world.monotonicMs();
      assert.equal(await ask(1, 'echo'), 'x');
      assert.ok(world.monotonicMs() - other < 10_000, 'the neighbour goes on');
      if ((await ask(0, 'echo', 1_000)) === 'x') return world.monotonicMs() - from;
      await new Promise((resolve) => setTimeout(resolve, 10));
      assert.ok(world.monotonicMs() - from < 30_000, `${name}: not back`);
    }
  }

  for (const [name, what, boundMs] of [
    ['reject', 'an exception outside of a turn', BUSY.death],
    ['exit', 'process.exit', BUSY.death],
    // The watchdog may be first: while it collects garbage it answers as little as in a loop.
    ['fill', 'no memory left', BUSY.hang],
    ['spin', 'an endless loop', BUSY.hang],
  ] as const) {
    it(`${what}: the thread is replaced, its neighbour unharmed`, async () => {
      const restarts = host.restarts;
      const tookMs = await untilBack(name);
      console.log(`${what}: back after ${Math.round(tookMs)} ms (under tsx)`);
      assert.equal(host.restarts, restarts + 1);
      assert.ok(tookMs < boundMs, `${tookMs} ms`);
    });
  }

  for (const [name, what] of [
    ['exit', /exit|7/],
    // While it collects garbage it answers as little as in a loop.
    ['fill', /memory|answered nothing/],
    ['spin', /answered nothing/],
  ] as const) {
    it(`${name}: a message that three threads died of lies in quarantine, and costs no fourth; retried it dies once more, dropped it is let in`, async () => {
      const body = `of its own for ${name}`;
      const send = (): Promise<unknown> =>
        host.ask(on(0), name, body, { who: 'test', deadlineMs: world.monotonicMs() + 20_000 });
      const back = async (): Promise<void> => {
        for (const from = world.monotonicMs(); (await ask(0, 'echo', 1_000)) !== 'x';) {
          await new Promise((resolve) => setTimeout(resolve, 10));
          assert.ok(world.monotonicMs() - from < 30_000, `${name}: not back`);
        }
      };
      for (let death = 1; death <= 3; death++) {
        assert.equal(((await send()) as Refusal).kind, 'Unavailable', `death ${death}`);
        await back();
      }
      const restarts = host.restarts;
      const [message, ...others] = host.quarantine();
      assert.ok(message !== undefined && others.length === 0);
      assert.deepEqual([message.name, message.body, message.crashes, message.shard], [name, body, 3, 0]);
      assert.match(message.error, what);
      const refused = (await send()) as Refusal;
      assert.equal(refused.kind, 'Internal');
      assert.match(refused.message, new RegExp(message.id));
      assert.equal(host.restarts, restarts);
      // Another message of the same actor is nobody's business.
      assert.equal(await ask(0, 'echo'), 'x');

      const again = await host.retry(message.id, { who: 'operator', deadlineMs: world.monotonicMs() + 20_000 });
      assert.equal((again as Refusal).kind, 'Unavailable');
      await back();
      const [second] = host.quarantine();
      assert.ok(second !== undefined && second.id !== message.id);
      assert.equal(host.drop(second.id), true);
      assert.equal(((await send()) as Refusal).kind, 'Unavailable');
      await back();
      assert.deepEqual(host.quarantine(), []);
    });
  }

  it('a message that its actor throws at three times lies in quarantine; retried it comes back, dropped it is gone', async () => {
    const refused = (await ask(0, 'throw')) as Refusal;
    assert.ok(isRefusal(refused));
    assert.equal(refused.kind, 'Internal');
    const [message] = host.quarantine();
    assert.ok(message !== undefined);
    assert.deepEqual([message.name, message.crashes, message.error], ['throw', 3, 'boom']);
    assert.match(refused.message, new RegExp(message.id));
    assert.equal(await ask(0, 'echo'), 'x');

    const crashes = await crashesOf(0);
    const equal = (await ask(0, 'throw')) as Refusal;
    assert.equal(equal.kind, 'Internal');
    assert.match(equal.message, new RegExp(`lies in quarantine, operation ${message.id}: boom`));
    assert.deepEqual([await crashesOf(0), host.quarantine().length, host.quarantine()[0]?.count], [crashes, 1, 2]);

    const again = await host.retry(message.id, { who: 'operator', deadlineMs: world.monotonicMs() + 5_000 });
    assert.equal((again as Refusal).kind, 'Internal');
    assert.equal(await crashesOf(0), crashes + 3, 'tried again indeed');
    const [second, ...rest] = host.quarantine();
    assert.ok(second !== undefined && second.id !== message.id && rest.length === 0);
    assert.equal(host.drop(second.id), true);
    assert.equal(host.drop(second.id), false);
    assert.deepEqual(host.quarantine(), []);
  });

  it('a part that another actor, of another thread, throws at: what was asked is not let in again, and is what is retried', async () => {
    const send = (text: string): Promise<unknown> => {
      const body = { to: on(1).id, text };
      return host.ask(on(0), 'pass', body, { who: 'test', deadlineMs: world.monotonicMs() + 20_000 });
    };
    const before = await crashesOf(1);
    assert.equal(((await send('t')) as Refusal).kind, 'Internal');
    const [part] = host.quarantine();
    assert.deepEqual([part?.name, part?.shard, part?.partOf?.name], ['throw', 1, 'pass']);
    const refused = (await send('t')) as Refusal;
    assert.match(
      refused.message,
      new RegExp(`pass again and again, it lies in quarantine, operation ${part?.id}: boom`),
    );
    assert.equal(await crashesOf(1), before + 3);
    const again = await host.retry(part?.id ?? '', { who: 'operator', deadlineMs: world.monotonicMs() + 5_000 });
    assert.match((again as Refusal).message, /failed at throw, operation/);
    assert.equal(await crashesOf(1), before + 6);
    const [second] = host.quarantine();
    assert.ok(second !== undefined && host.drop(second.id));
    assert.deepEqual(host.quarantine(), []);
  });
});
