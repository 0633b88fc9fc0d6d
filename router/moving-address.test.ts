// Where a request about an address goes while the address, or its block, moves from site to site.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { entry, fakeSite, row, type FakeSite } from './sites.fixture.ts';

// Sites muc, fra and ber host partitions a, b and c; `internet` is a global network of fra.
let muc: FakeSite;
let fra: FakeSite;
let ber: FakeSite;

const ADDRESS = '1.2.3.4';
const block = (first: string, state: string) => ({ network: 'internet', first, length: 24, state });

beforeEach(async () => {
  const roster = { members: [] };
  muc = await fakeSite('muc', ['a'], roster);
  fra = await fakeSite('fra', ['b'], roster);
  ber = await fakeSite('ber', ['c'], roster);
  for (const site of [muc, fra, ber]) {
    await site.sees(2);
    site.places.put(entry('globalnetwork', 'internet', 'fra'));
    site.places.filled();
  }
  fra.places.put(row('network', 'site:fra', 'internet', {}));
});
afterEach(async () => {
  for (const site of [muc, fra, ber]) await site.close();
});

const answering = async (site: FakeSite, line: string, body?: unknown): Promise<unknown> => {
  const { status, json, message } = await site.call(line, body);
  return status === 200 ? (json as { site: string }).site : `${status} ${message}`;
};
const READ = `GET /v1/ip/${ADDRESS}`;

test('of an address that was asked for in vain, and that nobody has, each site speaks itself', async () => {
  const denied = { reason: 'declined', kind: 'NotFound', detail: '', atMs: 0 };
  const want = (partition: string) => ({
    network: 'internet',
    address: ADDRESS,
    lender: { partition, site: '' },
    denied,
  });
  muc.places.put(row('want', 'partition:a', 'internet|h1', want('b')));
  ber.places.put(row('want', 'partition:c', 'internet|h2', want('b')));
  for (const site of [muc, fra, ber]) assert.equal(await answering(site, READ), site.site);
});

test('a place that was remembered, and whose block went home since: the address is taken there', async () => {
  muc.places.put(row('holding', 'partition:a', 'internet|1.2.3.0', block('1.2.3.0', 'held')));
  assert.equal(await answering(ber, READ), 'muc');
  muc.places.put(row('holding', 'partition:a', 'internet|1.2.3.0', block('1.2.3.0', 'returning')));
  assert.equal(await answering(ber, `POST /v1/ip/allocate/${ADDRESS}`, { networkid: 'internet' }), 'fra');
});

test('while a borrowed address goes back its borrower is asked, then its lender; never is it said to be nowhere', async () => {
  const ip = (partition: string, state: string, loan?: object): void => {
    const site = partition === 'a' ? muc : fra;
    site.places.put(
      row('ip', `partition:${partition}`, `internet|${ADDRESS}`, {
        network: 'internet',
        ...(loan && { loan: { h: 'h', ...loan, state } }),
      }),
    );
  };
  muc.places.put(row('holding', 'partition:a', 'internet|1.2.3.0', block('1.2.3.0', 'held')));
  ip('a', 'delivered', { as: 'lent', to: 'b', site: 'fra' });
  ip('b', 'held', { as: 'borrowed', from: 'a', site: 'muc' });
  for (const site of [muc, fra, ber]) assert.equal(await answering(site, READ), 'fra');
  ip('b', 'recalled', { as: 'borrowed', from: 'a', site: 'muc' });
  for (const site of [fra, ber]) assert.equal(await answering(site, READ), 'fra');
  // Somebody else waits for it: that one knows nothing of it yet.
  const lender = { partition: 'a', site: 'muc' };
  ber.places.put(
    row('want', 'partition:c', 'internet|h2', { network: 'internet', address: ADDRESS, lender, denied: null }),
  );
  assert.equal(await answering(fra, READ), 'fra');
  // The borrower is rid of it before the lender's index has heard that it came.
  fra.places.put(row('ip', 'partition:b', `internet|${ADDRESS}`, null));
  assert.match(String(await answering(muc, READ)), /^503 .* nothing was done, try again/);
  assert.equal(await answering(fra, READ), 'muc');
  ip('a', '');
  for (const site of [muc, fra, ber]) assert.equal(await answering(site, READ), 'muc');
});
