import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { isRefusal } from '../refusal.ts';
import { allocatedNetworkType, checkNetworks, type NetworkSummary } from './network-legality.ts';

const network = (id: string, more: Partial<NetworkSummary> = {}): NetworkSummary => ({
  id,
  partition: 'muc',
  project: 'p',
  parent: 'super',
  privateSuper: false,
  underlay: false,
  shared: false,
  ...more,
});
const external = { partition: '', project: '', parent: null };
const networks = [
  network('private'),
  network('private2'),
  network('foreign', { project: 'q' }),
  network('elsewhere', { partition: 'fra' }),
  network('shared', { shared: true }),
  network('shared2', { shared: true, project: 'q' }),
  network('internet', external),
  network('fra-internet', { ...external, partition: 'fra' }),
  network('super', { ...external, partition: 'muc', privateSuper: true }),
  network('underlay', { ...external, partition: 'muc', underlay: true }),
];
const ip = (address: string, more: { network?: string; project?: string; machines?: string[] } = {}) => ({
  address,
  network: 'internet',
  project: 'p',
  machines: [],
  ...more,
});
const ips = [
  ip('1.1.1.1'),
  ip('1.1.1.2', { project: 'q' }),
  ip('1.1.1.3', { machines: ['m'] }),
  ip('10.0.0.1', { network: 'private' }),
  ip('10.0.0.2', { network: 'private2' }),
];

/** Networks by id, `:noauto` for autoacquire off, as metalctl writes them. */
const check = (
  ids: string[],
  addresses: string[] = [],
  more: { role?: 'machine' | 'firewall'; underlays?: string[]; hasPrivateSuper?: boolean } = {},
) =>
  checkNetworks({
    request: {
      role: more.role ?? 'machine',
      project: 'p',
      networks: ids.map((id) => ({ id: id.replace(':noauto', ''), autoacquire: !id.endsWith(':noauto') })),
      ips: addresses,
    },
    partition: 'muc',
    networks,
    ips,
    hasPrivateSuper: more.hasPrivateSuper ?? true,
    underlays: more.underlays ?? ['underlay'],
  });
const kindOf = (result: unknown): string => (isRefusal(result) ? result.kind : 'ok');
const shapeOf = (result: ReturnType<typeof check>) =>
  isRefusal(result)
    ? result.message
    : result.map((planned) => [
        planned.network,
        allocatedNetworkType(planned),
        planned.autoacquire ? 'auto' : planned.ips.join(' '),
      ]);

describe('networks of an allocation', () => {
  it('machines.md §23.7: what is refused', () => {
    const table: [name: string, result: ReturnType<typeof check>, kind: string][] = [
      ['only an external network', check(['internet']), 'Unprocessable'],
      ['private network of another project', check(['foreign']), 'Unprocessable'],
      ['private network of another partition', check(['elsewhere']), 'Unprocessable'],
      ['private, autoacquire off, no ip', check(['private:noauto']), 'Unprocessable'],
      ['ip of a network not listed', check(['private'], ['1.1.1.1']), 'Unprocessable'],
      ['two unshared private networks', check(['private', 'private2']), 'Unprocessable'],
      ['machine: unshared and shared private', check(['private', 'shared']), 'Unprocessable'],
      ['underlay', check(['private', 'underlay']), 'Unprocessable'],
      ['private super', check(['private', 'super']), 'Unprocessable'],
    ];
    for (const [name, result, kind] of table) assert.equal(kindOf(result), kind, name);
  });

  it('machines.md §8.6: the other rules', () => {
    assert.equal(kindOf(check(['private'], [], { hasPrivateSuper: false })), 'Unprocessable');
    assert.equal(kindOf(check(['nope'])), 'NotFound');
    assert.equal(kindOf(check(['private', 'private'])), 'Unprocessable');
    assert.equal(kindOf(check(['shared', 'shared2'], [], { role: 'firewall' })), 'Unprocessable');
    assert.equal(kindOf(check(['shared2'])), 'Unprocessable');
    assert.equal(kindOf(check(['private', 'fra-internet'])), 'Unprocessable');
    assert.equal(kindOf(check(['private', 'internet'], ['9.9.9.9'])), 'NotFound');
    assert.equal(kindOf(check(['private', 'internet'], ['1.1.1.2'])), 'Unprocessable');
    for (const underlays of [[], ['a', 'b']]) {
      assert.equal(kindOf(check(['private'], [], { role: 'firewall', underlays })), 'Unprocessable');
    }
  });

  it('W11: an ip that a machine has is not given to another', () => {
    assert.equal(kindOf(check(['private', 'internet'], ['1.1.1.3'])), 'Unprocessable');
  });

  it('machines.md §23.7: what is planned', () => {
    assert.deepEqual(shapeOf(check(['internet:noauto', 'private'], ['1.1.1.1'])), [
      ['internet', 'external', '1.1.1.1'],
      ['private', 'privateprimaryunshared', 'auto'],
    ]);
    assert.deepEqual(shapeOf(check(['shared'])), [['shared', 'privateprimaryshared', 'auto']]);
    assert.deepEqual(shapeOf(check(['shared2', 'private', 'internet'], [], { role: 'firewall' })), [
      ['shared2', 'privatesecondaryshared', 'auto'],
      ['private', 'privateprimaryunshared', 'auto'],
      ['internet', 'external', 'auto'],
      ['underlay', 'underlay', 'auto'],
    ]);
  });

  it('machines.md §8.6: a given ip turns autoacquire off', () => {
    assert.deepEqual(shapeOf(check(['private'], ['10.0.0.1'])), [['private', 'privateprimaryunshared', '10.0.0.1']]);
    assert.deepEqual(shapeOf(check(['private:noauto'], ['10.0.0.1', '10.0.0.1'])), [
      ['private', 'privateprimaryunshared', '10.0.0.1'],
    ]);
  });

  it('machines.md §2.3: types from flags', () => {
    const type = (isPrivate: boolean, privatePrimary: boolean, shared: boolean, underlay: boolean) =>
      allocatedNetworkType({ private: isPrivate, privatePrimary, shared, underlay });
    assert.equal(type(true, false, false, false), 'privateprimaryunshared');
    assert.equal(type(false, false, true, false), undefined);
    assert.equal(type(true, true, false, true), undefined);
    assert.equal(type(false, true, false, false), undefined);
  });
});
