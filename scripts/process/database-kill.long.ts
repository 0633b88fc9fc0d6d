import assert from 'node:assert/strict';
import { setTimeout as wait } from 'node:timers/promises';
import { test } from '../../storage/testing/register.ts';
import { until } from './child.ts';
import { runRounds, seedOfRun } from './kill-rounds.ts';

test('reliability.md F07: the database killed 25 × under load: the site survives, loses nothing, and answers in time', () => {
  let pid = 0;
  return runRounds({
    rounds: 25,
    seed: seedOfRun(),
    quietMs: [100, 3_000],
    async fault(plant, site) {
      pid ||= site.process.pid;
      plant.database.kill();
      await wait(Math.random() * 500);
      await plant.database.start();
      assert.equal(site.process.isRunning, true, `the site ended: ${site.process.ended}`);
      assert.equal(site.process.pid, pid);
      await until('the site is ready again', () => site.isReady(), 15_000);
    },
  });
});
