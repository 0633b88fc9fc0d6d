import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { it } from 'node:test';
import { createVirtualWorld } from '../../actors/runtime/virtual-world.ts';
import { whenFree } from './when-free.ts';

const listening = async (port: number): Promise<Server> => {
  const server = createServer().listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
};

/** A world whose time passes at each look; `then` at the third. */
function lookingWorld(then: () => void) {
  const world = createVirtualWorld();
  let looks = 0;
  const after: typeof world.after = (delayMs, run) => {
    const cancel = world.after(delayMs, run);
    if (++looks === 3) then();
    setImmediate(() => world.run(world.monotonicMs() + delayMs));
    return cancel;
  };
  return { world: { after, monotonicMs: () => world.monotonicMs() }, looks: () => looks };
}

it('a port that is let go of is had then', async () => {
  const first = await listening(0);
  const { port } = first.address() as AddressInfo;
  const { world, looks } = lookingWorld(() => first.close());
  const second = await whenFree(world, () => listening(port));
  assert.equal((second.address() as AddressInfo).port, port);
  assert.ok(looks() >= 3);
  second.close();
});

it('a port that stays in use is the error in the end; another error at once', async () => {
  const first = await listening(0);
  const { port } = first.address() as AddressInfo;
  const patient = lookingWorld(() => {});
  await assert.rejects(
    whenFree(patient.world, () => listening(port), 1_000),
    { code: 'EADDRINUSE' },
  );
  assert.equal(patient.looks(), 10);
  first.close();
  const hasty = lookingWorld(() => {});
  await assert.rejects(
    whenFree(hasty.world, () => Promise.reject(new Error('no'))),
    /^Error: no$/,
  );
  assert.equal(hasty.looks(), 0);
});
