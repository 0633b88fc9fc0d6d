import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressOf, partitionScope, siteScope } from '../address.ts';
import { createPlant, granted, newNetwork } from '../network/plant.fixture.ts';
import { QUARANTINE_LABEL } from '../network/quarantine.ts';
import type { IpRecord } from '../network/record.ts';
import type { GivenUp } from './messages.ts';

const blockOf = (partition: string) => addressOf(partitionScope(partition), 'block', 'internet');
const [a, b] = [blockOf('a'), blockOf('b')];
const request = { project: 'q', name: '', description: '', type: 'ephemeral' as const, tags: [] };

/** Partition b holds a block and has lent one free address of it to a, which has asked under `h`. */
function scene() {
  const plant = createPlant({ partitions: ['a', 'b'] });
  const labels = { [QUARANTINE_LABEL]: '600' };
  const network = newNetwork('internet', { prefixes: ['212.34.80.0/24'], partition: '', labels });
  const registry = addressOf(siteScope('s'), 'registry', 's');
  granted(plant.ask(registry, 'createNetwork', { network, h: 'h', partitions: ['a', 'b'] }));
  for (const block of [a, b]) granted(plant.ask(block, 'adopt', { network, home: 's' }));
  const wantOf = (block: typeof a): string => granted(plant.ask(block, 'holdings', {})).wants[0]!.h;
  const first = { first: '212.34.80.0', length: 28, prefix: '212.34.80.0/24' };
  granted(plant.ask(b, 'receive', { h: wantOf(b), blocks: [first], exhausted: false }));
  const h = wantOf(a);
  const ask = { h, to: 'a', site: 's', family: 'IPv4' as const, count: 1, address: null };
  const { addresses } = granted(plant.ask(b, 'lendFree', ask));
  granted(plant.ask(a, 'borrowFree', { h, addresses, lender: { partition: 'b', site: 's' } }));
  const [address = ''] = addresses;
  const giveUp = (): GivenUp => granted(plant.ask(a, 'giveUp', { address, h }));
  /** Until when it rests at b once it is back; undefined: no row is left. */
  const back = (how: GivenUp): number | undefined => {
    granted(plant.ask(b, 'takeBackAddress', { address, h, from: 'a', back: how }));
    const [row] = plant.store.live('ip', partitionScope('b'));
    return (row?.value as IpRecord | undefined)?.restingUntilMs;
  };
  return { plant, address, giveUp, back };
}

test('design.md §6: a free address that was lent and that nobody had is free again when it is back', () => {
  const { plant, address, giveUp, back } = scene();
  const given = giveUp();
  assert.deepEqual(given, { as: 'freed', unused: true });
  assert.deepEqual(giveUp(), given, 'asked again');
  assert.equal(back(given), undefined);
  assert.equal(plant.store.live('ip', partitionScope('b')).length, 0);
  assert.equal(granted(plant.ask(b, 'allocateIp', request)).address, address);
});

test('one that somebody had rests, and so does one of which an older site does not say', () => {
  const used = scene();
  granted(used.plant.ask(a, 'allocateIp', request));
  granted(used.plant.ask(a, 'freeIp', { address: used.address }));
  const given = used.giveUp();
  assert.deepEqual(given, { as: 'freed' });
  assert.notEqual(used.back(given), undefined);
  assert.notEqual(scene().back({ as: 'freed' }), undefined);
});
