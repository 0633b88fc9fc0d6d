import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from '../../storage/testing/register.ts';
import { projectRoot } from '../root.ts';
import { createSmallDisk, noSmallDisk } from './small-disk.ts';

/** Writes so many lines for each word it hears, and answers beside its log. */
const PROCESS = `
  import { createInterface } from 'node:readline';
  import { createLogger } from './scripts/log.ts';
  const log = createLogger('full');
  for await (const word of createInterface(process.stdin)) {
    for (let i = 0; i < 4_000; i++) log.info({ word, text: 'x'.repeat(900) }, 'line ' + i);
    process.stderr.write(word + '\\n');
  }
`;

test(
  'reliability.md F16: a full disk of the log costs lines, not the process; it says how many once there is space',
  async () => {
    const disk = createSmallDisk(8);
    const file = join(disk.folder, 'site.log');
    const out = openSync(file, 'a');
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', PROCESS], {
      cwd: projectRoot,
      stdio: ['pipe', out, 'pipe'],
    });
    closeSync(out);
    const ended = once(child, 'exit');
    const answers = createInterface(child.stderr!)[Symbol.asyncIterator]();
    const say = async (word: string): Promise<unknown> => {
      child.stdin!.write(`${word}\n`);
      return (await answers.next()).value;
    };
    try {
      disk.fill();
      for (const word of ['first', 'second']) assert.equal(await say(word), word, 'it goes on while the disk is full');
      disk.free();
      assert.equal(await say('third'), 'third');
      child.stdin!.end();
      assert.deepEqual(await ended, [0, null]);
      const lines = readFileSync(file, 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as { msg: string; word?: string });
      const words = new Set(lines.map(({ word }) => word));
      assert.ok(words.has('first') && words.has('third'), `what waited and what came later: ${[...words].join()}`);
      const told = lines.filter(({ msg }) => /lines of the log were lost/.test(msg));
      assert.equal(told.length, 1);
      assert.equal(lines.length - 1 + Number.parseInt(told[0]!.msg, 10), 12_000, 'every line is there, or counted');
    } finally {
      child.kill('SIGKILL');
      disk.remove();
    }
  },
  { skip: noSmallDisk() },
);
