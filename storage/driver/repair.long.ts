import { before, test } from 'node:test';
import { repairDriver } from './repair.ts';
import { killRounds } from './repair.rounds.ts';

before(() => repairDriver());

void test('database.md §3.1, §8: the server is killed 50 times under load; the process lives, every query settles, nothing acknowledged is missing', async () => {
  await killRounds(50);
});
