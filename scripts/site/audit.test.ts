import assert from 'node:assert/strict';
import { isRefusal, unavailable, type Refusal } from '../../actors/refusal.ts';
import type { MemoryAudit } from '../../actors/runtime/memory-audit.ts';
import type { RowsAudit } from '../../storage/audit/index.ts';
import { test } from '../../storage/testing/register.ts';
import { createAudit } from './audit.ts';

const rows: RowsAudit = { site: 'muc', findings: [], more: {}, rows: { live: 1, log: 1, isWholeLog: true } };
const memory: MemoryAudit = { compared: 1, busy: 0, left: 0, notCompared: [], findings: [] };
const keys = { compared: 0, missing: [], twice: [] };

/** An audit whose rows are answered by the test. */
function start(inMemory: MemoryAudit = memory) {
  const asked: Array<{ entries: number; answer: (rows: RowsAudit | Refusal | Promise<never>) => void }> = [];
  const audit = createAudit(
    { auditMemory: () => Promise.resolve(inMemory) },
    { rows: (entries) => new Promise((answer) => asked.push({ entries, answer })) },
    () => Promise.resolve(keys),
  );
  return { audit, asked };
}

test('who asks for the same audit while it runs gets its answer, who asks for another one is told to wait', async () => {
  const { audit, asked } = start();
  const first = audit({ entries: 10, actors: 5 });
  const second = audit({ entries: 10, actors: 5 });
  const other = await audit({ entries: 1_000, actors: 5 });
  assert.ok(isRefusal(other));
  assert.equal(other.kind, 'Conflict');
  assert.match(
    other.message,
    /an audit with entries=10 and actors=5 is running: ask for entries=1000 and actors=5 when/,
  );
  assert.equal(asked.length, 1);
  asked[0]!.answer(rows);
  assert.deepEqual(await first, await second);
  // The next one is one of its own, with its own limits.
  const third = audit({ entries: 1_000, actors: 5 });
  assert.equal(asked[1]?.entries, 1_000);
  asked[1].answer(rows);
  assert.ok(!isRefusal(await third));
});

test('findings of rows and of memory are one list; a refusal of the thread is that of the audit, and not kept', async () => {
  const { audit, asked } = start({ ...memory, findings: ['memory: m1 differs'] });
  const refused = audit();
  asked[0]!.answer(unavailable('more than 1 MiB'));
  assert.ok(isRefusal(await refused));
  const found = audit();
  asked[1]!.answer({ ...rows, findings: ['fold: x'], more: { fold: 3 } });
  const view = await found;
  assert.ok(!isRefusal(view));
  assert.deepEqual([view.isSound, view.findings, view.more], [false, ['fold: x', 'memory: m1 differs'], { fold: 3 }]);
  const failed = audit();
  asked[2]!.answer(Promise.reject(new Error('the database is away')));
  await assert.rejects(failed, /away/);
  void audit();
  assert.equal(asked.length, 4);
});

test('an actor whose rows can not be read says nothing against the site: it is told apart from findings', async () => {
  const { audit, asked } = start({ ...memory, notCompared: ['partition:p/network/n: timeout'] });
  const answer = audit();
  asked[0]!.answer(rows);
  const view = await answer;
  assert.ok(!isRefusal(view));
  const { isSound, memory: looked } = view;
  assert.deepEqual(
    [isSound, looked],
    [true, { compared: 1, busy: 0, left: 0, notCompared: ['partition:p/network/n: timeout'] }],
  );
});
