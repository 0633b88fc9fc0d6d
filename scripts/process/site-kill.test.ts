import { test } from '../../storage/testing/register.ts';
import { runRounds, seedOfRun } from './kill-rounds.ts';

test('reliability.md F01: the site killed 3 × under load: everything acknowledged is there, nothing twice, nothing leaked', () =>
  runRounds({
    rounds: 3,
    seed: seedOfRun(),
    quietMs: [500, 2_000],
    async fault(_plant, site) {
      await site.kill();
      await site.start();
    },
  }));
