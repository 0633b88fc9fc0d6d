import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSupervision, type Crash } from './supervision.ts';

const crash = (times: number, hear: (what: string) => void): Crash => ({
  actor: 'network n',
  error: new Error('boom'),
  times,
  restart: () => hear('restart'),
  quarantine: () => hear('quarantine'),
  log: (message) => hear(message),
});

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

test('actors.md §1: supervisors of two shards of one thread know nothing of each other, also when one of them stops', async () => {
  const [one, other] = [createSupervision(0), createSupervision(0)];
  const heard: string[] = [];
  one.crashed(
    'partition:p',
    'network',
    crash(1, () => {}),
  );
  other.crashed(
    'partition:p',
    'network',
    crash(1, (what) => heard.push(what)),
  );
  await turn();
  await turn();
  assert.deepEqual(heard, ['actor crashed', 'restart']);
  one.stop();
  other.crashed(
    'partition:p',
    'network',
    crash(3, (what) => heard.push(what)),
  );
  other.crashed(
    'partition:p',
    'block',
    crash(1, (what) => heard.push(what)),
  );
  await turn();
  await turn();
  assert.deepEqual(heard.slice(2).sort(), ['actor crashed', 'actor crashed', 'quarantine', 'restart']);
  other.stop();
});
