import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Change } from '../../actors/records.ts';
import { ALL_RULES } from '../../actors/runtime/store-model.ts';
import { createWatched } from './checks.ts';
import { GLOBAL_NETWORK } from './clients.ts';
import { createDatabase, fairWeather } from './database.ts';
import { backUp, restoreBackup } from './restore.ts';
import { createUniverse } from './universe.ts';

const KEY = `${GLOBAL_NETWORK}|198.51.0.15`;
const address: Change = {
  table: 'ip',
  scope: 'partition:pa',
  owner: GLOBAL_NETWORK,
  key: KEY,
  prev: 0,
  version: 1,
  value: {
    address: '198.51.0.15',
    uuid: '',
    network: GLOBAL_NETWORK,
    project: 'p',
    name: '',
    description: '',
    type: 'ephemeral',
    tags: [],
    machines: [],
    prefix: '198.51.0.0/28',
    created: 0,
    changed: 0,
  },
};
const held = `a:ip:partition:pa:${KEY}`;

test('reliability.md F24: what an older backup lost is of whom it was when a later one brings it back', () => {
  const universe = createUniverse({ seed: 1 });
  const database = createDatabase(universe, 'a', fairWeather(1), ALL_RULES);
  const watched = createWatched();
  const holders = (): string[] => [...new Set(watched.holders.values())];
  const older = backUp(database);
  database.model.rows.set(`ip:partition:pa:${KEY}`, address);
  const later = backUp(database);
  const keys = ['ip_live_address:partition:pa|IPv43325231119'];
  watched.keysOf.set(held, keys);
  for (const key of keys) watched.holders.set(key, held);

  restoreBackup(database, [], older, watched);
  assert.deepEqual(holders(), [`lost:${held}`], 'nobody else may have it');
  restoreBackup(database, [], later, watched);
  assert.deepEqual(holders(), [held]);
});
