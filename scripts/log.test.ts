import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { it } from 'node:test';
import { projectRoot } from './root.ts';

const PROCESS = `
  import { createLogger } from './scripts/log.ts';
  const log = createLogger('closed-pipe');
  process.on('SIGTERM', () => {
    for (const what of ['stopping', 'stopped']) log.info(what);
    process.exit(3);
  });
  setInterval(() => {}, 1_000);
  log.info({ password: 'p' }, 'ready');
`;

it('a process whose output nobody reads any more ends at SIGTERM', { timeout: 20_000 }, async () => {
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', PROCESS], {
    cwd: projectRoot,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const ended = once(child, 'exit');
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
    const { name, level, msg, password } = JSON.parse(line) as Record<string, unknown>;
    assert.deepEqual([name, level, msg, password], ['closed-pipe', 'info', 'ready', '[secret]']);
    const closed = once(child.stdout, 'close');
    child.stdout.destroy();
    await closed;
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), 2_000);
    assert.deepEqual(await ended, [3, null], 'it did not end by itself within 2 s');
    clearTimeout(late);
  } finally {
    child.kill('SIGKILL');
  }
});
