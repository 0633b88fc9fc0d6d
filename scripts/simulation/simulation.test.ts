// A sample of what `npm run simulate` does: seeds without violation, the same twice, and a few mechanisms whose absence is
// noticed. The long test and the nights do the rest.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from '../../storage/testing/register.ts';
import { runBatch } from './batch.ts';
import { MUTANTS } from './mutants.ts';
import { runSchedule, type RunResult } from './run.ts';
import { drawSchedule, type Schedule } from './schedule.ts';
import { shrink } from './shrink.ts';

const sample = { safetyMs: 30_000, operations: 150 };

/** With a hash over every line of the trace: requests, answers, rows, not only that there were some. */
async function traced(schedule: Schedule): Promise<RunResult & { lines: string }> {
  const lines = createHash('sha256');
  const result = await runSchedule(schedule, { trace: (line) => void lines.update(line) });
  return { ...result, lines: lines.digest('hex') };
}

test('reliability.md §6.5: the same seed has the same hash, twice', async () => {
  for (const seed of [3, 4]) {
    const schedule = drawSchedule(seed, { ...sample, faults: 'all' });
    const [one, other] = [await traced(schedule), await traced(schedule)];
    assert.equal(one.violation, undefined, JSON.stringify(one.violation));
    assert.deepEqual([one.hash, one.events, one.lines], [other.hash, other.events, other.lines]);
  }
});

test('reliability.md §4: seeds with swarms of faults, no violation', async () => {
  const { violations, sometimes } = await runBatch({ from: 500, count: 8, wishes: sample });
  assert.deepEqual(violations, []);
  assert.ok((sometimes['group refused by a rule'] ?? 0) > 0);
});

for (const name of ['reply after the commit', 'ledger of the hand-over', 'verification at the home', 'group split']) {
  test(`reliability.md §11: ${name}: without it the simulation fails`, async () => {
    const mutant = MUTANTS.find((one) => one.name === name)!;
    const { violations } = await runBatch({
      from: 1,
      count: mutant.withinSeeds,
      mutation: () => mutant.mutation(),
      isFirstEnough: true,
      ...(mutant.wishes && { wishes: mutant.wishes }),
    });
    assert.equal(violations.length, 1);
    assert.ok(mutant.caughtBy.includes(violations[0]!.invariant), violations[0]!.invariant);
  });
}

test('reliability.md §6.5: a failing schedule is made small', async () => {
  const mutant = MUTANTS.find(({ name }) => name === 'unique check in the actor')!;
  const schedule = drawSchedule(1, { ...sample, faults: 'none' });
  const { violation } = await runSchedule(schedule, { mutation: mutant.mutation() });
  assert.equal(violation?.invariant, 'I06');
  const small = await shrink(schedule, 'I06', { withinMs: 60_000, mutation: mutant.mutation() });
  assert.ok(small.schedule.entries.length <= 20, `${small.schedule.entries.length} entries`);
});
