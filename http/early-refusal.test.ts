import { test } from 'node:test';
import assert from 'node:assert/strict';
import { Agent, createServer, request, type ServerResponse } from 'node:http';
import { connect as dial, type AddressInfo } from 'node:net';
import { refuseEarly, type EarlyRefusal, type WaitingLimits } from './early-refusal.ts';
import { headOf, type Gate } from './gate.ts';
import type { RequestClass } from './request-class.ts';

const REFUSED = { status: 503, headers: [['retry-after', '1']] as Array<[string, string]>, body: Buffer.from('full') };

/** A server that holds what was let in until it is told to answer it, and has `places` for it. */
async function plant(limits: WaitingLimits = {}) {
  const inside: ServerResponse[] = [];
  const entered: string[] = [];
  const hungUp: string[] = [];
  const at = { nowMs: 0, places: 1, turnedAway: 0, refused: REFUSED, isBeyond: (_identity: string): boolean => false };
  let sweep = (): void => {};
  let wake = (): void => {};
  const gate: Gate = {
    look(head, promised = 0) {
      const identity = head.header('authorization') ?? '';
      head.arrival ??= { class: (head.header('x-class') ?? 'B') as RequestClass, operation: '', identity };
      return at.isBeyond(identity) || inside.length + promised >= at.places ? at.refused : undefined;
    },
    enter: () => () => {},
    turnedAway: () => void at.turnedAway++,
  };
  const server = createServer((incoming, outgoing) => {
    entered.push(incoming.url ?? '');
    inside.push(outgoing);
    early.entering(headOf(incoming));
  });
  const early: EarlyRefusal = refuseEarly(server, gate, {
    now: () => at.nowMs,
    after: (run) => (sweep = run),
    // What most of these tell of begins where nobody waits who was not refused before.
    crowd: 0,
    ...limits,
  });
  server.on('request', ({ url = '' }, outgoing) => {
    wake();
    outgoing.once('close', () => {
      if (!outgoing.writableEnded) hungUp.push(url);
      wake();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const agents: Agent[] = [];
  return {
    at,
    port,
    early,
    entered,
    hungUp,
    /** One connection; answers with status codes, 0 when it broke. */
    connect() {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      agents.push(agent);
      return (path: string, kind: RequestClass = 'B', body = '', more: Record<string, string> = {}) => {
        const headers = { 'x-class': kind, 'content-length': body.length, ...more };
        const outgoing = request({ port, agent, method: 'POST', path, headers });
        const status = new Promise<number>((resolve) => {
          outgoing.on('response', (response) => {
            response.resume().on('end', () => resolve(response.statusCode ?? 0));
          });
          outgoing.on('error', () => resolve(0));
        });
        outgoing.end(body);
        return Object.assign(status, { hangUp: () => outgoing.destroy() });
      };
    },
    answerFirst() {
      inside.shift()?.end('done');
      early.answered();
    },
    sweep: () => sweep(),
    /** Until it holds: looked at after every request and every end of one. */
    async until(holds: () => boolean) {
      while (!holds()) await new Promise<void>((resolve) => (wake = resolve));
    },
    stop() {
      for (const agent of agents) agent.destroy();
      server.close();
      server.closeAllConnections();
    },
  };
}

type Plant = Awaited<ReturnType<typeof plant>>;

/** The only place is taken. */
async function fullPlant(): Promise<Plant> {
  const full = await plant();
  void full.connect()('/long');
  await full.until(() => full.entered.length === 1);
  return full;
}

/** A connection whose request was refused, and whose next one waits. */
async function waitAt({ early, connect, until }: Plant, path: string, authorization = ''): Promise<void> {
  const one = connect();
  assert.equal(await one('/refused', 'B', '', { authorization }), 503);
  const before = early.waiting;
  void one(path, 'B', '', { authorization });
  await until(() => early.waiting === before + 1);
}

test('who was refused and comes again at once waits for room; others are refused at once', async () => {
  const { at, early, entered, connect, answerFirst, until, stop } = await plant();
  try {
    const [first, second, third] = [connect(), connect(), connect()];
    const long = first('/long');
    await until(() => entered.length === 1);
    assert.equal(await second('/refused'), 503);
    const again = second('/again', 'B', '{"small":true}');
    await until(() => early.waiting === 1);
    assert.equal(await third('/other'), 503);
    answerFirst();
    assert.equal(await long, 200);
    assert.deepEqual(entered, ['/long', '/again']);
    answerFirst();
    assert.equal(await again, 200);
    assert.deepEqual([early.waiting, at.turnedAway], [0, 2]);
  } finally {
    stop();
  }
});

test('it waits no longer than its time; who comes when it was told to does not wait', async () => {
  const { at, early, entered, connect, sweep, until, stop } = await plant({ waitMs: 500 });
  try {
    const [first, second] = [connect(), connect()];
    void first('/long');
    await until(() => entered.length === 1);
    assert.equal(await second('/refused'), 503);
    const again = second('/again');
    await until(() => early.waiting === 1);
    at.nowMs = 499;
    sweep();
    assert.equal(early.waiting, 1);
    at.nowMs = 500;
    sweep();
    assert.equal(await again, 503);
    at.nowMs = 1_500;
    assert.equal(await second('/in-time'), 503);
    assert.deepEqual([early.waiting, at.turnedAway, entered.length], [0, 3, 1]);
  } finally {
    stop();
  }
});

test('who waited is not refused first the next time: that it comes back at once is known for a while', async () => {
  const { at, early, entered, connect, answerFirst, until, stop } = await plant();
  try {
    const [first, second] = [connect(), connect()];
    void first('/long');
    await until(() => entered.length === 1);
    assert.equal(await second('/refused'), 503);
    const again = second('/again');
    await until(() => early.waiting === 1);
    answerFirst();
    // What it was told is over, but there is room for one, and somebody else has it.
    at.nowMs = 1_500;
    void first('/other');
    answerFirst();
    assert.equal(await again, 200);
    await until(() => entered.length === 3);
    void second('/next');
    await until(() => early.waiting === 1);
    answerFirst();
    await until(() => entered.length === 4);
    answerFirst();
    at.nowMs = 9_000;
    void first('/last');
    await until(() => entered.length === 5);
    assert.equal(await second('/much-later'), 503);
    assert.equal(at.turnedAway, 2);
  } finally {
    stop();
  }
});

test('what gives something back does not wait, nor does what is large, or one too many', async () => {
  const { at, early, entered, connect, answerFirst, until, stop } = await plant({ most: 1 });
  try {
    const [first, second, third] = [connect(), connect(), connect()];
    void first('/long');
    await until(() => entered.length === 1);
    assert.equal(await second('/refused'), 503);
    assert.equal(await second('/free', 'A'), 503);
    assert.equal(await second('/large', 'B', 'x'.repeat(10_000)), 503);
    assert.equal(await third('/refused'), 503);
    void second('/list', 'C');
    await until(() => early.waiting === 1);
    assert.equal(await third('/one-too-many'), 503);
    // Room is for whoever comes, too.
    at.places = 2;
    void third('/welcome');
    await until(() => entered.length === 2);
    answerFirst();
    assert.deepEqual(entered, ['/long', '/welcome', '/list']);
  } finally {
    stop();
  }
});

test('who hangs up while it waits is not let in', async () => {
  const { early, entered, hungUp, connect, answerFirst, sweep, until, stop } = await plant();
  try {
    const [first, second, third] = [connect(), connect(), connect()];
    void first('/long');
    await until(() => entered.length === 1);
    assert.equal(await second('/refused'), 503);
    assert.equal(await third('/refused'), 503);
    const gone = second('/gone');
    await until(() => early.waiting === 1);
    void third('/stays');
    await until(() => early.waiting === 2);
    gone.hangUp();
    await until(() => hungUp.length === 1);
    answerFirst();
    assert.deepEqual(entered, ['/long', '/stays']);
    sweep();
    assert.equal(early.waiting, 0);
  } finally {
    stop();
  }
});

test('of one who asks much and one who asks little each has a turn; where one is beyond its share, the other one comes', async () => {
  const full = await fullPlant();
  const { at, entered, answerFirst, stop } = full;
  try {
    for (let n = 0; n < 10; n++) await waitAt(full, `/much-${n}`, 'much');
    await waitAt(full, '/little-0', 'little');
    await waitAt(full, '/little-1', 'little');
    answerFirst();
    answerFirst();
    assert.deepEqual(entered.slice(1), ['/much-0', '/little-0']);
    at.isBeyond = (identity) => identity === 'much';
    answerFirst();
    assert.equal(entered.at(-1), '/little-1');
    answerFirst();
    assert.equal(entered.length, 4);
  } finally {
    stop();
  }
});

test('when many have waited long enough at a time, only those come in for whom there is room', async () => {
  const full = await fullPlant();
  const { at, early, entered, sweep, stop } = full;
  try {
    for (let n = 0; n < 5; n++) await waitAt(full, `/again-${n}`);
    at.nowMs = 5_000;
    at.places = 3;
    sweep();
    assert.deepEqual(entered.slice(1), ['/again-0', '/again-1']);
    assert.deepEqual([early.waiting, at.turnedAway], [0, 8]);
  } finally {
    stop();
  }
});

test('a time of its own is part of the wait, which is no longer than it', async () => {
  const { at, early, entered, connect, sweep, until, stop } = await plant();
  try {
    const [first, second] = [connect(), connect()];
    void first('/long');
    await until(() => entered.length === 1);
    assert.equal(await second('/refused'), 503);
    const again = second('/again', 'B', '', { 'request-timeout': '0.2' });
    await until(() => early.waiting === 1);
    at.nowMs = 200;
    sweep();
    assert.equal(await again, 503);
  } finally {
    stop();
  }
});

test('a time of its own counts also behind one of the same user who has more', async () => {
  const full = await fullPlant();
  const { at, early, connect, sweep, until, stop } = full;
  try {
    await waitAt(full, '/patient', 'one');
    const hasty = connect();
    assert.equal(await hasty('/refused', 'B', '', { authorization: 'one' }), 503);
    const again = hasty('/hasty', 'B', '', { authorization: 'one', 'request-timeout': '0.05' });
    await until(() => early.waiting === 2);
    at.nowMs = 50;
    sweep();
    assert.equal(early.waiting, 1);
    assert.equal(await again, 503);
  } finally {
    stop();
  }
});

test('of what is sent on one connection without waiting for answers one waits; nothing is done for who hung up', async () => {
  const { at, port, early, entered, connect, answerFirst, sweep, until, stop } = await plant();
  try {
    const first = connect();
    void first('/long');
    await until(() => entered.length === 1);
    const socket = dial(port, '127.0.0.1');
    const request = (path: string): string => `POST ${path} HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n`;
    socket.write(request('/refused'));
    await new Promise((resolve) => socket.once('data', resolve));
    socket.write(Array.from({ length: 50 }, (_, n) => request(`/again-${n}`)).join(''));
    await until(() => at.turnedAway === 50);
    assert.equal(early.waiting, 1);
    socket.destroy();
    await until(() => {
      sweep();
      return early.waiting === 0;
    });
    answerFirst();
    assert.deepEqual(entered, ['/long']);
  } finally {
    stop();
  }
});

test('a few that find no room wait a moment for it; one too many is refused at once, and who waited in vain then', async () => {
  const { at, early, entered, connect, answerFirst, sweep, until, stop } = await plant({ crowd: 2, crowdMs: 100 });
  try {
    void connect()('/long');
    await until(() => entered.length === 1);
    const second = connect();
    const served = second('/second');
    await until(() => early.waiting === 1);
    const third = connect();
    const inVain = third('/third');
    await until(() => early.waiting === 2);
    assert.equal(await connect()('/one-too-many'), 503);
    answerFirst();
    await until(() => entered.length === 2);
    at.nowMs = 99;
    sweep();
    assert.equal(early.waiting, 1);
    at.nowMs = 100;
    sweep();
    assert.equal(await inVain, 503);
    answerFirst();
    assert.equal(await served, 200);
    assert.deepEqual([entered, at.turnedAway], [['/long', '/second'], 2]);
    // Who waited and was served heeded everything it was told: it is known for nothing.
    void connect()('/long-again');
    await until(() => entered.length === 3);
    void third('/again', 'B');
    await until(() => early.waiting === 1);
    at.nowMs = 200;
    void second('/later');
    await until(() => early.waiting === 2);
    at.nowMs = 300;
    sweep();
    assert.deepEqual([early.waiting, at.turnedAway], [1, 3]);
  } finally {
    stop();
  }
});

test('who has its share under way does not wait with the crowd, nor does what gives something back', async () => {
  const { at, early, entered, connect, until, stop } = await plant({ crowd: 2 });
  try {
    void connect()('/long');
    await until(() => entered.length === 1);
    assert.equal(await connect()('/back', 'A'), 503);
    at.refused = { ...REFUSED, status: 429 };
    assert.equal(await connect()('/more'), 429);
    assert.equal(early.waiting, 0);
  } finally {
    stop();
  }
});
