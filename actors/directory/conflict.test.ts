import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressOf, siteScope } from '../address.ts';
import { createPlant, granted, type Plant } from '../network/plant.fixture.ts';
import { conflictsOf } from './conflict.ts';
import type { DirectoryRecord } from './record.ts';

const sizes = addressOf(siteScope('s'), 'directory', 'size');
/** Longer than an idle actor stays in memory. */
const PASSIVATED_MS = 11 * 60_000;

const create = (plant: Plant, description: string): void => {
  const request = { id: 'x', name: 'x', description, constraints: [], labels: {} };
  granted(plant.ask(sizes, 'create', { kind: 'size', request, facts: {} }));
};
const entries = (plant: Plant): DirectoryRecord[] => granted(plant.ask(sizes, 'all', {})).entries;
const rows = (plant: Plant): DirectoryRecord[] => plant.store.live('directory').map(({ value }) => value as never);
const lost = (records: readonly DirectoryRecord[]): string[] =>
  records
    .flatMap(conflictsOf)
    .map(({ loser, winner, entity }) => `${entity?.description} of ${loser} lost to ${winner}`);

/** What another site made of the same id. */
function ofFar(plant: Plant, createdMs: number): DirectoryRecord {
  const theirs = structuredClone(entries(plant)[0]) as DirectoryRecord;
  theirs.home = 'far';
  theirs.created = { wallMs: createdMs, counter: 0, site: 'far' };
  if (theirs.entity !== null) theirs.entity.description = 'theirs';
  return theirs;
}

for (const [who, createdMs, expected] of [
  ['own entry', 1, 'own of s lost to far'],
  ['entry of the other site', Number.MAX_SAFE_INTEGER, 'theirs of far lost to s'],
] as const) {
  test(`reliability.md F15: that the ${who} lost its id is known after a restart`, () => {
    const plant = createPlant();
    create(plant, 'own');
    const theirs = ofFar(plant, createdMs);
    assert.deepEqual(granted(plant.ask(sizes, 'apply', { entries: [theirs] })), { applied: 1 });
    assert.deepEqual(lost(rows(plant)), [expected]);
    plant.restart();
    assert.deepEqual(lost(entries(plant)), [expected]);
    // As the other site does at every link-up, until it has heard what stands.
    assert.deepEqual(granted(plant.ask(sizes, 'apply', { entries: [theirs] })), { applied: 0 });
  });
}

test('reliability.md F15: what lost is known after its actor left memory', () => {
  const plant = createPlant();
  create(plant, 'own');
  granted(plant.ask(sizes, 'apply', { entries: [ofFar(plant, 1)] }));
  let loads = 0;
  const { load } = plant.store;
  plant.store.load = (...asked) => {
    loads++;
    load(...asked);
  };
  assert.deepEqual([lost(entries(plant)), loads], [['own of s lost to far'], 0]);
  plant.settle(PASSIVATED_MS);
  assert.deepEqual([lost(entries(plant)), loads], [['own of s lost to far'], 1]);
});

test('reliability.md F28: a row of a version that kept no conflicts is taken as it is', () => {
  const plant = createPlant();
  create(plant, 'own');
  plant.restart();
  assert.ok(!('lost' in (rows(plant)[0] as object)));
  assert.deepEqual(lost(entries(plant)), []);
});
