import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { addressOf, partitionScope, siteScope } from '../address.ts';
import { createPlant, granted, newNetwork, refused, type Plant } from '../network/plant.fixture.ts';
import type { IpRequest } from '../network/messages.ts';
import type { NetworkRecord } from '../network/record.ts';
import { isRefusal } from '../refusal.ts';
import { reservation } from '../runtime/behaviour.ts';
import { isDryAnswer } from '../runtime/dry-run.ts';
import { parsePrefix } from '../ipam/prefix.ts';
import { blockLength } from './block-space.ts';
import type { WantRecord } from './record.ts';

const home = addressOf(siteScope('s'), 'network', 'internet');
const block = (partition: string) => addressOf(partitionScope(partition), 'block', 'internet');
const request = (given: Partial<IpRequest> = {}): IpRequest => ({
  project: 'q',
  name: '',
  description: '',
  type: 'ephemeral',
  tags: [],
  ...given,
});

function plantWith(prefixes: string[], vrf = 0): Plant & { network: NetworkRecord } {
  const plant = createPlant({ partitions: ['a', 'b'] });
  const network = newNetwork('internet', { prefixes, partition: '', vrf });
  granted(
    plant.ask(addressOf(siteScope('s'), 'registry', 's'), 'createNetwork', {
      network,
      h: 'h',
      partitions: ['a', 'b'],
    }),
  );
  return { ...plant, network };
}
const adopt = (plant: Plant, network: NetworkRecord | null, partition = 'a') =>
  plant.ask(block(partition), 'adopt', { network, home: 's' });
const wantsOf = (plant: Plant, partition = 'a'): WantRecord[] =>
  granted(plant.ask(block(partition), 'holdings', {})).wants;

/** One round of what the sites' messengers do, without faults. */
function serve(plant: Plant, partition = 'a'): void {
  for (const { h, family, address, count, denied } of wantsOf(plant, partition)) {
    if (denied !== null) continue;
    const offer = granted(plant.ask(home, 'giveBlocks', { h, partition, site: 's', family, address, count }));
    if (offer.holder !== null) {
      plant.ask(block(partition), 'denied', { h, reason: 'elsewhere', detail: `held by partition ${offer.holder}` });
      continue;
    }
    granted(plant.ask(block(partition), 'receive', { h, ...offer }));
    if (offer.blocks.length > 0) plant.ask(home, 'blocksDelivered', { h });
  }
}
const heldBy = (plant: Plant, partition = 'a') => granted(plant.ask(block(partition), 'holdings', {}));

describe('design.md §6: blocks', () => {
  it('four for each of four members, from one address to 4,096', () => {
    const length = (cidr: string) => blockLength(parsePrefix(cidr)!);
    assert.deepEqual(
      ['10.0.0.0/8', '10.0.0.0/16', '10.0.0.0/20', '10.0.0.0/24', '10.0.0.0/28', '10.0.0.0/30', '10.0.0.0/32'].map(
        length,
      ),
      [20, 20, 24, 28, 32, 32, 32],
    );
    assert.deepEqual(['2001:db8::/64', '2001:db8::/120', '2001:db8::/128'].map(length), [116, 124, 128]);
  });
  it('the first is asked for when the network becomes known; then addresses by local commits', () => {
    const plant = plantWith(['212.34.80.0/24']);
    refused(plant.ask(block('a'), 'allocateIp', request()), 'NotFound');
    granted(adopt(plant, plant.network));
    granted(adopt(plant, plant.network));
    assert.equal(wantsOf(plant).length, 1);
    serve(plant);
    assert.equal(granted(plant.ask(block('a'), 'allocateIp', request())).address, '212.34.80.1');
    const { holdings, free, held } = heldBy(plant);
    assert.deepEqual(
      [holdings.map(({ first, length }) => `${first}/${length}`), free, held],
      [['212.34.80.0/28'], 14, 1],
    );
    plant.restart();
    assert.equal(granted(plant.ask(block('a'), 'allocateIp', request())).address, '212.34.80.2');
    refused(plant.ask(home, 'allocateIp', request()), 'Unprocessable', 'is global');
  });
  it('asks ahead at less than a quarter of a block, once', () => {
    const plant = plantWith(['212.34.80.0/24']);
    granted(adopt(plant, plant.network));
    serve(plant);
    for (let taken = 1; taken <= 12; taken++) {
      granted(plant.ask(block('a'), 'allocateIp', request()));
      assert.equal(wantsOf(plant).length, taken < 12 ? 0 : 1, `after ${taken} of 15`);
    }
    granted(plant.ask(block('a'), 'allocateIp', request()));
    assert.equal(wantsOf(plant).length, 1);
  });
  it('waits for blocks when there are none; counts grow when they go fast', () => {
    const plant = plantWith(['212.34.0.0/16']);
    granted(adopt(plant, plant.network));
    const answers = Array.from({ length: 40 }, () => plant.start(block('a'), 'allocateIp', request()));
    plant.settle(20);
    assert.ok(answers.every((answer) => answer() === undefined));
    assert.equal(wantsOf(plant).length, 1);
    serve(plant);
    plant.settle(20);
    assert.equal(
      new Set(answers.map((answer) => granted(answer()!)).map((ip) => ('address' in ip ? ip.address : ''))).size,
      40,
    );

    const small = plantWith(['212.34.80.0/26']);
    granted(adopt(small, small.network));
    serve(small);
    const counts: number[] = [];
    for (let i = 0; i < 12; i++) {
      granted(small.ask(block('a'), 'allocateIp', request()));
      counts.push(...wantsOf(small).map(({ count }) => count));
      serve(small);
    }
    assert.deepEqual(counts, [2, 4, 8]);
  });
  it('network and broadcast address of the prefix are never given, those of blocks are', () => {
    const plant = plantWith(['212.34.80.0/28']);
    granted(adopt(plant, plant.network));
    const given: string[] = [];
    for (let i = 0; i < 14; i++) {
      const answer = plant.start(block('a'), 'allocateIp', request());
      plant.settle(5);
      serve(plant);
      plant.settle(5);
      const ip = answer()!;
      if (!isRefusal(ip)) given.push(ip.address);
    }
    assert.deepEqual(
      given,
      Array.from({ length: 14 }, (_, i) => `212.34.80.${i + 1}`),
    );
    refused(
      plant.ask(block('a'), 'allocateIp', request({ address: '212.34.80.0' })),
      'Conflict',
      'ip already allocated',
    );
    const last = plant.start(block('a'), 'allocateIp', request());
    plant.settle(5);
    serve(plant);
    plant.settle(5);
    refused(last(), 'Exhausted', 'Internal cannot allocate free ip in ipam, no ips left');
    refused(plant.ask(block('a'), 'allocateIp', request()), 'Exhausted');
    granted(plant.ask(block('a'), 'freeIp', { address: '212.34.80.3' }));
    assert.equal(granted(plant.ask(block('a'), 'allocateIp', request())).address, '212.34.80.3');
  });
  it('what was denied is asked again while it is too little; otherwise its row goes', () => {
    // Single-address blocks.
    const plant = plantWith(['212.34.80.0/30']);
    granted(adopt(plant, plant.network));
    const take = (given: Partial<IpRequest> = {}) => {
      const answer = plant.start(block('a'), 'allocateIp', request(given));
      plant.settle(5);
      serve(plant);
      plant.settle(5);
      return answer()!;
    };
    const isWanted = (h: string) => granted(plant.ask(block('a'), 'stillWanted', { h })).isWanted;
    const { address } = granted(take());
    granted(take());
    refused(take(), 'Exhausted');
    const [{ h }] = wantsOf(plant) as [WantRecord];
    plant.settle(60_000);
    assert.equal(isWanted(h), true);
    granted(plant.ask(block('a'), 'freeIp', { address }));
    assert.equal(isWanted(h), false, 'one address is free');
    assert.equal(isWanted(h), false);
    assert.deepEqual(wantsOf(plant), []);
    // Nobody asks for a single address once more, unless somebody waits.
    refused(take({ address: '212.34.80.3' }), 'Conflict');
    for (const want of wantsOf(plant)) assert.equal(isWanted(want.h), false);
    assert.deepEqual(wantsOf(plant), []);
    // Nothing ever comes of it.
    const useless = plantWith(['212.34.80.0/31']);
    granted(adopt(useless, useless.network));
    serve(useless);
    const [want] = wantsOf(useless) as [WantRecord];
    assert.equal(want.denied?.reason, 'exhausted');
    assert.equal(granted(useless.ask(block('a'), 'stillWanted', { h: want.h })).isWanted, false);
  });
  it('prefixes without a usable address: said at once, by family, with what is reserved', () => {
    const plant = plantWith(['212.34.80.0/31', '212.34.80.9/32', '2001:db8::/64', '2001:db8:1::/128']);
    granted(adopt(plant, plant.network));
    refused(
      plant.ask(block('a'), 'allocateIp', request({ family: 'IPv4' })),
      'Exhausted',
      /no ips left in network internet: none of its IPv4 prefixes has a usable address \(212\.34\.80\.0\/31, 212\.34\.80\.9\/32\): the first and the last address of each are reserved$/,
    );
    serve(plant);
    assert.equal(granted(plant.ask(block('a'), 'allocateIp', request({ family: 'IPv6' }))).address, '2001:db8::1');
    const many = Array.from({ length: 10 }, (_, i) => `2001:db8::${i}/128`);
    const useless = plantWith(many);
    granted(adopt(useless, useless.network));
    refused(
      useless.ask(block('a'), 'allocateIp', request()),
      'Exhausted',
      '2001:db8::7/128, 2 more): the first address',
    );
  });
  it('a prefix more ends what was denied before it: nobody hears of an exhausted network any longer', () => {
    const plant = plantWith(['212.34.80.0/30']);
    const grow = (partition: string, prefixes: string[]) =>
      granted(
        adopt(plant, { ...plant.network, prefixes, changed: plant.network.changed + prefixes.length }, partition),
      );
    granted(adopt(plant, plant.network));
    const take = () => {
      const answer = plant.start(block('a'), 'allocateIp', request());
      plant.settle(5);
      serve(plant);
      plant.settle(5);
      return answer()!;
    };
    granted(take());
    granted(take());
    refused(take(), 'Exhausted');
    const prefixes = ['212.34.80.0/30', '212.34.81.0/24'];
    const update = { additionalAnnouncableCidrs: [], force: false, site: 's', h: 'more', prefixes };
    refused(
      plant.ask(home, 'update', { ...update, prefixes: ['212.34.81.0/24'] }),
      'Unprocessable',
      'prefix 212.34.80.0/30 has block 212.34.80.1/32 held by partition a and 1 more',
    );
    granted(plant.ask(home, 'update', update));
    refused(plant.ask(block('a'), 'allocateIp', request()), 'Exhausted', 'no ips left');
    grow('a', prefixes);
    assert.deepEqual(
      wantsOf(plant).map(({ denied }) => denied),
      [null],
    );
    assert.equal(granted(take()).address, '212.34.81.1');
    // Older news, and news of something else, ask nobody.
    grow('a', [...prefixes, '2001:db8::/64']);
    assert.deepEqual(
      wantsOf(plant).map(({ family }) => family),
      ['IPv6'],
    );
  });
  it('home unreachable: 503 that names it; asked again later under the same h', () => {
    const plant = plantWith(['212.34.80.0/24']);
    granted(adopt(plant, plant.network));
    const waiting = plant.start(block('a'), 'allocateIp', request());
    plant.settle(5);
    const [want] = wantsOf(plant);
    plant.ask(block('a'), 'denied', { h: want!.h, reason: 'unreachable', detail: 'site s does not answer' });
    plant.settle(5);
    refused(waiting(), 'Unavailable', /partition a .* site s, can't give more: site s does not answer/);
    refused(plant.ask(block('a'), 'allocateIp', request()), 'Unavailable');
    plant.settle(1_100);
    const again = plant.start(block('a'), 'allocateIp', request());
    plant.settle(5);
    assert.deepEqual(
      wantsOf(plant).map(({ h, denied }) => [h, denied]),
      [[want!.h, null]],
    );
    serve(plant);
    plant.settle(5);
    assert.equal(isRefusal(again()), false);
    const nobody = plantWith(['212.34.80.0/24']);
    granted(adopt(nobody, nobody.network));
    refused(
      nobody.ask(block('a'), 'allocateIp', request(), 200),
      'Unavailable',
      'site s, was asked for one and has not answered yet',
    );
  });
  it("a given address: from its own block; in another partition's block 409 that names it", () => {
    const plant = plantWith(['212.34.80.0/24']);
    granted(adopt(plant, plant.network));
    serve(plant);
    const answer = plant.start(block('a'), 'allocateIp', request({ address: '212.34.80.200' }));
    plant.settle(5);
    serve(plant);
    plant.settle(5);
    assert.equal(isRefusal(answer()), false);
    assert.deepEqual(
      heldBy(plant).holdings.map(({ first }) => first),
      ['212.34.80.0', '212.34.80.192'],
    );
    granted(adopt(plant, plant.network, 'b'));
    serve(plant, 'b');
    const other = plant.start(block('b'), 'allocateIp', request({ address: '212.34.80.201' }));
    plant.settle(5);
    serve(plant, 'b');
    plant.settle(5);
    refused(other(), 'Conflict', 'held by partition a');
  });
  it('both families; machines take one of each', () => {
    const plant = plantWith(['212.34.80.0/24', '2001:db8::/64']);
    granted(adopt(plant, plant.network));
    assert.deepEqual(
      wantsOf(plant)
        .map(({ family }) => family)
        .sort(),
      ['IPv4', 'IPv6'],
    );
    serve(plant);
    const [reply] = plant.reserve([
      reservation(block('a'), 'acquireIps', {
        machine: 'm',
        allocation: 'u',
        project: 'q',
        name: 'n',
        auto: true,
        given: [],
      }),
    ]) as Array<{ ips: string[] }>;
    assert.deepEqual(reply?.ips, ['212.34.80.1', '2001:db8::1']);
  });
  it('a machine makes both families ask ahead; the request that both clear away is cleared once', () => {
    // Blocks of one address each, so that every acquisition asks ahead.
    const plant = plantWith(['212.34.80.0/27', '2001:db8::/123']);
    granted(adopt(plant, plant.network));
    serve(plant);
    const stale = plant.start(block('a'), 'allocateIp', request({ address: '212.34.80.9' }));
    plant.settle(20);
    const [want] = wantsOf(plant).filter(({ address }) => address !== null);
    plant.ask(block('a'), 'denied', { h: want!.h, reason: 'elsewhere', detail: 'held by partition b' });
    plant.settle(20);
    refused(stale(), 'Conflict', 'held by partition b');
    plant.settle(11_000);
    const machine = { machine: 'm', allocation: 'u', project: 'q', name: 'n', auto: true, given: [] };
    const [reply] = granted(plant.reserve([reservation(block('a'), 'acquireIps', machine)])) as Array<{
      ips: string[];
    }>;
    assert.equal(reply?.ips.length, 2);
    assert.deepEqual(
      wantsOf(plant).map(({ family, address }) => `${family} ${address}`),
      ['IPv4 null', 'IPv6 null'],
    );
  });
});

describe('reliability.md §7.2: the hand-over', () => {
  it('the home answers the same h the same; the receiver takes it once and sends echoes back', () => {
    const plant = plantWith(['212.34.80.0/24']);
    granted(adopt(plant, plant.network));
    const [{ h, ...want }] = wantsOf(plant) as [WantRecord];
    const ask = { h, partition: 'a', site: 's', family: want.family, address: null, count: 1 };
    const first = granted(plant.ask(home, 'giveBlocks', ask));
    assert.deepEqual(granted(plant.ask(home, 'giveBlocks', ask)), first);
    assert.deepEqual(granted(plant.ask(block('a'), 'receive', { h, ...first })), { held: 1, refused: [] });
    assert.deepEqual(granted(plant.ask(block('a'), 'receive', { h, ...first })), { held: 1, refused: [] });
    const stale = {
      h: 'never asked',
      blocks: [{ first: '212.34.80.16', length: 28, prefix: '212.34.80.0/24' }],
      exhausted: false,
    };
    assert.deepEqual(granted(plant.ask(block('a'), 'receive', stale)).refused, stale.blocks);
    assert.equal(granted(plant.ask(home, 'blocksDelivered', { h })).delivered, 1);
    assert.deepEqual(
      granted(plant.ask(home, 'ledger', {})).blocks.map(({ first: at, state, holder }) => [at, state, holder]),
      [['212.34.80.0', 'delivered', 'a']],
    );
  });
  it('offers that overlap, lie outside, or are of the wrong family are refused as a whole', () => {
    const plant = plantWith(['212.34.80.0/24', '2001:db8::/64']);
    granted(adopt(plant, plant.network));
    const want = wantsOf(plant).find(({ family }) => family === 'IPv4')!;
    const offer = (first: string, length: number, prefix = '212.34.80.0/24') =>
      plant.ask(block('a'), 'receive', {
        h: want.h,
        blocks: [
          { first: '212.34.80.16', length: 28, prefix: '212.34.80.0/24' },
          { first, length, prefix },
        ],
        exhausted: false,
      });
    refused(offer('212.34.80.24', 29), 'Unprocessable', 'overlaps');
    refused(offer('212.34.81.0', 28), 'Unprocessable', 'is not a block of network');
    refused(offer('2001:db8::', 116, '2001:db8::/64'), 'Unprocessable', 'not of the wanted family');
    assert.equal(heldBy(plant).holdings.length, 0);
  });
  it('recall takes empty blocks only; returned ones are given again', () => {
    const plant = plantWith(['212.34.80.0/24']);
    granted(adopt(plant, plant.network));
    serve(plant);
    granted(plant.ask(block('a'), 'allocateIp', request()));
    assert.deepEqual(granted(plant.ask(block('a'), 'recall', { count: 5 })).blocks, []);
    granted(plant.ask(block('a'), 'freeIp', { address: '212.34.80.1' }));
    const { blocks } = granted(plant.ask(block('a'), 'recall', { count: 5 }));
    assert.deepEqual(granted(plant.ask(block('a'), 'recall', { count: 5 })).blocks, blocks);
    const [{ first, h }] = blocks as [(typeof blocks)[number]];
    const waiting = plant.start(block('a'), 'allocateIp', request());
    plant.settle(5);
    assert.equal(waiting(), undefined, 'a returning block gives nothing');
    granted(plant.ask(home, 'takeBack', { partition: 'b', first, h }));
    granted(plant.ask(home, 'takeBack', { partition: 'a', first, h: 'other' }));
    assert.equal(granted(plant.ask(home, 'ledger', {})).blocks.length, 1);
    granted(plant.ask(home, 'takeBack', { partition: 'a', first, h }));
    granted(plant.ask(block('a'), 'returned', { first, h }));
    serve(plant);
    plant.settle(5);
    assert.equal(isRefusal(waiting()), false);
  });
  it('a network with blocks out is not deleted; when they are back it is, and the copies go', () => {
    const plant = plantWith(['212.34.80.0/24'], 104009);
    granted(adopt(plant, plant.network));
    serve(plant);
    const registry = addressOf(siteScope('s'), 'registry', 's');
    const ending = { id: 'internet', partition: '', partitions: ['a', 'b'] };
    const remove = () => plant.ask(registry, 'deleteNetwork', ending);
    refused(remove(), 'Unprocessable', 'has block 212.34.80.0/28 held by partition a');
    // A dry run that has seen that they are idle: they would be called back first.
    const dry = plant.dry(registry, 'deleteNetwork', { ...ending, blocksIdle: true });
    assert.ok(isDryAnswer(dry), JSON.stringify(dry));
    assert.ok(dry.changes.some(({ table, key, value }) => table === 'network' && key === 'internet' && value === null));
    refused(remove(), 'Unprocessable', 'has block 212.34.80.0/28 held by partition a');
    refused(adopt(plant, null), 'Conflict', 'still holds blocks');
    for (const { first, h } of granted(plant.ask(block('a'), 'recall', { count: 1_000 })).blocks) {
      granted(plant.ask(home, 'takeBack', { partition: 'a', first, h }));
      granted(plant.ask(block('a'), 'returned', { first, h }));
    }
    granted(remove());
    granted(adopt(plant, null));
    granted(adopt(plant, null));
    refused(plant.ask(block('a'), 'get', {}), 'NotFound');
    assert.equal(granted(plant.ask(addressOf(partitionScope('a'), 'allocator', 'a'), 'pools', {})).vrf.held, 0);
  });
  it('a partition whose private network has the VRF does not adopt the network', () => {
    const plant = createPlant({ partitions: ['a'] });
    const pool = addressOf(partitionScope('a'), 'allocator', 'a');
    plant.reserve([reservation(pool, 'takeVrf', { network: 'private', number: 104009, shared: false })]);
    const network = newNetwork('internet', { prefixes: ['212.34.80.0/24'], partition: '', vrf: 104009 });
    refused(plant.ask(block('a'), 'adopt', { network, home: 't' }), 'Conflict');
    refused(plant.ask(block('a'), 'get', {}), 'NotFound');
  });
});
