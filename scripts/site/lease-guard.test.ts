import assert from 'node:assert/strict';
import { it } from 'node:test';
import { because, conflict, exhausted, internal, notFound, unavailable } from '../../actors/refusal.ts';
import { createVirtualWorld } from '../../actors/runtime/virtual-world.ts';
import { crashResponse } from '../../http/route.ts';
import { refusalResponse } from '../../http/wire-errors.ts';
import { guardByLease } from './lease-guard.ts';

type Options = Parameters<typeof guardByLease>[0];

const guardOf = (given: Pick<Options, 'app' | 'isHeld' | 'problem' | 'world'>): ReturnType<typeof guardByLease> =>
  guardByLease({ site: 'muc', basePath: '/', isCurrent: () => true, isBehind: () => false, ...given });

async function refusedWrite(problem: string | undefined): Promise<string> {
  const world = createVirtualWorld();
  const app = { fetch: () => new Response('{}') };
  const guard = guardOf({ app, isHeld: () => false, problem: () => problem, world });
  let answered = false;
  const answer = guard.fetch(new Request('http://muc/v1/ip/allocate', { method: 'POST' }), {});
  const response = Promise.resolve(answer).finally(() => (answered = true));
  while (!answered) {
    world.step(world.monotonicMs() + 1_000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { status, headers } = await response;
  assert.equal(status, 503);
  assert.ok(Number(headers.get('retry-after')) >= 1);
  return `${headers.get('x-refused-because')}: ${await (await response).text()}`;
}

it('a write without a lease is told why: the database is away, or somebody else may be active', async () => {
  assert.match(
    await refusedWrite('connection refused'),
    /^database: .*the database of site .*muc.* does not answer: connection refused/,
  );
  assert.match(await refusedWrite(undefined), /^lease: .*the lease of site .*muc.* is not certain/);
  assert.match(await refusedWrite(undefined), /nothing was changed, try again/);
});

const saidBy = async (response: Response): Promise<string> =>
  `${response.status} ${response.headers.get('x-refused-because')}: ${await response.text()}`;

/** What is heard of a request during which the database went away, and what the edge had answered. */
async function lostMeanwhile(answered: Response, [method, path]: [method: string, path: string]): Promise<string> {
  let isHeld = true;
  const app = {
    fetch() {
      isHeld = false;
      return answered;
    },
  };
  const problem = (): string => 'no answer came within 1000 ms';
  const guard = guardOf({ app, isHeld: () => isHeld, problem, world: createVirtualWorld() });
  return await saidBy(await guard.fetch(new Request(`http://muc${path}`, { method }), {}));
}

const WRITE: [string, string] = ['POST', '/v1/ip/allocate'];
const READ: [string, string] = ['GET', '/v1/size'];

it('F08: what the edge says of its own write leaves also without a lease: done, not done, or not known', async () => {
  const outcomes = [
    new Response('{}', { status: 201 }),
    refusalResponse(
      because('outcome-unknown', unavailable('outcome unknown: the database did not answer; operation 7')),
    ),
    refusalResponse(because('deadline', unavailable('the deadline passed; nothing was changed'))),
  ];
  for (const outcome of outcomes) {
    const said = await saidBy(outcome.clone());
    assert.equal(await lostMeanwhile(outcome, WRITE), said);
  }
});

it('I06, F08: what was decided on memory does not leave without a lease; of a write that was begun it is said that nobody knows', async () => {
  const decided = [
    refusalResponse(notFound('no network "internet"')),
    refusalResponse(conflict('ip 10.0.0.1 is in use')),
    refusalResponse(exhausted('network "internet" has nothing left')),
    refusalResponse(internal('it was set aside')),
    refusalResponse(unavailable('ip 10.0.0.1 is lent to partition fra')),
    crashResponse(),
  ];
  for (const refusal of decided) {
    const heard = await lostMeanwhile(refusal, WRITE);
    assert.match(
      heard,
      /^503 outcome-unknown: .*outcome unknown: the database of site .*muc.* does not answer: no answer/,
    );
    assert.doesNotMatch(heard, /try again|nothing was/);
  }
});

it('a read that lost its lease is asked to try again: nothing of it can be had twice', async () => {
  const heard = await lostMeanwhile(new Response('{}'), ['GET', '/v1/network/n']);
  assert.match(heard, /^503 database: .*no answer came within 1000 ms; try again/);
});

it('I14: that there is no such thing is not said while what was written last is not heard of yet', async () => {
  const world = createVirtualWorld();
  let isCurrent = false;
  const app = { fetch: () => new Response('{}', { status: 404 }) };
  const guard = guardByLease({
    app,
    site: 'muc',
    basePath: '/',
    isHeld: () => true,
    isCurrent: () => isCurrent,
    isBehind: () => false,
    world,
  });
  const statusOf = async (): Promise<number> => (await guard.fetch(new Request('http://muc/v1/network/n'), {})).status;
  assert.equal(await statusOf(), 503);
  isCurrent = true;
  assert.equal(await statusOf(), 404);
});

/** A request to a site that has not heard of all that it acknowledged; it hears of it after so long. */
async function whileBehind(hearsAfterMs: number, [method, path]: [method: string, path: string]): Promise<string> {
  const world = createVirtualWorld();
  let isBehind = true;
  const guard = guardByLease({
    app: { fetch: () => new Response(isBehind ? 'as it was before' : 'as it is') },
    site: 'muc',
    basePath: '/',
    isHeld: () => true,
    isCurrent: () => !isBehind,
    isBehind: () => isBehind,
    world,
  });
  world.after(hearsAfterMs, () => void (isBehind = false));
  let answered = false;
  const answer = Promise.resolve(guard.fetch(new Request(`http://muc${path}`, { method }), {}));
  void answer.finally(() => (answered = true));
  await new Promise((resolve) => setImmediate(resolve));
  while (!answered && world.step(60_000)) await new Promise((resolve) => setImmediate(resolve));
  return `${Math.ceil(world.monotonicMs() / 1_000)} s: ${await saidBy(await answer)}`;
}

it('I06: nobody is told what was before what the site acknowledged: who asks waits until it is heard, or is refused', async () => {
  for (const request of [READ, WRITE]) {
    assert.equal(await whileBehind(900, request), '1 s: 200 null: as it is');
    assert.match(await whileBehind(50_000, request), /^5 s: 503 starting: .*still reads what it wrote last; try again/);
  }
  assert.equal(await whileBehind(900, ['GET', '/healthz']), '0 s: 200 null: as it was before');
});
