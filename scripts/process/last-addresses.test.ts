import { test } from '../../storage/testing/register.ts';
import { seedOfRun } from './kill-rounds.ts';
import { lastAddresses } from './last-addresses.ts';

test('design.md §6, reliability.md I01: the last addresses of two plants, one killed or cut off: each is held by one, and none is lost', () =>
  lastAddresses(2, seedOfRun()));
