import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressOf, partitionScope, siteScope, type Scope } from '../address.ts';
import { at, registry, request } from './go-ipam.fixture.ts';
import { createPlant, granted, newNetwork, type Plant } from './plant.fixture.ts';
import { QUARANTINE_LABEL } from './quarantine.ts';

const scope = partitionScope('p');
const network = at('n');

function scene(
  prefixes: string[],
  seconds = 0,
): Plant & { acquire(address?: string): string; free(address: string): void } {
  const plant = createPlant();
  const labels = { [QUARANTINE_LABEL]: String(seconds) };
  const made = newNetwork('n', { prefixes, labels });
  granted(plant.ask(registry, 'createNetwork', { network: made, h: 'h', partitions: ['p'] }));
  return {
    ...plant,
    acquire: (address) =>
      granted(plant.ask(network, 'allocateIp', { ...request, ...(address === undefined ? {} : { address }) })).address,
    free: (address) => void granted(plant.ask(network, 'freeIp', { address })),
  };
}

/** Makes the row of an address that of another one, behind the back of its actor. */
function move(
  { store }: Plant,
  from: string,
  to: string,
  of: { scope: Scope; network: string } = { scope, network: 'n' },
): void {
  const keyOf = (address: string) => `${of.network}|${address}`;
  const row = store.rows.get(`ip:${of.scope}:${keyOf(from)}`);
  assert.ok(row?.table === 'ip' && row.value !== null);
  store.rows.delete(`ip:${of.scope}:${keyOf(from)}`);
  const moved = { ...row, key: keyOf(to), value: { ...row.value, address: to } };
  store.rows.set(`ip:${of.scope}:${keyOf(to)}`, moved);
}

test('reliability.md §5.4: an address that is free in memory and has a row is noticed, also if another one makes up for it', () => {
  for (const [prefix, held, other] of [
    ['10.0.0.0/24', '10.0.0.6', '10.0.0.5'],
    ['10.0.0.0/8', '10.200.0.6', '10.0.0.6'],
    ['2001:db8::/32', '2001:db8:0:1::7', '2001:db8:0:2::7'],
    ['2001:db8::/32', '2001:db8:4000::7', '2001:db8::7'],
  ] as const) {
    const plant = scene([prefix]);
    plant.acquire();
    plant.acquire(held);
    assert.deepEqual(plant.audit(), []);
    move(plant, held, other);
    assert.deepEqual(
      plant.audit(),
      ['memory: partition:p/network/n differs from its rows in rows'],
      `${held} ${other}`,
    );
  }
});

test('reliability.md §5.4: so it is in a block of a global network', () => {
  const plant = createPlant();
  const internet = newNetwork('internet', { prefixes: ['212.34.80.0/24'], partition: '' });
  granted(plant.ask(registry, 'createNetwork', { network: internet, h: 'h', partitions: ['p'] }));
  const block = addressOf(scope, 'block', 'internet');
  granted(plant.ask(block, 'adopt', { network: internet, home: 's' }));
  for (const { h, family, address, count } of granted(plant.ask(block, 'holdings', {})).wants) {
    const ask = { h, partition: 'p', site: 's', family, address, count };
    const offer = granted(plant.ask(addressOf(siteScope('s'), 'network', 'internet'), 'giveBlocks', ask));
    granted(plant.ask(block, 'receive', { h, ...offer }));
  }
  const { address } = granted(plant.ask(block, 'allocateIp', request));
  assert.deepEqual(plant.audit(), []);
  assert.equal(address, '212.34.80.1');
  move(plant, address, '212.34.80.2', { scope, network: 'internet' });
  assert.deepEqual(plant.audit(), ['memory: partition:p/block/internet differs from its rows in holdings']);
});

test('addresses that rest are compared too: which ones, and since which change', () => {
  const plant = scene(['10.0.0.0/29'], 60);
  for (let n = 0; n < 4; n++) plant.acquire();
  plant.free('10.0.0.1');
  plant.free('10.0.0.2');
  assert.deepEqual(plant.audit(), []);
  // .2 rests and .3 is in use: the rows say the reverse.
  const [two, three] = ['10.0.0.2', '10.0.0.3'].map((address) => plant.store.rows.get(`ip:${scope}:n|${address}`));
  assert.ok(two?.table === 'ip' && three?.table === 'ip' && two.value !== null && three.value !== null);
  const { address, ...rest } = two.value;
  const { address: other, ...use } = three.value;
  plant.store.rows.set(`ip:${scope}:${two.key}`, { ...two, version: three.version, value: { ...use, address } });
  plant.store.rows.set(`ip:${scope}:${three.key}`, {
    ...three,
    version: two.version,
    value: { ...rest, address: other },
  });
  assert.deepEqual(plant.audit(), ['memory: partition:p/network/n differs from its rows in resting']);
});

test('that a rest is over is no drift, neither before its row is taken away nor after', () => {
  const plant = scene(['10.0.0.0/29', '2001:db8::/64'], 60);
  const all = [plant.acquire(), plant.acquire(), plant.acquire('2001:db8::7'), plant.acquire('2001:db8::8')];
  for (const address of all.slice(1)) plant.free(address);
  const live = (): number => plant.store.live('ip').length;
  // Loaded anew it asks nobody to take them away, and doesn't look before it is asked for one.
  plant.restart();
  plant.settle(61_000);
  assert.deepEqual([plant.audit(), live()], [[], 4]);
  // It looks for a free one, and wakes all whose rest is over: three, of which it takes one.
  assert.equal(plant.acquire(), '10.0.0.2');
  assert.deepEqual([plant.audit(), live()], [[], 4]);
  plant.settle(5_000);
  assert.deepEqual([plant.audit(), live()], [[], 2]);
});
