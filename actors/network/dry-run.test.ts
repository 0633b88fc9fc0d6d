import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressOf } from '../address.ts';
import { isRefusal, type Refusal } from '../refusal.ts';
import type { DryAnswer } from '../runtime/dry-run.ts';
import { childAsk } from './go-ipam.fixture.ts';
import type { NetworkView } from './messages.ts';
import { createPlant, granted, newNetwork } from './plant.fixture.ts';

const registry = addressOf('site:s', 'registry', 's');
const allocator = addressOf('partition:p', 'allocator', 'p');

const givenBy = ({ network }: NetworkView) => ({ prefixes: network.prefixes, vrf: network.vrf });

function would(answer: DryAnswer | Refusal): { prefixes: string[]; vrf: number } {
  if (isRefusal(answer)) assert.fail(answer.message);
  return givenBy(answer.reply as NetworkView);
}

test('I18: a dry run says which prefix and VRF the next network gets, however many dry runs there were', () => {
  const plant = createPlant();
  const network = newNetwork('super', {
    prefixes: ['10.0.0.0/16'],
    privateSuper: true,
    defaultChildPrefixLength: { IPv4: 22 },
  });
  granted(plant.ask(registry, 'createNetwork', { network, h: 'super', partitions: ['p'] }));
  for (const name of ['a', 'b', 'c']) {
    const asked = [1, 2, 3].map(() => would(plant.dry(allocator, 'allocateNetwork', childAsk(name))));
    const got = givenBy(granted(plant.ask(allocator, 'allocateNetwork', childAsk(name))));
    assert.deepEqual(asked, [got, got, got], name);
  }
});
