import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createVirtualWorld } from '../actors/runtime/virtual-world.ts';
import { createAdmission, identityOf, type Admission, type Denied } from './admission.ts';
import { classify, type RequestClass } from './request-class.ts';

const isDenied = (answer: ReturnType<Admission['admit']>): answer is Denied => typeof answer !== 'function';

/** A server of so many at a time, `serviceMs` each, in front of which requests wait in order. */
function plant(serviceMs: () => number, servers: number) {
  const world = createVirtualWorld();
  const admission = createAdmission({ world, least: 16, most: 512 });
  const queue: Array<() => void> = [];
  let busy = 0;
  const counts = { good: 0, denied: 0, worstMs: 0 };
  const serve = (done: () => void): void => {
    busy++;
    world.after(serviceMs(), () => {
      busy--;
      done();
      const next = queue.shift();
      if (next !== undefined) next();
    });
  };
  function arrive(kind: RequestClass = 'B', identity = 'one'): boolean {
    const answer = admission.admit({ class: kind, identity, operation: 'x' });
    if (isDenied(answer)) {
      counts.denied++;
      return false;
    }
    const from = world.monotonicMs();
    const work = (): void =>
      serve(() => {
        answer(true);
        counts.good++;
        counts.worstMs = Math.max(counts.worstMs, world.monotonicMs() - from);
      });
    if (busy < servers) work();
    else queue.push(work);
    return true;
  }
  /** Open loop: they come whether they are served or not. */
  function load(perSecond: number, forMs: number): typeof counts {
    Object.assign(counts, { good: 0, denied: 0, worstMs: 0 });
    const until = world.monotonicMs() + forMs;
    const next = (): void => {
      if (world.monotonicMs() >= until) return;
      arrive();
      world.after(1_000 / perSecond, next);
    };
    next();
    world.run(until);
    return { ...counts };
  }
  return { world, admission, arrive, load };
}

const fill = (admission: Admission, count: number, kind: RequestClass, identity: string): number => {
  let admitted = 0;
  for (let i = 0; i < count; i++) if (!isDenied(admission.admit({ class: kind, identity, operation: 'x' }))) admitted++;
  return admitted;
};

describe('admission (reliability.md §10, F19)', () => {
  it('at 3 × capacity: goodput ≥ 0.9 of capacity, no queue that only grows; afterwards as before', () => {
    // Four at a time, 10 ms each: 400 a second.
    const { load, admission } = plant(() => 10, 4);
    const before = load(280, 10_000);
    assert.equal(before.denied, 0);
    load(1_200, 10_000);
    const peak = load(1_200, 20_000);
    assert.ok(peak.good >= 0.9 * 400 * 20, JSON.stringify(peak));
    assert.ok(peak.worstMs < 1_000, JSON.stringify(peak));
    load(280, 5_000);
    const after = load(280, 5_000);
    assert.equal(after.denied, 0, JSON.stringify(admission.state));
    assert.ok(after.worstMs <= 30, JSON.stringify(after));
  });

  it('a database that became slow is no queue for ever', () => {
    let ms = 10;
    const { load, admission } = plant(() => ms, 64);
    load(1_000, 5_000);
    ms = 200;
    load(250, 60_000);
    const later = load(250, 10_000);
    assert.equal(later.denied, 0, JSON.stringify(admission.state));
  });

  it('A is admitted when C and B are not, and C is refused before B', () => {
    const world = createVirtualWorld();
    const admission = createAdmission({ world, least: 16, most: 64 });
    assert.equal(fill(admission, 100, 'C', 'one'), 32);
    assert.equal(fill(admission, 100, 'B', 'one'), 32);
    assert.equal(fill(admission, 100, 'A', 'one'), 16);
    assert.deepEqual(admission.state.refused, { share: 0, limit: 68 + 68 + 84, overloaded: 0 });
  });

  it('a look counts nothing: neither a place nor a refusal, until somebody was turned away by it', () => {
    const world = createVirtualWorld();
    const admission = createAdmission({ world, least: 16, most: 64 });
    fill(admission, 64, 'B', 'one');
    assert.equal(admission.look({ class: 'B', identity: 'one' })?.reason, 'limit');
    assert.equal(admission.look({ class: 'A', identity: '' }), undefined);
    assert.deepEqual([admission.state.inFlight, admission.state.refused], [64, { share: 0, limit: 0, overloaded: 0 }]);
    admission.turnedAway('limit');
    assert.deepEqual(admission.state.refused, { share: 0, limit: 1, overloaded: 0 });
  });

  it('who has more than a share hears 429, who has not is served', () => {
    const world = createVirtualWorld();
    const admission = createAdmission({ world, least: 16, most: 64 });
    fill(admission, 1, 'B', 'small');
    fill(admission, 1_000, 'B', 'big');
    const denied = admission.admit({ class: 'B', identity: 'big', operation: 'x' });
    assert.ok(isDenied(denied));
    assert.deepEqual([denied.status, denied.reason], [429, 'share']);
    assert.ok(denied.retryAfterS >= 1 && denied.retryAfterS <= 4);
    assert.ok(fill(admission, 5, 'B', 'small') > 0);
  });

  it('classes are declared by operation; identities by the head', () => {
    const classOf = (...args: Parameters<typeof classify>) => classify(...args).class;
    const none = (): undefined => undefined;
    assert.equal(classOf('DELETE', '/v1/ip/free/10.0.0.1', none, '/'), 'A');
    assert.equal(classOf('DELETE', '/v1/machine/x/free', none, '/'), 'A');
    assert.equal(classOf('POST', '/v1/ip/allocate', none, '/'), 'B');
    assert.equal(classOf('GET', '/v1/machine/x?full=1', none, '/'), 'B');
    assert.equal(classOf('POST', '/v1/machine/find', none, '/'), 'C');
    assert.equal(classOf('GET', '/v1/ip', none, '/'), 'C');
    assert.equal(
      classOf('POST', '/v1/ip/allocate', (name) => (name === 'x-hanse-dry-run' ? 'true' : undefined), '/'),
      'C',
    );
    assert.equal(classOf('DELETE', '/v2/ip/free/10.0.0.1?dryRun=true', none, '/'), 'C');
    assert.equal(classOf('POST', '/v2/machine/allocate?x=1&dryRun=true', none, '/'), 'C');
    assert.equal(classOf('DELETE', '/v2/ip/free/10.0.0.1?dryRun=false', none, '/'), 'A');
    assert.equal(classOf('GET', '/v2/inspect/shards', none, '/'), 'C');
    assert.equal(classOf('GET', '/readyz', none, '/'), 'A');
    assert.equal(identityOf('Metal-Admin 0123'), 'Metal-Admin');
    assert.notEqual(identityOf(`Bearer ${'a'.repeat(80)}`), identityOf(`Bearer ${'b'.repeat(80)}`));
  });
});
