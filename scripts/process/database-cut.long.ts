import assert from 'node:assert/strict';
import { setTimeout as wait } from 'node:timers/promises';
import { seededRandom } from '../rack/random.ts';
import { test } from '../../storage/testing/register.ts';
import { until } from './child.ts';
import { runRounds, seedOfRun } from './kill-rounds.ts';

/** Longer than the lease and than the deadline of a commit, so that some outcomes are really not known. */
const LONGEST_CUT_MS = 4_000;

test('reliability.md F08: the wire to the database cut 24 × under load, in each direction, with connections that go on and that break', () => {
  const seed = seedOfRun();
  const random = seededRandom(seed + 2);
  let round = 0;
  let pid = 0;
  return runRounds({
    rounds: 24,
    seed,
    quietMs: [200, 1_500],
    plant: { proxies: true },
    async fault(_plant, site) {
      const proxy = site.databaseProxy!;
      pid ||= site.process.pid;
      // What was sent arrives and its answer does not; it does not arrive; neither.
      const directions = [['toClient'], ['toServer'], ['toServer', 'toClient']] as const;
      proxy.cut(...directions[round % 3]!);
      await wait(random() * LONGEST_CUT_MS);
      if (round++ % 2 === 0) proxy.reset();
      proxy.heal();
      assert.equal(site.process.isRunning, true, `the site ended: ${site.process.ended}`);
      assert.equal(site.process.pid, pid);
      await until('the site is ready again', () => site.isReady(), 15_000);
    },
  });
});
