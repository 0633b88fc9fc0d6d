// What a build has to show (reliability.md §6.6): many seeds of a minute of faults each and the quiet after it, and every case
// met that a run of this length has to have met.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { test } from '../../storage/testing/register.ts';
import { projectRoot } from '../root.ts';
import type { Batch } from './batch.ts';
import { unmet } from './batch.ts';

const SEEDS = 200;
const FIRST = 10_001;

const program = ['--max-semi-space-size=64', join(projectRoot, 'dist', 'simulation', 'main.js')];
const simulate = (...words: string[]): Promise<{ text: string; code: number | null }> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...program, ...words], { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.on('data', (piece: Buffer) => (text += piece.toString()));
    child.on('error', reject);
    child.on('close', (code) => resolve({ text, code }));
  });

test(`reliability.md §6.6: ${SEEDS} seeds without violation, and nothing that was never met`, async () => {
  const jobs = Math.min(8, availableParallelism());
  const { text } = await simulate('--seed', `${FIRST}`, '--seeds', `${SEEDS}`, '--jobs', `${jobs}`, '--json');
  const batch = JSON.parse(text.slice(text.lastIndexOf('\n{') + 1)) as Batch;
  assert.deepEqual(batch.violations, []);
  assert.equal(batch.seeds, SEEDS);
  assert.deepEqual(unmet(batch), []);
  assert.ok(batch.faults / (batch.virtualMs / 3_600_000) >= 500, 'faults in a virtual hour');
});

test('reliability.md §11: every safety mechanism that is switched off is noticed', async () => {
  const { text, code } = await simulate('--mutants', '--jobs', `${Math.min(8, availableParallelism())}`);
  assert.equal(code, 0, text);
});
