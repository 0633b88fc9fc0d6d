import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';
import type { LogCursor, LogEntry } from '../../actors/ports.ts';
import { signRequest } from '../auth/hmac.ts';
import { createEdge, finishEdge } from '../app.ts';
import { serveEdge } from '../server.ts';
import { TEST_KEYS } from '../testing.ts';
import { addBusRoutes } from './bus-route.ts';
import { createBus, type Bus } from './bus.ts';
import { fakeSite } from './site.fixture.ts';
import { formatCursor, parseCursor } from './topics.ts';

const topic = 'p1-machine';
const entry = (n: number, bodies: unknown[], changes: Partial<LogEntry> = {}): LogEntry => ({
  scope: 'partition:p1',
  shard: 0,
  epoch: 1,
  n,
  operation: `o${n}`,
  what: 'machine.power',
  who: 'test',
  atMs: Date.now(),
  changes: [],
  messages: bodies.map((body) => ({ topic, body })),
  ...changes,
});

/** A log in memory, with a consumer's cursors. */
const memoryLog = (entries: LogEntry[] = []) => {
  const saved: LogCursor[][] = [];
  return {
    entries,
    saved,
    backlog: async (each: (portion: LogEntry[]) => Promise<void>) => {
      const done = saved.at(-1)?.[0];
      await each(entries.filter(({ epoch, n }) => !done || epoch > done.epoch || (epoch === done.epoch && n > done.n)));
    },
    saveCursors: (cursors: LogCursor[]) => {
      saved.push(cursors);
      return Promise.resolve();
    },
  };
};

const collect = (bus: Bus, cursor: string | null) => {
  const got: unknown[] = [];
  const begun: string[] = [];
  const ids: string[] = [];
  const leave = bus.subscribe(topic, cursor === null ? null : parseCursor(cursor)!, {
    begin: (id) => void begun.push(id),
    deliver: ({ id, bodies }) => {
      got.push(...bodies);
      ids.push(id);
    },
    gap: () => got.push('gap'),
    end: () => got.push('end'),
  });
  return { got, begun, ids, leave };
};

const ready = async (bus: Bus): Promise<void> => {
  while (bus.state().isCatchingUp) await sleep(2);
};

test('design.md §4: cursors are vectors over streams, and keep their form', () => {
  const text = 'partition:a/0/7/12,partition:a/1/6/3';
  assert.equal(formatCursor(parseCursor(text)!), text);
  assert.equal(parseCursor('')!.size, 0);
  assert.equal(parseCursor(formatCursor(new Map()))!.size, 0);
  for (const bad of ['x', 'partition:a/0/7', 'partition:a/0/7/12,', 'partition:a/0/7/-1']) {
    assert.equal(parseCursor(bad), undefined, bad);
  }
});

test('a subscriber gets what is published from now on, and after a cursor what it missed', async () => {
  const bus = createBus(memoryLog());
  await ready(bus);
  bus.publish(entry(1, ['before'], { atMs: Date.now() - 5_000 }));
  const now = collect(bus, null);
  bus.publish(entry(2, []));
  bus.publish(entry(3, ['a', 'b']));
  bus.publish(entry(1, ['c'], { shard: 1, epoch: 4 }));
  assert.deepEqual(now.got, ['a', 'b', 'c']);
  assert.deepEqual(now.ids, ['partition:p1/0/1/3', 'partition:p1/0/1/3,partition:p1/1/4/1']);
  now.leave();
  bus.publish(entry(4, ['d']));
  assert.deepEqual(now.got, ['a', 'b', 'c']);
  assert.deepEqual(collect(bus, now.ids[0]!).got, ['c', 'd']);
  await bus.stop();
});

test('I14: who came without a cursor is told where it begins: what is published while nobody is heard is not lost', async () => {
  const bus = createBus(memoryLog());
  await ready(bus);
  const first = collect(bus, null);
  assert.deepEqual(first.begun, ['-']);
  first.leave();
  bus.publish(entry(1, ['while away']));
  assert.deepEqual(collect(bus, first.begun[0]!).got, ['while away']);
  const second = collect(bus, null);
  assert.deepEqual(second.begun, ['partition:p1/0/1/1']);
  // Nobody who had a cursor gets another one.
  assert.deepEqual(collect(bus, 'partition:p1/0/1/1').begun, []);
  await bus.stop();
});

test('while the log is read, a newcomer does not begin before what was written before it came', async () => {
  const log = memoryLog([entry(1, ['old'], { atMs: Date.now() - 1_000 })]);
  let open: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (open = resolve));
  const bus = createBus({ ...log, backlog: (each) => gate.then(() => log.backlog(each)) });
  const { got, begun } = collect(bus, null);
  assert.deepEqual(begun, []);
  open();
  await ready(bus);
  assert.deepEqual([got, begun], [[], ['partition:p1/0/1/1']]);
  await bus.stop();
});

test('a new epoch counts as later, whatever its numbers', async () => {
  const bus = createBus(memoryLog());
  await ready(bus);
  bus.publish(entry(9, ['old']));
  bus.publish(entry(1, ['new'], { epoch: 2 }));
  assert.deepEqual(collect(bus, 'partition:p1/0/1/9').got, ['new']);
  await bus.stop();
});

test('a restart reads the log after the saved cursors, live entries wait, nothing comes twice', async () => {
  const log = memoryLog([entry(1, ['one']), entry(2, ['two'])]);
  let open: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (open = resolve));
  const bus = createBus({ ...log, backlog: (each) => gate.then(() => log.backlog(each)) });
  const { got } = collect(bus, 'partition:p1/0/1/1');
  bus.publish(entry(2, ['two']));
  bus.publish(entry(3, ['three']));
  assert.deepEqual(got, []);
  open();
  await ready(bus);
  assert.deepEqual(got, ['two', 'three']);
  await bus.stop();
});

test('what the log could not give is read again', async () => {
  const log = memoryLog([entry(1, ['one'])]);
  let failures = 1;
  const bus = createBus({
    ...log,
    backlog: (each) => (failures-- > 0 ? Promise.reject(new Error('down')) : log.backlog(each)),
  });
  const { got } = collect(bus, '');
  await ready(bus);
  assert.deepEqual(got, ['one']);
  await bus.stop();
});

test('machines.md W25: what is older than the retention is not delivered, and a reader that far behind hears of it', async () => {
  let now = 1_000_000;
  const log = memoryLog();
  const bus = createBus({ ...log, wallMs: () => now, retentionMs: 1_000, saveEveryMs: 5 });
  await ready(bus);
  bus.publish(entry(1, ['one'], { atMs: now }));
  bus.publish(entry(2, [], { atMs: now }));
  await sleep(20);
  assert.deepEqual(log.saved, []);
  now += 2_000;
  await sleep(20);
  assert.equal((log.saved as LogCursor[][]).at(-1)![0]!.n, 2);
  bus.publish(entry(3, ['three'], { atMs: now }));
  assert.deepEqual(collect(bus, 'partition:p1/0/1/0').got, ['gap', 'three']);
  assert.deepEqual(collect(bus, 'partition:p1/0/1/1').got, ['three']);
  await bus.stop();
});

async function serveBus() {
  const bus = createBus(memoryLog());
  await ready(bus);
  const edge = createEdge(fakeSite());
  addBusRoutes(bus)(edge);
  return { bus, server: await serveEdge(finishEdge(edge), { host: '127.0.0.1', port: 0 }) };
}

test('GET /v2/bus/{topic}: events with cursors, role edit, and a stream that ends when the bus stops', async () => {
  const { bus, server } = await serveBus();
  const get = (user: 'Metal-View' | 'Metal-Edit', headers: Record<string, string> = {}) =>
    fetch(`http://127.0.0.1:${server.port}/v2/bus/${topic}`, {
      headers: { ...signRequest(user, TEST_KEYS[user], 'GET', Date.now(), 'salt'), ...headers },
    });
  assert.equal((await get('Metal-View')).status, 403);
  assert.equal((await get('Metal-Edit', { 'last-event-id': 'nonsense' })).status, 400);

  bus.publish(entry(1, [{ type: 'old' }]));
  const response = await get('Metal-Edit', { 'last-event-id': 'partition:p1/0/1/0' });
  assert.equal(response.headers.get('content-type'), 'text/event-stream');
  bus.publish(entry(2, [{ type: 'delete' }, { type: 'command' }]));
  let text = '';
  const reading = (async () => {
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) text += chunk;
  })();
  while (!text.includes('command')) await sleep(2);
  await bus.stop();
  await reading;
  assert.equal(
    text,
    ':\n\nid: partition:p1/0/1/1\ndata: {"type":"old"}\n\n' +
      'data: {"type":"delete"}\n\nid: partition:p1/0/1/2\ndata: {"type":"command"}\n\n',
  );
  await server.stop(100);
});

test('reliability.md F20: a reader that falls behind is cut off and goes on from its cursor; another one misses nothing', async () => {
  const { bus, server } = await serveBus();
  const path = `/v2/bus/${topic}`;
  const headers = (cursor: string): Record<string, string> => ({
    ...signRequest('Metal-Edit', TEST_KEYS['Metal-Edit'], 'GET', Date.now(), 'salt'),
    'last-event-id': cursor,
  });
  /** Numbers of the events of a text that comes piece by piece; a text of megabytes is never put together. */
  const numbersIn = (): { numbers: number[]; take(piece: string): void } => {
    const numbers: number[] = [];
    let open = '';
    return {
      numbers,
      take(piece) {
        const events = (open + piece).split('\n\n');
        open = events.pop()!;
        for (const event of events) {
          const number = /id: .*\/(\d+)\s+data/.exec(event)?.[1];
          if (number !== undefined) numbers.push(Number(number));
        }
      },
    };
  };
  const follow = async (cursor: string, last: number): Promise<number[]> => {
    const response = await fetch(`http://127.0.0.1:${server.port}${path}`, { headers: headers(cursor) });
    const { numbers, take } = numbersIn();
    for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) {
      take(piece);
      if (numbers.at(-1) === last) break;
    }
    return numbers;
  };
  const start = 'partition:p1/0/1/0';

  const lazy = connect(server.port, '127.0.0.1');
  const request = [`GET ${path} HTTP/1.1`, 'host: x', ...Object.entries(headers(start)).map(([k, v]) => `${k}: ${v}`)];
  lazy.write(`${request.join('\r\n')}\r\n\r\n`);
  await once(lazy, 'readable');

  const EVENTS = 2_500;
  const all = Array.from({ length: EVENTS }, (_, i) => i + 1);
  const quick = follow(start, EVENTS);
  // More than the buffers of both sockets take.
  const body = { type: 'event', filler: 'x'.repeat(10_000) };
  for (const n of all) {
    bus.publish(entry(n, [body]));
    await setImmediate();
  }
  assert.deepEqual(await quick, all);

  const heard = numbersIn();
  let end = '';
  for await (const piece of lazy.setEncoding('utf8') as AsyncIterable<string>) {
    heard.take(piece);
    end = (end + piece).slice(-16);
    // The last chunk of the answer: it is cut off, not only slow.
    if (end.endsWith('\r\n0\r\n\r\n')) break;
  }
  assert.ok(heard.numbers.length > 0 && heard.numbers.length < EVENTS, `${heard.numbers.length} events`);
  // It comes back, as often as it has to: what it missed is more than it may be behind.
  while (heard.numbers.at(-1) !== EVENTS)
    heard.numbers.push(...(await follow(`partition:p1/0/1/${heard.numbers.at(-1)}`, EVENTS)));
  assert.deepEqual(heard.numbers, all);
  await bus.stop();
  await server.stop(100);
});
