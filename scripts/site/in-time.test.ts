import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAsker } from '../../actors/asker.ts';
import { createVirtualWorld } from '../../actors/runtime/virtual-world.ts';
import type { HttpAnswer } from '../../router/message.ts';
import { answerInTime, OTHERS_GRACE_MS, OWN_GRACE_MS } from './in-time.ts';

const turns = async (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function deferred<A>() {
  let settle = {} as { resolve(answer: A): void; reject(error: Error): void };
  const promise = new Promise<A>((resolve, reject) => (settle = { resolve, reject }));
  return { promise, ...settle };
}

function start() {
  const world = createVirtualWorld();
  let timers = 0;
  const after: typeof world.after = (delayMs, run) => {
    timers++;
    return world.after(delayMs, run);
  };
  const own = deferred<Response>();
  const others = deferred<HttpAnswer | undefined>();
  const role = answerInTime(
    { app: { fetch: () => own.promise }, beforeApp: () => others.promise },
    { basePath: '/', world: { after } },
  );
  const asker = (withinMs: number) => {
    const untilMs = world.monotonicMs() + withinMs;
    return createAsker(() => untilMs - world.monotonicMs());
  };
  const fetch = (method: string, path: string, withinMs: number) =>
    Promise.resolve(role.app.fetch(new Request(`http://muc${path}`, { method }), { asker: asker(withinMs) }));
  const pass = (method: string, path: string, withinMs: number) =>
    Promise.resolve(
      role.beforeApp({
        method,
        path,
        headers: [],
        body: new Uint8Array(),
        via: 'http',
        asker: asker(withinMs),
      }),
    );
  const run = async (ms: number): Promise<void> => {
    world.run(world.monotonicMs() + ms);
    await turns();
  };
  return { world, own, others, fetch, pass, run, timers: () => timers };
}

const saidBy = async (response: Response | undefined): Promise<string> =>
  `${response?.status} ${response?.headers.get('x-refused-because')} ${Number(response?.headers.get('retry-after')) > 0}`;

test('reliability.md F08: a request whose time is over is answered, whatever it waits for; what comes later is dropped', async () => {
  const { own, fetch, run } = start();
  const told: string[] = [];
  for (const [method, path] of [
    ['GET', '/v1/ip'],
    ['POST', '/v1/ip/find'],
    ['POST', '/v1/ip/allocate'],
  ] as const)
    void fetch(method, path, 300).then(async (response) => told.push(`${path} ${await saidBy(response)}`));
  await run(300 + OWN_GRACE_MS - 1);
  assert.deepEqual(told, []);
  await run(1);
  await turns();
  assert.deepEqual(told, [
    '/v1/ip 503 deadline true',
    '/v1/ip/find 503 deadline true',
    '/v1/ip/allocate 503 outcome-unknown true',
  ]);
  let isCancelled = false;
  own.resolve(new Response(new ReadableStream({ cancel: () => void (isCancelled = true) })));
  await turns();
  assert.ok(isCancelled, 'nobody reads it');
});

test('a handler that fails after the time of its request is over fails nobody', async () => {
  const { own, others, fetch, pass, run } = start();
  const [mine, passed] = [fetch('POST', '/v1/ip/allocate', 0), pass('GET', '/v1/ip', 0)];
  await run(OTHERS_GRACE_MS);
  own.reject(new Error('late'));
  others.reject(new Error('late'));
  assert.deepEqual([(await mine).status, (await passed)?.status], [503, 503]);
});

test('what comes in time is what is answered, and its timer is gone; without a time of its own there is none', async () => {
  const { world, own, others, fetch, pass, timers } = start();
  const answers = [fetch('GET', '/v1/ip', Infinity), fetch('GET', '/v1/ip', 300)];
  const passed = [pass('GET', '/v1/ip', Infinity), pass('GET', '/v1/ip', 300)];
  assert.equal(timers(), 2);
  own.resolve(new Response('{}'));
  others.resolve(undefined);
  for (const answer of answers) assert.equal((await answer).status, 200);
  for (const answer of passed) assert.equal(await answer, undefined);
  assert.equal(world.step(Infinity), false);
});

test('another site may still say what it knows at the last moment; then nobody waits for it', async () => {
  const { pass, run } = start();
  const told: Array<HttpAnswer | undefined> = [];
  void pass('POST', '/v1/ip/allocate', 300).then((answer) => told.push(answer));
  await run(300 + OTHERS_GRACE_MS - 1);
  assert.equal(told.length, 0);
  await run(1);
  assert.deepEqual(
    told.map((answer) => [answer?.status, new Map(answer?.headers).get('x-refused-because')]),
    [[503, 'outcome-unknown']],
  );
});
