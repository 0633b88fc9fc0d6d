import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startEngine, type Engine } from '../engine/engine.ts';
import { isStatementFailure, type FailureKind } from './failure.ts';
import { createPool, type Pool, type PoolOptions } from './pool.ts';
import { repairDriver } from './repair.ts';

const scratch = mkdtempSync(join(tmpdir(), 'hanse-pool-'));
chmodSync(scratch, 0o755);
let engine: Engine;
const pools: Pool[] = [];

const open = (options: Partial<PoolOptions> = {}, url = engine.url('postgres')): Pool => {
  const pool = createPool(url, {
    max: 2,
    isolation: 'serializable',
    applicationName: 'pool test',
    statementTimeoutMs: 5000,
    deadlineMs: 5000,
    ...options,
  });
  pools.push(pool);
  return pool;
};

const failure = (kind: FailureKind, code: string) => (error: unknown) => {
  assert.ok(isStatementFailure(error), String(error));
  assert.deepEqual([error.kind, error.code], [kind, code]);
  return true;
};

before(async () => {
  repairDriver();
  engine = await startEngine({ dataDir: join(scratch, 'data'), log: () => {} });
});
after(async () => {
  for (const pool of pools) await pool.end(100);
  await engine.stop();
  rmSync(scratch, { recursive: true, force: true });
});

test('database.md §3.2: each connection asks for its isolation level, its limits and its name', async () => {
  const names = [
    'transaction_isolation',
    'idle_in_transaction_session_timeout',
    'statement_timeout',
    'application_name',
  ];
  const ask = names.map((name) => `current_setting('${name}') as ${name}`).join(', ');
  const [row] = await open().run(`select ${ask}`);
  assert.deepEqual(
    { ...row },
    {
      transaction_isolation: 'serializable',
      idle_in_transaction_session_timeout: '500ms',
      statement_timeout: '5s',
      application_name: 'pool test',
    },
  );
  const [other] = await open({ isolation: 'read committed' }).run('show transaction_isolation');
  assert.deepEqual({ ...other }, { transaction_isolation: 'read committed' });
});

test('database.md §3.2: int8 is a number, also in arrays, and one that a number cannot hold is refused', async () => {
  const pool = open();
  const [row] = await pool.run('select $1::int8 as one, array[1, 2]::int8[] as list, $2::text[] as words', [
    9_007_199_254_740_991,
    ['a', 'b,c'],
  ]);
  assert.deepEqual({ ...row }, { one: 9_007_199_254_740_991, list: [1, 2], words: ['a', 'b,c'] });
  await assert.rejects(pool.run("select '9007199254740992'::int8 as n"), /beyond 2\^53/);
  assert.equal((await pool.run('select 1 as n')).length, 1);
});

test('database.md §3.3: a broken rule names its constraint and table; a transaction of which a part fails leaves nothing', async () => {
  const pool = open();
  await pool.run('create table rule_table (n int4 constraint rule_key primary key)');
  await assert.rejects(
    pool.transaction(async (sql) => {
      await sql`insert into rule_table values (1)`;
      await sql`insert into rule_table values (1)`;
    }),
    (error) => {
      assert.ok(failure('rule', '23505')(error));
      return isStatementFailure(error) && error.constraint === 'rule_key' && error.table === 'rule_table';
    },
  );
  assert.equal((await pool.run('select * from rule_table')).length, 0);
  const refusal = { refused: 'by the work itself' };
  await assert.rejects(
    // The refusals of this product are plain objects.
    // oxlint-disable-next-line no-throw-literal
    pool.transaction(() => Promise.reject(refusal)),
    (error) => error === refusal,
  );
});

test('the server cancels a statement at its timeout: nothing was written', async () => {
  await assert.rejects(open({ statementTimeoutMs: 100 }).run('select pg_sleep(5)'), failure('retry', '57014'));
});

test('a transaction that says nothing is cut by the server, and the pool goes on', async () => {
  const pool = open({ max: 1, idleInTransactionMs: 50 });
  const late = pool.transaction(async (sql) => {
    await sql`select 1`;
    await sleep(200);
    await sql`select 2`;
  });
  await assert.rejects(late, failure('unknown', 'CONNECTION_CLOSED'));
  assert.equal((await pool.run('select 1 as n')).length, 1);
});

test('at most max statements run; one that waits beyond its deadline, or beyond the limit of waiting ones, was not sent', async () => {
  const pool = open({ max: 1, maxWaiting: 1 });
  const slow = pool.run('select pg_sleep(0.4)');
  const waiting = assert.rejects(pool.run('select 1', [], { deadlineMs: 100 }), failure('unsent', 'POOL_BUSY'));
  await assert.rejects(pool.run('select 1'), failure('unsent', 'POOL_FULL'));
  await waiting;
  await slow;
  assert.equal((await pool.run('select 1 as n')).length, 1);
});

test('database.md §3.2: while the server is down a statement fails at once as unsent', async () => {
  const pool = open({}, 'postgres://u:p@127.0.0.1:1/d');
  const from = performance.now();
  await assert.rejects(pool.run('select 1'), failure('unsent', 'ECONNREFUSED'));
  assert.ok(performance.now() - from < 1000);
  await assert.rejects(pool.run('select 1'), failure('unsent', 'ECONNREFUSED'));
});

/** Passes bytes on to the bundled server until told to hold them. */
const proxy = async (): Promise<{ url: string; hold: (on: boolean) => void; close: () => void }> => {
  const { connect } = await import('node:net');
  const sockets = new Set<Socket>();
  let held = false;
  const server = createServer((client) => {
    const upstream = connect(engine.port, '127.0.0.1');
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      from.on('error', () => {});
      from.on('close', () => to.destroy());
      from.on('data', (bytes) => {
        if (!held) to.write(bytes);
      });
    }
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const url = new URL(engine.url('postgres'));
  url.port = String((server.address() as AddressInfo).port);
  return {
    url: url.href,
    hold: (on) => (held = on),
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
};

test('database.md §3.1: a statement without an answer fails at its deadline as unknown, and at twice that the connections are made anew', async () => {
  const between = await proxy();
  const reasons: string[] = [];
  const pool = open({ max: 1, deadlineMs: 200, onReplaced: (reason) => reasons.push(reason) }, between.url);
  await pool.run('select 1');
  between.hold(true);
  const from = performance.now();
  await assert.rejects(pool.run('select 2'), failure('unknown', 'DEADLINE'));
  assert.ok(performance.now() - from < 350);
  await assert.rejects(pool.run('select 3', [], { deadlineMs: 100 }), failure('unsent', 'POOL_BUSY'));
  between.hold(false);
  await sleep(250);
  assert.equal(pool.replacements(), 1);
  assert.match(reasons.join(), /twice its deadline of 200 ms/);
  assert.equal((await pool.run('select 4 as n')).length, 1);
  between.close();
});

test('an ended pool refuses what comes and what waits as unsent', async () => {
  const pool = open({ max: 1 });
  const slow = pool.run('select pg_sleep(0.2)');
  const waiting = assert.rejects(pool.run('select 1'), failure('unsent', 'CONNECTION_ENDED'));
  await sleep(50);
  await pool.end();
  await waiting;
  await slow;
  await assert.rejects(pool.run('select 1'), failure('unsent', 'CONNECTION_ENDED'));
});
