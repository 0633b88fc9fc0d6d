import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createLogOutput } from './log-output.ts';

/** A file with so much space left; fails as the system does. */
function disk(space: number) {
  const state = { space, text: '', code: 'ENOSPC', writes: 0 };
  const write = (bytes: Uint8Array): number => {
    state.writes++;
    const count = Math.min(state.space, bytes.length);
    if (count === 0) throw Object.assign(new Error(state.code), { code: state.code });
    state.space -= count;
    state.text += Buffer.from(bytes.subarray(0, count)).toString('latin1');
    return count;
  };
  return { state, output: createLogOutput(write) };
}

it('reliability.md F16: what does not fit waits, half a line too, and comes in order when there is space', () => {
  const { state, output } = disk(9);
  for (const line of ['one\n', 'two\n', 'three\n', 'four\n']) output.write(line);
  assert.equal(state.text, 'one\ntwo\nt');
  state.space = 1_000;
  output.write('five\n');
  assert.equal(state.text, 'one\ntwo\nthree\nfour\nfive\n');
});

it('reliability.md F16, I16: what waits is bounded; how many lines are lost is said once', () => {
  const { state, output } = disk(0);
  const line = `${'x'.repeat(1_023)}\n`;
  for (let i = 0; i < 1_034; i++) output.write(line);
  state.space = Infinity;
  output.write('again\n');
  const lines = state.text.trimEnd().split('\n');
  assert.equal(lines.length, 1_024 + 2);
  assert.match(lines[1_024]!, /^\{.*"msg":"10 lines of the log were lost/);
  assert.equal(lines[1_025], 'again');
});

it('a reader that is gone is not written to any more', () => {
  const { state, output } = disk(0);
  state.code = 'EPIPE';
  output.write('one\n');
  output.write('two\n');
  assert.equal(state.writes, 1);
});

it('a reader that stands still costs lines, not the process', () => {
  const { state, output } = disk(0);
  state.code = 'EAGAIN';
  output.write('one\n');
  const { writes } = state;
  for (let i = 0; i < 10; i++) output.write('more\n');
  assert.ok(state.writes - writes <= 20, 'it is waited for once');
  state.space = 1_000;
  output.write('two\n');
  assert.equal(state.text, `one\n${'more\n'.repeat(10)}two\n`);
});
