import assert from 'node:assert/strict';
import { test } from 'node:test';
import { showShards, type ShardsAnswer } from './actor-views.ts';
import { showConflicts } from './views.ts';

const shards = (startOvers: number): ShardsAnswer => ({
  restarts: 0,
  presences: [
    { shard: 0, startOvers: 0, lately: 0, awayMs: null, isStartingOver: false },
    { shard: 1, startOvers, lately: Math.min(startOvers, 2), awayMs: null, isStartingOver: false },
  ],
  shards: [],
  blocks: { open: 0 },
  bus: { isCatchingUp: false, held: 0, waiting: 0, nsqd: 'none' },
});

test('reliability.md §10: that a shard started over is seen, apart from the restarts of threads', () => {
  assert.match(showShards(shards(0)), /^shard restarts +none\nshards started over +none$/m);
  assert.match(
    showShards(shards(5)),
    /^shard restarts +none\nshards started over +shard 1: 5, 2 of them in the last minute$/m,
  );
});

test('reliability.md F15: a conflict is shown with its times, and what could not be read beside it', () => {
  const conflict = {
    kind: 'image',
    id: 'x',
    winner: 'fra',
    isDeleted: true,
    loser: 'muc',
    createdAtMs: 0,
    seenAtMs: 0,
    entity: null,
  } as const;
  assert.equal(showConflicts({ conflicts: [], unread: [] }), 'no id was created at two sites');
  assert.match(showConflicts({ conflicts: [conflict], unread: [] }), /^image +x +fra, deleted since +muc +19[67]\d-/m);
  const partly = showConflicts({ conflicts: [], unread: [{ key: 'image|y', reason: 'lost: Invalid input' }] });
  assert.match(partly, /^no id is known to have been created at two sites$/m);
  assert.match(partly, /^COULD NOT BE READ +WHY\nimage\|y +lost: Invalid input$/m);
});
