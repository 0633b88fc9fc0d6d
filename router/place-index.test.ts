import test from 'node:test';
import assert from 'node:assert/strict';
import type { Scope } from '../actors/address.ts';
import { createPlaceIndex, fillPlaceIndex, type PlacedRow } from './place-index.ts';
import type { RowReader } from '../actors/ports.ts';

const row = (table: string, scope: string, key: string, version: number, value: unknown): PlacedRow =>
  ({ table, scope: scope as Scope, key, owner: '', version, value }) as PlacedRow;
const entry = (kind: string, id: string, home: string, version: number, entity: unknown = {}): PlacedRow =>
  row('directory', 'site:muc', `${kind}|${id}`, version, { kind, id, home, revision: version, entity });

test('machines and switches are where their rows are, of hosted partitions only', () => {
  const index = createPlaceIndex('muc', ['a', 'b']);
  index.put(row('machine', 'partition:a', 'm1', 1, {}));
  index.put(row('machine', 'partition:b', 'm2', 1, {}));
  index.put(row('machine', 'partition:elsewhere', 'm3', 1, {}));
  index.put(row('switch', 'partition:a', 's1', 1, {}));
  assert.deepEqual([index.machine('m1'), index.machine('m2'), index.machine('m3')], ['a', 'b', undefined]);
  assert.equal(index.switch('s1'), 'a');
  assert.equal(index.switch('m1'), undefined);
  assert.deepEqual(index.hosted(), ['a', 'b']);
});

test('rows and log may come in any order and twice: the version decides', () => {
  const index = createPlaceIndex('muc', ['a', 'b']);
  index.put(row('machine', 'partition:a', 'm', 5, null));
  index.put(row('machine', 'partition:a', 'm', 3, {}));
  assert.equal(index.machine('m'), undefined, 'a release that came before its row');
  index.put(row('machine', 'partition:a', 'm', 6, {}));
  index.put(row('machine', 'partition:a', 'm', 6, {}));
  index.put(row('machine', 'partition:b', 'm', 9, {}));
  assert.equal(index.machine('m'), 'a', 'the first partition keeps it');
  index.put(row('machine', 'partition:b', 'm', 10, null));
  assert.equal(index.machine('m'), 'a');
  index.put(row('machine', 'partition:a', 'm', 7, null));
  assert.equal(index.machine('m'), undefined);
});

test('an address lies in the longest range that contains it: prefixes of partitions and held blocks', () => {
  const index = createPlaceIndex('muc', ['a', 'b']);
  index.put(
    row('prefix', 'partition:a', '10.0.0.0/8', 1, { cidr: '10.0.0.0/8', network: 'super', root: '10.0.0.0/8' }),
  );
  index.put(
    row('prefix', 'partition:a', '10.0.4.0/22', 2, { cidr: '10.0.4.0/22', network: 'child', root: '10.0.0.0/8' }),
  );
  index.put(
    row('prefix', 'site:muc', '1.2.0.0/16', 1, { cidr: '1.2.0.0/16', network: 'internet', root: '1.2.0.0/16' }),
  );
  index.put(
    row('holding', 'partition:b', 'internet|1.2.3.0', 1, { network: 'internet', first: '1.2.3.0', length: 24 }),
  );
  index.put(
    row('holding', 'partition:b', 'internet|2001:db8::', 1, { network: 'internet', first: '2001:db8::', length: 116 }),
  );
  assert.deepEqual(index.address('10.0.5.1'), { network: 'child', partition: 'a', holder: 'network' });
  assert.deepEqual(index.address('10.200.0.0'), { network: 'super', partition: 'a', holder: 'network' });
  assert.deepEqual(index.address('1.2.3.255'), { network: 'internet', partition: 'b', holder: 'block' });
  assert.deepEqual(index.address('2001:db8::fff'), { network: 'internet', partition: 'b', holder: 'block' });
  for (const address of ['1.2.4.0', '2001:db8::1000', '11.0.0.0', '::ffff', 'nonsense']) {
    assert.equal(index.address(address), undefined, address);
  }
  index.put(row('prefix', 'partition:a', '10.0.4.0/22', 3, null));
  assert.equal(index.address('10.0.5.1')?.network, 'super');
  index.put(row('holding', 'partition:b', 'internet|1.2.3.0', 2, null));
  assert.equal(index.address('1.2.3.255'), undefined);
});

test('design.md §12: an address in the spaces of two partitions has two holders', () => {
  const index = createPlaceIndex('muc', ['a', 'b']);
  for (const partition of ['a', 'b']) {
    index.put(
      row('prefix', `partition:${partition}`, '10.0.0.0/8', 1, {
        cidr: '10.0.0.0/8',
        network: `n${partition}`,
        root: '10.0.0.0/8',
      }),
    );
  }
  assert.deepEqual(
    index.holders('10.1.1.1').map(({ partition }) => partition),
    ['a', 'b'],
  );
});

test('the directory says who hosts a partition, who changes an entry, whose a global network is', () => {
  const index = createPlaceIndex('muc');
  index.put(entry('partition', 'a', 'muc', 1));
  index.put(entry('partition', 'b', 'fra', 1));
  index.put(entry('image', 'ubuntu-24', 'fra', 1));
  index.put(entry('globalnetwork', 'internet', 'fra', 1));
  assert.deepEqual(index.hosted(), ['a']);
  assert.deepEqual([index.partition('a'), index.partition('b'), index.partition('c')], ['muc', 'fra', undefined]);
  assert.equal(index.entryHome('image', 'ubuntu-24'), 'fra');
  assert.deepEqual(index.network('internet'), { partition: '', home: 'fra' });
  assert.deepEqual(index.globalHomes(), ['fra']);
  index.put(row('network', 'partition:a', 'private', 1, {}));
  index.put(row('network', 'site:muc', 'own-global', 1, {}));
  assert.deepEqual(index.network('private'), { partition: 'a', home: 'muc' });
  assert.deepEqual(index.network('own-global'), { partition: '', home: 'muc' });
  index.put(entry('globalnetwork', 'internet', 'fra', 2, null));
  index.put(entry('image', 'ubuntu-24', 'fra', 2, null));
  assert.equal(index.network('internet'), undefined);
  assert.equal(index.entryHome('image', 'ubuntu-24'), undefined);
  index.host('c');
  assert.equal(index.partition('c'), 'muc');
});

test('a partition whose entry is deleted is hosted no more, until it is made again', () => {
  const index = createPlaceIndex('muc', ['a', 'b']);
  index.put(entry('partition', 'a', 'muc', 1));
  index.put(entry('partition', 'b', 'fra', 1));
  index.put(entry('partition', 'a', 'muc', 3, null));
  index.put(entry('partition', 'a', 'muc', 2));
  assert.deepEqual([index.hosted(), index.partition('a')], [['b'], undefined]);
  index.put(row('machine', 'partition:a', 'm', 1, {}));
  assert.equal(index.machine('m'), undefined);
  index.put(entry('partition', 'a', 'muc', 4));
  assert.deepEqual([index.hosted(), index.partition('a')], [['b', 'a'], 'muc']);
});

test('filled from rows at the start, without undoing what the log said meanwhile', async () => {
  const stored: PlacedRow[] = [
    entry('partition', 'a', 'muc', 1),
    row('machine', 'partition:a', 'm1', 1, {}),
    row('machine', 'partition:a', 'm2', 1, {}),
    row('machine', 'partition:x', 'm3', 1, {}),
    row('network', 'site:muc', 'internet', 1, {}),
  ];
  const reader = {
    rows: async (table: string, filter?: { scopes?: Scope[] }) =>
      stored.filter((row) => row.table === table && (filter?.scopes?.includes(row.scope) ?? true)),
  } as Pick<RowReader, 'rows'>;
  const index = createPlaceIndex('muc', ['a']);
  index.apply({ changes: [row('machine', 'partition:a', 'm1', 2, null)] } as never);
  await fillPlaceIndex(index, reader, 'muc');
  assert.deepEqual([index.machine('m1'), index.machine('m2'), index.machine('m3')], [undefined, 'a', undefined]);
  assert.deepEqual(index.network('internet'), { partition: '', home: 'muc' });
});

test('100,000 machines and 20,000 prefixes are cheap', () => {
  const index = createPlaceIndex('muc', ['a']);
  const from = performance.now();
  for (let i = 0; i < 100_000; i += 1) index.put(row('machine', 'partition:a', `m${i}`, 1, {}));
  for (let i = 0; i < 20_000; i += 1) {
    const cidr = `10.${i >> 8}.${i & 255}.0/24`;
    index.put(row('prefix', 'partition:a', cidr, 1, { cidr, network: `n${i}`, root: cidr }));
  }
  for (let i = 0; i < 100_000; i += 1) assert.ok(index.address(`10.${(i >> 8) % 78}.${i & 255}.7`));
  const tookMs = performance.now() - from;
  assert.ok(tookMs < 3_000, `${Math.round(tookMs)} ms`);
});

test("design.md §6: a lent address is where it was lent to; one on its way is nobody's but its own partition's", () => {
  const index = createPlaceIndex('muc', ['a', 'b']);
  index.put(
    row('holding', 'partition:a', 'internet|1.2.3.0', 1, { network: 'internet', first: '1.2.3.0', length: 24 }),
  );
  const ip = (partition: string, version: number, loan?: unknown): void =>
    index.put(row('ip', `partition:${partition}`, 'internet|1.2.3.9', version, { network: 'internet', loan }));
  const inBlock = { network: 'internet', partition: 'a', holder: 'block' };
  index.filled();
  ip('a', 2);
  assert.deepEqual(index.address('1.2.3.9'), inBlock);
  ip('a', 3, { as: 'lent', to: 'f', site: 'fra', h: 'h', state: 'sent' });
  assert.deepEqual(index.address('1.2.3.9'), inBlock, 'the borrower does not have it yet');
  ip('a', 4, { as: 'lent', to: 'f', site: 'fra', h: 'h', state: 'delivered' });
  assert.deepEqual(index.address('1.2.3.9'), { ...inBlock, partition: 'f', site: 'fra', isLoan: true });
  assert.deepEqual(index.address('1.2.3.8'), inBlock);
  ip('a', 5);
  assert.deepEqual(index.address('1.2.3.9'), inBlock);
  ip('a', 6, { as: 'lent', to: 'b', site: 'muc', h: 'h2', state: 'delivered' });
  ip('b', 1, { as: 'borrowed', from: 'a', site: 'muc', h: 'h2', state: 'held' });
  assert.deepEqual(index.address('1.2.3.9'), { ...inBlock, partition: 'b', isLoan: true });
  assert.equal(index.holders('1.2.3.9').length, 1);
  ip('b', 2, { as: 'borrowed', from: 'a', site: 'muc', h: 'h2', state: 'recalled' });
  assert.deepEqual(index.address('1.2.3.9'), inBlock);
  assert.equal(index.passing('1.2.3.9')?.partition, 'b');
  index.put(row('ip', 'partition:b', 'internet|1.2.3.9', 3, null));
  assert.equal(index.passing('1.2.3.9'), undefined);
});

test('an address that was lent out of a block of one address has one place', () => {
  const index = createPlaceIndex('muc', ['a', 'b']);
  const block = { network: 'internet', first: '1.2.3.9', length: 32 };
  index.put(row('holding', 'partition:a', 'internet|1.2.3.9', 1, block));
  index.filled();
  const lent = { as: 'lent', to: 'f', site: 'fra', h: 'h', state: 'delivered' };
  index.put(row('ip', 'partition:a', 'internet|1.2.3.9', 2, { network: 'internet', loan: lent }));
  assert.deepEqual(
    index.holders('1.2.3.9').map(({ partition, site }) => [partition, site]),
    [['f', 'fra']],
  );
});

test('design.md §6: for a block that goes home its partition does not speak any more: another one may have it already', () => {
  const index = createPlaceIndex('muc', ['a', 'b']);
  const block = { network: 'internet', first: '1.2.3.0', length: 24 };
  index.filled();
  const holding = (partition: string, version: number, state: string): void =>
    index.put(row('holding', `partition:${partition}`, 'internet|1.2.3.0', version, { ...block, state }));
  holding('a', 1, 'held');
  assert.equal(index.address('1.2.3.9')?.partition, 'a');
  holding('a', 2, 'returning');
  assert.equal(index.address('1.2.3.9'), undefined);
  holding('b', 1, 'held');
  assert.deepEqual(
    index.holders('1.2.3.9').map(({ partition }) => partition),
    ['b'],
  );
  index.put(row('holding', 'partition:a', 'internet|1.2.3.0', 3, null));
  assert.equal(index.address('1.2.3.9')?.partition, 'b');
});
