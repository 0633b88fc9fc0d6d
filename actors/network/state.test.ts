import assert from 'node:assert/strict';
import { test } from 'node:test';
import { partitionScope } from '../address.ts';
import { parsePrefix } from '../ipam/prefix.ts';
import type { Change } from '../records.ts';
import {
  childrenOf,
  createNetworkState,
  evolveNetwork,
  holdNetwork,
  unholdNetwork,
  type NetworkState,
} from './state.ts';

const SCOPE = partitionScope('p');
const ROOT = '10.0.0.0/18';
const CHILD = '10.0.0.64/26';

const row = (key: string, network: string, version: number): Change => ({
  scope: SCOPE,
  owner: 'super',
  table: 'prefix',
  key,
  prev: 0,
  version,
  value: { cidr: key, network, root: ROOT, cut: 1 },
});

const withRoot = (): NetworkState => {
  const state = createNetworkState('super', SCOPE);
  evolveNetwork(state, row(ROOT, 'super', 1));
  return state;
};
const isTaken = (state: NetworkState): boolean => childrenOf(state, ROOT)!.has(parsePrefix(CHILD)!);

test('a child that is cut stays cut, whether its actor was loaded before the commit, after it, or after it was given up', () => {
  const cut = row(CHILD, 'child', 2);
  for (const isCommitted of [true, false]) {
    for (const isLoadedAfter of [true, false]) {
      const state = withRoot();
      // As it is loaded while the operation is under way: first the rows, then what is held (seed 10083).
      if (isCommitted && isLoadedAfter) evolveNetwork(state, cut);
      holdNetwork(state, 'operation', [cut]);
      assert.ok(isTaken(state));
      unholdNetwork(state, [cut]);
      if (isCommitted) evolveNetwork(state, cut);
      assert.equal(isTaken(state), isCommitted);
      const next = childrenOf(state, ROOT)!.acquire(26);
      assert.equal(next?.canonical, '10.0.0.0/26');
      assert.equal(childrenOf(state, ROOT)!.acquire(26)?.canonical, isCommitted ? '10.0.0.128/26' : CHILD);
    }
  }
});
