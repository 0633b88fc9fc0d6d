import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { addressOf, partitionScope, siteScope } from '../address.ts';
import type { OfferedBlock } from '../network/messages.ts';
import { createPlant, granted, newNetwork, type Plant } from '../network/plant.fixture.ts';
import { isRefusal } from '../refusal.ts';
import { reservation } from '../runtime/behaviour.ts';
import { createBlockSpace } from './block-space.ts';
import { parseAddress } from '../ipam/address.ts';
import { contains, parsePrefix } from '../ipam/prefix.ts';
import type { HoldingRecord, WantRecord } from './record.ts';

const PREFIX = '10.0.0.0/26';
const home = addressOf(siteScope('s'), 'network', 'g');
const partitions = ['a', 'b'] as const;
type Partition = (typeof partitions)[number];
const block = (partition: string) => addressOf(partitionScope(partition), 'block', 'g');
const network = newNetwork('g', { prefixes: [PREFIX], partition: '' });
const request = { project: 'q', name: '', description: '', type: 'static' as const, tags: [] };

/** What travels between a partition and the home; any of it may be lost, come twice, or late. */
type Message =
  | { m: 'want'; partition: Partition; want: WantRecord }
  | { m: 'offer'; partition: Partition; h: string; blocks: OfferedBlock[]; exhausted: boolean }
  | { m: 'delivered'; h: string }
  | { m: 'take back'; partition: Partition; first: string; h: string; returning: boolean }
  | { m: 'returned'; partition: Partition; first: string; h: string };

/** What a site's messenger does with one message; answers are messages again. */
function deliver(plant: Plant, message: Message): Message[] {
  if (message.m === 'want') {
    const { partition, want } = message;
    const { h, family, address, count } = want;
    const offer = granted(plant.ask(home, 'giveBlocks', { h, partition, site: 's', family, address, count }));
    return [{ m: 'offer', partition, h, blocks: offer.blocks, exhausted: offer.exhausted }];
  }
  if (message.m === 'offer') {
    const { partition, h, blocks, exhausted } = message;
    const answer = plant.ask(block(partition), 'receive', { h, blocks, exhausted });
    if (isRefusal(answer) || blocks.length === 0) return [];
    const back = answer.refused.map(({ first }): Message => ({
      m: 'take back',
      partition,
      first,
      h,
      returning: false,
    }));
    return back.length > 0 ? back : [{ m: 'delivered', h }];
  }
  if (message.m === 'delivered') {
    granted(plant.ask(home, 'blocksDelivered', { h: message.h }));
    return [];
  }
  if (message.m === 'take back') {
    const { partition, first, h, returning } = message;
    granted(plant.ask(home, 'takeBack', { partition, first, h }));
    return returning ? [{ m: 'returned', partition, first, h }] : [];
  }
  const { partition, first, h } = message;
  granted(plant.ask(block(partition), 'returned', { first, h }));
  return [];
}

/** What messengers send by themselves, again and again: open wants, what is on its way home, and the home's ledger. */
function due(plant: Plant): Message[] {
  const messages: Message[] = [];
  for (const partition of partitions) {
    const { wants, holdings } = granted(plant.ask(block(partition), 'holdings', {}));
    messages.push(...wants.map((want): Message => ({ m: 'want', partition, want })));
    for (const { first, h, state } of holdings) {
      if (state === 'returning') messages.push({ m: 'take back', partition, first, h, returning: true });
    }
  }
  const { blocks } = granted(plant.ask(home, 'ledger', {}));
  const offers = new Map<string, Extract<Message, { m: 'offer' }>>();
  for (const { holder, h, first, length, prefix } of blocks) {
    const offer = offers.get(h) ?? { m: 'offer', partition: holder as Partition, h, blocks: [], exhausted: false };
    offer.blocks.push({ first, length, prefix });
    offers.set(h, offer);
  }
  return [...messages, ...offers.values()];
}

function createSites(): Plant {
  const plant = createPlant({ partitions: [...partitions] });
  plant.reserve([reservation(home, 'create', { network })]);
  for (const partition of partitions) granted(plant.ask(block(partition), 'adopt', { network, home: 's' }));
  return plant;
}

/** No address twice, no block given out by two. */
function checkSafety(plant: Plant): void {
  const addresses = plant.store.live('ip').map(({ value }) => (value as { address: string }).address);
  assert.equal(new Set(addresses).size, addresses.length, `double: ${addresses.join(' ')}`);
  const held = partitions.flatMap((partition) =>
    granted(plant.ask(block(partition), 'holdings', {})).holdings.filter(({ state }) => state === 'held'),
  );
  assert.equal(new Set(held.map(({ first }) => first)).size, held.length, 'two hold one block');
  // An address is in use only in a block that its partition holds: never in one on its way back (I03).
  for (const partition of partitions) {
    const rows = plant.store.live('holding', partitionScope(partition)).map(({ value }) => value as HoldingRecord);
    const blocks = rows
      .filter(({ state }) => state === 'held')
      .map((one) => parsePrefix(`${one.first}/${one.length}`)!);
    for (const { value } of plant.store.live('ip', partitionScope(partition))) {
      const { address } = value as { address: string };
      assert.ok(
        blocks.some((one) => contains(one, parseAddress(address)!)),
        `${address} is in use outside of the blocks of ${partition}`,
      );
    }
  }
}

/** Every block is with the holder that the ledger names, or free at the home. */
function checkNothingLost(plant: Plant): void {
  const { blocks } = granted(plant.ask(home, 'ledger', {}));
  const holdings = partitions.flatMap((partition) =>
    granted(plant.ask(block(partition), 'holdings', {})).holdings.map(
      ({ first, h, state }) => `${partition} ${first} ${h} ${state}`,
    ),
  );
  assert.deepEqual(holdings.sort(), blocks.map(({ holder, first, h }) => `${holder} ${first} ${h} held`).sort());
  assert.ok(blocks.every(({ state }) => state === 'delivered'));
  const space = createBlockSpace(parsePrefix(PREFIX)!);
  assert.ok(blocks.every(({ first, length }) => space.take(parsePrefix(`${first}/${length}`)!)));
}

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('allocate' as const), partition: fc.constantFrom(...partitions) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('free' as const), pick: fc.nat(100) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('recall' as const),
      partition: fc.constantFrom(...partitions),
      count: fc.integer({ min: 1, max: 4 }),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ do: 'send' as const }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constantFrom('deliver' as const, 'deliver' as const, 'duplicate' as const, 'lose' as const),
      pick: fc.nat(1_000),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ do: 'restart' as const }) },
  { weight: 1, arbitrary: fc.constant({ do: 'pause' as const }) },
);

describe('reliability.md §7.2: a home and two partitions, messages lost, duplicated, late', () => {
  it('no address double at any time; after quiet no block lost', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 120 }), (steps) => {
        const plant = createSites();
        let bag: Message[] = due(plant);
        for (const one of steps) {
          if (one.do === 'allocate') plant.start(block(one.partition), 'allocateIp', request, 3_000);
          else if (one.do === 'free') {
            const rows = plant.store.live('ip');
            const row = rows[one.pick % Math.max(1, rows.length)];
            if (row !== undefined) {
              const { address } = row.value as { address: string };
              granted(plant.ask(addressOf(row.scope, 'block', 'g'), 'freeIp', { address }));
            }
          } else if (one.do === 'recall') {
            const { partition, count } = one;
            const { blocks } = granted(plant.ask(block(partition), 'recall', { count }));
            bag.push(
              ...blocks.map(({ first, h }): Message => ({ m: 'take back', partition, first, h, returning: true })),
            );
          } else if (one.do === 'send') bag.push(...due(plant));
          else if (one.do === 'restart') plant.restart();
          else if (one.do === 'pause') plant.settle(1_500);
          else if (bag.length > 0) {
            const at = one.pick % bag.length;
            const message = bag[at]!;
            if (one.do !== 'duplicate') bag = bag.toSpliced(at, 1);
            if (one.do !== 'lose') bag.push(...deliver(plant, message));
          }
          checkSafety(plant);
        }
        // Quiet: nothing is lost any more, what is late arrives, nobody asks for anything new.
        plant.settle(4_000);
        for (let round = 0; round < 6; round++) {
          let messages = [...bag, ...due(plant)];
          bag = [];
          while (messages.length > 0) messages = messages.flatMap((message) => deliver(plant, message));
          checkSafety(plant);
        }
        checkNothingLost(plant);
        plant.restart();
        checkNothingLost(plant);
      }),
      { numRuns: 60 },
    );
  });
});
