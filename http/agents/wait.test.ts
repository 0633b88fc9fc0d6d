import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { notFound, unavailable } from '../../actors/refusal.ts';
import type { Change } from '../../actors/records.ts';
import { connectAgent, startAgentServer, type AgentClient } from './agents.fixture.ts';
import type { AgentServer } from './grpc.ts';
import { fakeSite, type FakeSite } from './site.fixture.ts';

interface Scene {
  site: FakeSite;
  server: AgentServer;
  agent: AgentClient;
  /** What `get` answers from now on. */
  allocate: (machine: string) => void;
  /** Asks of one name so far. */
  count: (command: string) => number;
}

const allocationRow = (machine: string): Change =>
  ({
    table: 'allocation',
    scope: 'partition:p1',
    key: machine,
    owner: machine,
    prev: 0,
    version: 1,
    value: {},
  }) as unknown as Change;

const scene = async (run: (scene: Scene) => Promise<void>, tickMs = 20, lookEvery = 1_000): Promise<void> => {
  const allocated = new Set<string>();
  const site = fakeSite({ machines: { m1: 'p1', m2: 'p1' } });
  site.answer = ({ to, command }) => {
    const machine = to.split('/').at(-1)!;
    if (command === 'wait') return { allocated: allocated.has(machine) };
    if (command === 'get') return { machine: {}, allocation: allocated.has(machine) ? {} : null, provisioning: null };
    return {};
  };
  const server = await startAgentServer(site, { tickMs, lookEvery });
  const agent = await connectAgent(server.port);
  try {
    await run({
      site,
      server,
      agent,
      allocate: (machine) => allocated.add(machine),
      count: (command) => site.asked.filter((one) => one.command === command).length,
    });
  } finally {
    agent.close();
    await server.stop();
  }
};

const until = async (holds: () => boolean): Promise<void> => {
  for (let i = 0; i < 500 && !holds(); i++) await sleep(5);
  assert.ok(holds());
};

test('machines.md §7: an allocated machine need not wait', async () => {
  await scene(async ({ agent, allocate }) => {
    allocate('m1');
    assert.equal((await agent.wait('m1').ended).code, status.OK);
  });
});

test('machines.md §7: messages come while the machine waits, the allocation in the log ends the stream with OK', async () => {
  await scene(async ({ site, server, agent, allocate, count }) => {
    const wait = agent.wait('m1');
    await until(() => wait.messages() >= 2);
    assert.equal(server.waiting(), 1);
    allocate('m1');
    site.commit({ changes: [allocationRow('m1')] });
    assert.equal((await wait.ended).code, status.OK);
    await until(() => count('waitEnded') === 1);
    assert.equal(server.waiting(), 0);
  });
});

test('clients.md §5.2: OK only when GET shows the allocation, whatever the log said', async () => {
  await scene(async ({ site, agent, allocate, count }) => {
    const wait = agent.wait('m1');
    await until(() => wait.messages() >= 1);
    const looks = count('get');
    site.commit({ changes: [allocationRow('m1')] });
    await until(() => count('get') > looks);
    const before = wait.messages();
    await until(() => wait.messages() > before);
    allocate('m1');
    site.commit({ changes: [{ ...allocationRow('m1'), value: null } as Change, allocationRow('m2')] });
    await sleep(30);
    assert.equal(count('waitEnded'), 0);
    site.commit({ changes: [allocationRow('m1')] });
    assert.equal((await wait.ended).code, status.OK);
  });
});

test('machines.md §7: an allocation that the log did not tell of is found by looking', async () => {
  await scene(
    async ({ agent, allocate }) => {
      const wait = agent.wait('m1');
      await until(() => wait.messages() >= 1);
      allocate('m1');
      assert.equal((await wait.ended).code, status.OK);
    },
    10,
    5,
  );
});

test('machines.md W18: several streams of one machine all end, and each for itself', async () => {
  await scene(async ({ site, server, agent, allocate }) => {
    const waits = [agent.wait('m1'), agent.wait('m1'), agent.wait('m2')];
    await until(() => server.waiting() === 3);
    waits[0]!.cancel();
    await until(() => server.waiting() === 2);
    allocate('m1');
    site.commit({ changes: [allocationRow('m1')] });
    assert.equal((await waits[1]!.ended).code, status.OK);
    assert.equal(server.waiting(), 1);
  });
});

test('machines.md §7: a client that is gone leaves the machine waiting', async () => {
  await scene(async ({ server, agent, count }) => {
    const wait = agent.wait('m1');
    await until(() => server.waiting() === 1);
    wait.cancel();
    await until(() => server.waiting() === 0);
    assert.equal(count('waitEnded'), 0);
  });
});

test('clients.md §5.2: a shutdown ends streams with UNAVAILABLE, never OK, and no new one begins', async () => {
  await scene(async ({ site, server, agent, count }) => {
    const wait = agent.wait('m1');
    await until(() => wait.messages() >= 1);
    await server.stop();
    assert.equal((await wait.ended).code, status.UNAVAILABLE);
    assert.equal(count('waitEnded'), 0);
    assert.equal(site.listeners(), 0);
  });
});

test('machines.md §7: an unknown machine is an error, and so is a home that can not be reached', async () => {
  await scene(async ({ site, agent }) => {
    site.answer = () => notFound('no machine with id "x" found');
    assert.deepEqual(await agent.wait('x').ended, {
      code: status.UNKNOWN,
      details: 'NotFound no machine with id "x" found',
    });
    site.answer = () => unavailable('shard restarts');
    assert.equal((await agent.wait('m1').ended).code, status.UNAVAILABLE);
  });
});

test('machines.md §7: looks that fail do not end the wait', async () => {
  await scene(
    async ({ site, agent }) => {
      const wait = agent.wait('m1');
      await until(() => wait.messages() >= 1);
      const answer = site.answer;
      site.answer = () => unavailable('shard restarts');
      const before = wait.messages();
      await until(() => wait.messages() > before + 3);
      site.answer = answer;
      wait.cancel();
      assert.equal((await wait.ended).code, status.CANCELLED);
    },
    10,
    1,
  );
});
