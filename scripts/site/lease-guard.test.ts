import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createVirtualWorld } from '../../actors/runtime/virtual-world.ts';
import { guardByLease } from './lease-guard.ts';

async function refusedWrite(problem: string | undefined): Promise<string> {
  const world = createVirtualWorld();
  const app = { fetch: () => new Response('{}') };
  const guard = guardByLease({
    app,
    site: 'muc',
    basePath: '/',
    isHeld: () => false,
    isCurrent: () => true,
    problem: () => problem,
    world,
  });
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
    world,
  });
  const statusOf = async (): Promise<number> => (await guard.fetch(new Request('http://muc/v1/network/n'), {})).status;
  assert.equal(await statusOf(), 503);
  isCurrent = true;
  assert.equal(await statusOf(), 404);
});
