import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LARGE, planRack, SMALL } from './plan.ts';
import { seededRandom } from './random.ts';

test('the same partition has the same rack, another one other ids', () => {
  const plan = planRack('berlin', { small: 5, large: 3 });
  assert.deepEqual(planRack('berlin', { small: 5, large: 3 }), plan);
  assert.deepEqual(
    plan.leaves.map(({ id }) => id),
    ['berlin-rack01-leaf01', 'berlin-rack01-leaf02'],
  );
  assert.deepEqual(
    plan.machines.map(({ model }) => model),
    [...Array(5).fill(SMALL), ...Array(3).fill(LARGE)],
  );
  const other = planRack('hamburg', { small: 5, large: 3 });
  const ids = [...plan.machines, ...other.machines].map(({ uuid }) => uuid);
  assert.equal(new Set(ids).size, 16);
  for (const id of ids) assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

test('machines.md §6.3: each machine hangs at the same port of both leaves', () => {
  for (const { uuid, nics } of planRack('berlin', { small: 2, large: 1 }).machines) {
    assert.equal(nics.length, 2);
    assert.notEqual(nics[0]!.leaf, nics[1]!.leaf);
    assert.equal(nics[0]!.port.name, nics[1]!.port.name);
    for (const { port } of nics) assert.equal(port.machine, uuid);
  }
});

test('a seed repeats its numbers', () => {
  const draw = (seed: number) => Array.from({ length: 5 }, seededRandom(seed));
  assert.deepEqual(draw(1), draw(1));
  assert.notDeepEqual(draw(1), draw(2));
  assert.ok(draw(3).every((x) => x >= 0 && x < 1));
});
