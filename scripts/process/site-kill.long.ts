import { test } from '../../storage/testing/register.ts';
import { runRounds, seedOfRun } from './kill-rounds.ts';

test('reliability.md F01: the site killed 30 × under load: everything acknowledged is there, nothing twice, nothing leaked', () =>
  runRounds({
    rounds: 30,
    seed: seedOfRun(),
    quietMs: [100, 3_000],
    async fault(_plant, site) {
      await site.kill();
      await site.start();
    },
  }));
