import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startEngine, type Engine } from '../engine/engine.ts';
import { isStatementFailure } from './failure.ts';
import { createPool, type Pool } from './pool.ts';

interface Tally {
  readonly acknowledged: Set<number>;
  /** Failed with a kind that promises that nothing was written. */
  readonly refused: Set<number>;
  started: number;
  settled: number;
}

const hangAfterMs = 10_000;

/** Rows go in by single statements and by transactions, and are read by cursors, until told to stop. */
const load = (pool: Pool, tally: Tally, take: () => number, isOver: () => boolean): Promise<unknown> => {
  const watched = async (n: number, work: () => Promise<unknown>): Promise<void> => {
    tally.started += 1;
    try {
      await work();
      tally.acknowledged.add(n);
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      assert.ok(isStatementFailure(error), `not a StatementFailure: ${String(error)}`);
      assert.ok(['retry', 'unknown', 'unsent'].includes(error.kind), `${error.kind}: ${error.message}`);
      if (error.kind !== 'unknown') tally.refused.add(n);
      await sleep(2);
    }
    tally.settled += 1;
  };
  const forEver = async (work: (n: number) => Promise<unknown>): Promise<void> => {
    while (!isOver()) {
      const n = take();
      await watched(n, () => work(n));
    }
  };
  const single = (n: number): Promise<unknown> =>
    pool.run('insert into kill (n, text) select * from unnest($1::int4[], $2::text[])', [[n], ['x']], {
      prepare: n % 2 === 0,
    });
  const transaction = (pauseMs: number) => (n: number) =>
    pool.transaction(async (sql) => {
      await sql`insert into kill (n, text) values (${n}, ${'first'})`;
      await sleep(pauseMs);
      await sql`insert into kill (n, text) values (${-n}, ${'second'})`;
    });
  const read = (): Promise<unknown> =>
    pool.transaction(async (sql) => {
      let seen = 0;
      for await (const rows of sql`select g as n from generate_series(1, 5000) g`.cursor(100)) {
        seen += rows.length;
        if (seen % 1000 === 0) await sleep(1);
      }
      assert.equal(seen, 5000, 'a cursor ended early without saying so');
    });
  const reader = async (): Promise<void> => {
    while (!isOver()) await watched(0, read);
  };
  // The second transaction pauses longer than the first pool's server allows: its connection is cut with a statement still to come.
  return Promise.all([single, single, single, single, transaction(1), transaction(75)].map(forEver).concat(reader()));
};

const checkRows = async (pool: Pool, tally: Tally, round: number): Promise<void> => {
  const numbers = await pool.run<{ n: number }>('select n from kill');
  const stored = new Set(numbers.map(({ n }) => n));
  for (const n of tally.acknowledged)
    assert.ok(n === 0 || stored.has(n), `round ${round}: ${n} was acknowledged and is missing`);
  for (const n of tally.refused)
    assert.ok(!stored.has(n), `round ${round}: ${n} was refused as not written and is there`);
  const halves = await pool.run(
    "select n from kill k where text = 'first' and not exists (select 1 from kill o where o.n = -k.n)",
  );
  assert.deepEqual([...halves], [], `round ${round}: half a transaction`);
};

/** Kills the bundled server `rounds` times with SIGKILL under load on two small pools and checks what database.md §8 asks. */
export const killRounds = async (rounds: number): Promise<void> => {
  const scratch = mkdtempSync(join(tmpdir(), 'hanse-kill-'));
  chmodSync(scratch, 0o755);
  const start = (): Promise<Engine> => startEngine({ dataDir: join(scratch, 'data'), log: () => {} });
  let engine = await start();
  const stray: unknown[] = [];
  const hear = (error: unknown): void => void stray.push(error);
  // Either event would end a process of the product.
  process.on('unhandledRejection', hear);
  process.on('uncaughtException', hear);
  const options = {
    isolation: 'serializable',
    applicationName: 'kill',
    statementTimeoutMs: 4000,
    deadlineMs: 4000,
  } as const;
  const pools = [
    createPool(engine.url('postgres'), { ...options, max: 2, idleInTransactionMs: 50 }),
    createPool(engine.url('postgres'), { ...options, max: 3 }),
  ] as const;
  let taken = 0;
  const take = (): number => (taken += 1);
  try {
    await pools[0].run('create table kill (n int4 primary key, text text not null)');
    for (let round = 0; round < rounds; round += 1) {
      let over = false;
      const tally: Tally = { acknowledged: new Set(), refused: new Set(), started: 0, settled: 0 };
      const loads = Promise.all(pools.map((pool) => load(pool, tally, take, () => over)));
      loads.catch(() => undefined);
      await sleep(40 + ((round * 37) % 160));
      process.kill(engine.pid, 'SIGKILL');
      await sleep((round * 13) % 40);
      engine = await start();
      await sleep(60);
      over = true;
      const settled = await Promise.race([loads.then(() => true), sleep(hangAfterMs, false, { ref: false })]);
      assert.equal(settled, true, `round ${round}: only ${tally.settled} of ${tally.started} queries settled`);
      assert.deepEqual(stray, [], `round ${round}: an error outside any promise`);
      assert.ok(tally.acknowledged.size > 10, `round ${round}: only ${tally.acknowledged.size} acknowledged, no load`);
      await checkRows(pools[0], tally, round);
      await pools[0].run('truncate table kill');
    }
    assert.deepEqual(
      pools.map((pool) => pool.replacements()),
      [0, 0],
    );
  } finally {
    process.off('unhandledRejection', hear);
    process.off('uncaughtException', hear);
    for (const pool of pools) await pool.end(500);
    await engine.stop();
    rmSync(scratch, { recursive: true, force: true });
  }
};
