import assert from 'node:assert/strict';
import type { Change, Row } from '../../actors/records.ts';
import type { AllocationRecord } from '../../actors/machine/record.ts';
import { aliveContainer, machineRecord, networkRecord, switchRecord } from '../../actors/allocation/testing/plant.ts';
import { excerptOf, type Excerpt } from '../../actors/excerpt.ts';
import { addressFromBytes, formatAddress } from '../../actors/ipam/address.ts';
import { isRefusal } from '../../actors/refusal.ts';
import type { Stores } from '../contract.ts';
import { freshScope, groupOf, ipChange, ipRecord, poolChange } from '../testing/samples.ts';
import { test } from '../testing/register.ts';

const keys = (rows: unknown): string[] => {
  assert.ok(Array.isArray(rows), JSON.stringify(rows));
  return (rows as Row[]).map((row) => row.key).sort();
};

export function readingContract({ store, site }: Stores): void {
  const filled = async () => {
    const scope = freshScope();
    const elsewhere = freshScope();
    const fences = await site().takeOver([scope, elsewhere], 1);
    const released = ipChange(scope, 'n1', '10.0.0.3');
    const first: Change[] = [
      ipChange(scope, 'n1', '10.0.0.1'),
      ipChange(scope, 'n1', '10.0.0.2', { value: ipRecord(`n1 of ${scope}`, '10.0.0.2', { project: `p-${scope}` }) }),
      released,
      ipChange(scope, 'n2', '10.0.0.4'),
      ipChange(elsewhere, 'n1', '10.0.1.1'),
      poolChange(scope, 'asn', 1, 'n1'),
    ];
    assert.equal((await store().commit(groupOf(fences, first, 1))).outcome, 'committed');
    const release = { ...released, prev: 1, version: 2, value: null };
    assert.equal((await store().commit(groupOf(fences, [release], 2))).outcome, 'committed');
    return { scope, elsewhere, fences };
  };

  test('a load sees the live rows of the owners asked for, of this scope, and nothing else', async () => {
    const { scope, fences } = await filled();
    const load = (owners: string[], tables: Row['table'][] = ['ip']) =>
      store().load(
        scope,
        tables.flatMap((table) => owners.map((owner) => ({ table, owner }))),
        fences,
      );
    assert.deepEqual(keys(await load(['n1'])), ['n1|10.0.0.1', 'n1|10.0.0.2']);
    assert.deepEqual(keys(await load(['n1', 'n2', 'n1', 'n3'])), ['n1|10.0.0.1', 'n1|10.0.0.2', 'n2|10.0.0.4']);
    assert.deepEqual(keys(await load(['n1'], ['ip', 'pool', 'network'])), ['asn|1', 'n1|10.0.0.1', 'n1|10.0.0.2']);
    assert.deepEqual(await load(['n3']), []);
    assert.deepEqual(await load([]), []);
  });

  test('database.md §7: a packed load brings addresses, and as rows only what stands apart', async () => {
    const { scope, fences } = await filled();
    const loan = { as: 'lent', to: 'q', site: 's', h: 'h', state: 'sent' } as const;
    const more = [
      ipChange(scope, 'n1', '2001:db8::1'),
      ipChange(scope, 'n1', '10.0.0.64', { value: ipRecord('n1', '10.0.0.64', { loan }) }),
      ipChange(scope, 'n1', '10.0.0.65', { value: ipRecord('n1', '10.0.0.65', { restingUntilMs: 5 }) }),
    ];
    assert.equal((await store().commit(groupOf(fences, more, 3))).outcome, 'committed');
    assert.deepEqual(
      await site().countHeld([scope], ['n1', 'n2']),
      new Map([
        ['n1', { IPv4: 3, IPv6: 1 }],
        ['n2', { IPv4: 1, IPv6: 0 }],
      ]),
      'what is lent, not what rests',
    );
    const packed = (owner: string) => [
      { table: 'ip' as const, owner, packed: true as const },
      { table: 'pool' as const, owner },
    ];
    const addressesOf = async (owner: string) => {
      const loaded = await store().loadPacked(scope, packed(owner), fences);
      const addresses = loaded.packed.flatMap(({ family, bytes }) => {
        const length = family === 'IPv4' ? 4 : 16;
        return Array.from({ length: bytes.byteLength / length }, (_, i) =>
          formatAddress(addressFromBytes(bytes.subarray(i * length, (i + 1) * length))),
        );
      });
      return { rows: keys(loaded.rows), addresses: addresses.sort() };
    };
    assert.deepEqual(await addressesOf('n1'), {
      rows: ['asn|1', 'n1|10.0.0.64', 'n1|10.0.0.65'],
      addresses: ['10.0.0.1', '10.0.0.2', '2001:db8::1'],
    });
    assert.deepEqual(await addressesOf('n3'), { rows: [], addresses: [] });
    await site().takeOver([scope], 1);
    const lost = await store().loadPacked(scope, packed('n1'), fences);
    assert.ok(isRefusal(lost.rows));
    assert.deepEqual(lost.packed, []);
  });

  test('a fetch sees the live rows named', async () => {
    const { scope, fences } = await filled();
    const wanted = ['n1|10.0.0.1', 'n1|10.0.0.3', 'n2|10.0.0.4', 'n1|10.0.1.1'].map((key) => ({
      table: 'ip' as const,
      key,
    }));
    const rows = await store().fetch(scope, [...wanted, { table: 'pool', key: 'asn|1' }], fences);
    assert.deepEqual(keys(rows), ['asn|1', 'n1|10.0.0.1', 'n2|10.0.0.4']);
  });

  test('reliability.md §8: load, fetch and scan prove ownership; without it nothing is handed out', async () => {
    const { scope, fences } = await filled();
    await site().takeOver([scope], 1);
    let handed = 0;
    for (const answer of [
      await store().load(scope, [{ table: 'ip', owner: 'n1' }], fences),
      await store().fetch(scope, [{ table: 'ip', key: 'n1|10.0.0.1' }], fences),
      await store().scan(scope, ['machine'], fences, (rows) => (handed += rows.length)),
      await store().load(scope, [{ table: 'ip', owner: 'n1' }], []),
    ])
      assert.ok(isRefusal(answer) && answer.kind === 'Unavailable', JSON.stringify(answer));
    const lost = await store().load(scope, [{ table: 'ip', owner: 'n1' }], fences);
    assert.ok(isRefusal(lost) && lost.message.includes(`${scope} lost its ownership`));
    assert.equal(handed, 0);
  });

  test('a scan hands out the excerpts of all live rows of whole tables, in portions; of provisioning only what is not alive', async () => {
    const scope = freshScope();
    const fences = await site().takeOver([scope], 1);
    const at = { scope, owner: 'o', prev: 0, version: 3 } as const;
    const allocation: Partial<AllocationRecord> = { uuid: 'u', project: 'p1', role: 'firewall', tags: ['a=b', 'ü "'] };
    const changes: Change[] = Array.from({ length: 2_500 }, (_, i) => {
      const id = `m${i}`;
      const plain = machineRecord(id, `r${i % 5}`, 1, { waiting: i % 2 === 0 });
      const machine = { ...plain, state: { ...plain.state, value: i % 3 === 0 ? ('LOCKED' as const) : ('' as const) } };
      return { ...at, table: 'machine', key: id, value: machine };
    });
    changes.push(
      { ...at, table: 'provisioning', key: 'm1', value: aliveContainer() },
      { ...at, table: 'provisioning', key: 'm2', value: { ...aliveContainer(), liveliness: 'Dead' } },
      { ...at, table: 'allocation', key: 'm1', value: allocation as AllocationRecord },
      { ...at, table: 'switch', key: 's1', value: switchRecord('s1', 'r1') },
      { ...at, table: 'switch_port', key: 's1|n', value: { switch: 's1', nic: 'n', machine: 'm1', vrf: '' } },
      {
        ...at,
        table: 'network',
        key: 'n1',
        value: networkRecord({ id: 'n1', prefixes: ['10.0.0.0/8'], underlay: true }),
      },
    );
    const portions: Excerpt[][] = [];
    assert.equal((await store().commit(groupOf(fences, changes, 1))).outcome, 'committed');
    const gone: Change = { ...changes[0]!, prev: 3, version: 4, value: null };
    assert.equal((await store().commit(groupOf(fences, [gone], 2))).outcome, 'committed');
    const tables = ['machine', 'allocation', 'provisioning', 'switch', 'switch_port', 'network'] as const;
    assert.equal(await store().scan(scope, [...tables], fences, (excerpts) => portions.push(excerpts)), undefined);
    assert.ok(portions.length >= 2 && portions.every((excerpts) => excerpts.length <= 2_000));
    const nameOf = ({ table, key }: { table: string; key: string }): string => `${table} ${key}`;
    const byName = (a: Excerpt, b: Excerpt): number => (nameOf(a) < nameOf(b) ? -1 : 1);
    const found = portions.flat().sort(byName);
    assert.deepEqual(
      found,
      changes
        .slice(1)
        .flatMap((change) => excerptOf(change as Row) ?? [])
        .sort(byName),
    );
    assert.deepEqual(
      found.filter(({ table }) => table === 'provisioning').map(({ key }) => key),
      ['m2'],
    );
  });

  test('lists: every filter that is given must hold', async () => {
    const { scope, elsewhere } = await filled();
    const list = async (filter: Parameters<ReturnType<typeof site>['rows']>[1]) =>
      keys(await site().rows('ip', filter));
    assert.deepEqual(await list({ scopes: [scope] }), ['n1|10.0.0.1', 'n1|10.0.0.2', 'n2|10.0.0.4']);
    assert.deepEqual(await list({ scopes: [scope, elsewhere], owners: ['n1'] }), [
      'n1|10.0.0.1',
      'n1|10.0.0.2',
      'n1|10.0.1.1',
    ]);
    assert.deepEqual(await list({ scopes: [scope], keys: ['n1|10.0.0.1', 'n1|10.0.0.3'] }), ['n1|10.0.0.1']);
    assert.deepEqual(await list({ project: `p-${scope}` }), ['n1|10.0.0.2']);
    assert.equal(await site().count('ip', { scopes: [scope], project: `p-${scope}` }), 1);
    assert.equal(await site().count('ip', { scopes: [scope] }), 3, 'live ones only');
    assert.equal(await site().count('ip', { scopes: [scope], project: 'none' }), 0);
    const passed: string[] = [];
    await site().portions('ip', { scopes: [scope] }, (rows) => void passed.push(...keys(rows)));
    assert.deepEqual(passed, await list({ scopes: [scope] }), 'in portions the same');
    assert.deepEqual(await list({ scopes: [scope], addresses: ['10.0.0.4', '::1', 'nonsense'] }), ['n2|10.0.0.4']);
    assert.deepEqual(await list({ scopes: [scope], owners: ['n2'], addresses: ['10.0.0.1'] }), []);
    assert.ok((await list({ keys: ['n1|10.0.1.1'] })).length >= 1, 'keys without scopes');
    assert.deepEqual(
      await site().countByOwner('ip', scope),
      new Map([
        ['n1', 2],
        ['n2', 1],
      ]),
    );
    assert.deepEqual(await site().countHeld([scope, elsewhere], ['n1', 'n3']), new Map([['n1', { IPv4: 3, IPv6: 0 }]]));
    await assert.rejects(site().rows('pool', { project: 'p' }), /filter\.project: pool has no such column/);
    await assert.rejects(site().rows('network', { addresses: ['10.0.0.1'] }), /filter\.addresses: network/);
  });
}
