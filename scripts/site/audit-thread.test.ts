import assert from 'node:assert/strict';
import { isRefusal } from '../../actors/refusal.ts';
import { test } from '../../storage/testing/register.ts';
import { createAuditThread } from './audit-thread.ts';

/** A program for the thread in place of the built one. */
const threadOf = (body: string, heapMb = 64) =>
  createAuditThread({
    program: new URL(
      `data:text/javascript,${encodeURIComponent(`import { parentPort, workerData } from 'node:worker_threads';\n${body}`)}`,
    ),
    url: 'postgres://nowhere',
    heapMb,
  });

test('the thread is told what to read, and its brief is the answer', async () => {
  const thread = threadOf('parentPort.postMessage({ site: JSON.stringify(workerData) })');
  assert.deepEqual(await thread.rows(7), { site: '{"url":"postgres://nowhere","entries":7}' });
});

test('an audit that needs more memory than it may have dies alone, and says so', async () => {
  const thread = threadOf('const all = []; for (;;) all.push({ text: `${all.length}`, list: [all.length] });', 24);
  const answer = await thread.rows(7);
  assert.ok(isRefusal(answer));
  // All rows are read in any case: what helps is named.
  assert.match(
    answer.message,
    /all rows and 7 log entries needs more than 24 MiB: give it more with HANSE_AUDIT_HEAP_MB;/,
  );
});

test('an error of the thread is that of the audit; one that ends without a word is no answer', async () => {
  await assert.rejects(threadOf(`throw new Error('no database')`).rows(7), /no database/);
  await assert.rejects(threadOf('process.exit(3)').rows(7), /ended with 3 and without a word/);
});

test('a process that ends waits for no audit', async () => {
  const thread = threadOf('setInterval(() => {}, 1_000)');
  const answer = thread.rows(7);
  await thread.stop();
  for (const given of [await answer, await thread.rows(7)])
    assert.ok(isRefusal(given) && given.because === 'stopping' && /this process ends/.test(given.message));
});
