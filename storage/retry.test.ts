import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { statementFailure } from './driver/failure.ts';
import { createRetryBudget, retrying } from './retry.ts';

const conflict = () => statementFailure('retry', '40001', 'could not serialize access');

describe('retries (reliability.md §10, F09)', () => {
  it('a serialization failure is tried again until it succeeds, at most eight times', async () => {
    let calls = 0;
    const work = async (failures: number): Promise<string> => {
      if (calls++ < failures) throw conflict();
      return 'done';
    };
    assert.equal(await retrying(() => work(3), { deadlineMs: 5_000, on: ['retry'] }), 'done');
    calls = 0;
    await assert.rejects(
      retrying(() => work(100), { deadlineMs: 5_000, on: ['retry'] }),
      { kind: 'retry' },
    );
    assert.equal(calls, 9);
  });

  it('what was not asked for, or would end after the deadline, is not tried again', async () => {
    let calls = 0;
    const work = async (): Promise<never> => {
      calls++;
      throw conflict();
    };
    await assert.rejects(retrying(work, { deadlineMs: 5_000, on: ['unsent'] }));
    assert.equal(calls, 1);
  });

  it('a budget bounds the retries of everybody together: in a storm each fails fast, success earns it back', async () => {
    const budget = createRetryBudget(0.1, 10);
    let calls = 0;
    const storm = async (): Promise<never> => {
      calls++;
      throw conflict();
    };
    for (let i = 0; i < 50; i++) {
      await assert.rejects(retrying(storm, { deadlineMs: 60_000, on: ['retry'], budget }));
    }
    assert.equal(calls, 50 + 10);
    assert.ok(budget.left < 1);
    for (let i = 0; i < 100; i++) await retrying(async () => 'done', { deadlineMs: 1_000, on: ['retry'], budget });
    assert.ok(budget.left > 9.9);
  });
});
