import { after, mock, test } from 'node:test';
import assert from 'node:assert/strict';
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { addressOf, siteScope } from '../../actors/address.ts';
import { granted } from '../../actors/network/plant.fixture.ts';
import { isRefusal } from '../../actors/refusal.ts';
import { linked, openSite, until, type TestSite, type TestSiteOptions } from './federation.fixture.ts';
import type { JoinResult } from './join.ts';

const sites: TestSite[] = [];
after(async () => {
  for (const site of sites) await site.close();
});

async function open(id: string, options: TestSiteOptions = {}): Promise<TestSite> {
  const site = await openSite(id, options);
  sites.push(site);
  return site;
}

async function restart(site: TestSite): Promise<void> {
  await site.stop();
  await site.start();
}

const reasons = (result: JoinResult): string[] =>
  result.outcome === 'joined' ? [] : result.reasons.map(({ kind, message }) => `${kind}: ${message}`);

test('design.md §11: two used sites become one; each has what the other had, and the same keys', async () => {
  const muc = await open('muc');
  const fra = await open('fra');
  muc.addNetwork('internet', '203.0.113.0/24');
  fra.addNetwork('dmz', '198.51.100.0/24');
  muc.addSize('c1', 'of muc');
  fra.addSize('g1', 'of fra');
  for (const site of [muc, fra]) site.addSize('same', 'equal on both');

  assert.equal((await fra.joins.joinWith(muc.joins.invite())).outcome, 'joined');
  assert.equal(muc.federation.others().length, 0, 'no member before it is back');
  await restart(fra);
  await linked([muc, fra]);
  assert.equal(fra.identity.authority.fingerprint, muc.identity.authority.fingerprint);
  assert.deepEqual(fra.identity.hmac, muc.identity.hmac);
  for (const site of [muc, fra]) {
    await until('the directory is whole', () => site.copy.list('size').length === 3);
    await until('the networks are known', () => site.copy.list('globalnetwork').length === 2);
    await until('the partitions are known', () => site.copy.list('partition').length === 2);
    const known = site.claims().map(({ value, site: of }) => `${value} ${of}`);
    for (const one of ['203.0.113.0/24 muc', '198.51.100.0/24 fra']) assert.ok(known.includes(one), one);
  }
  const both = [muc, fra].map((site) => site.copy.entry('size', 'same')?.home);
  assert.equal(both[0], both[1]);
  assert.deepEqual(
    readdirSync(fra.folder).filter((name) => ['roster.json', 'join.json', 'adopted.json'].includes(name)),
    [],
  );
  for (const name of readdirSync(fra.folder)) {
    const { mode } = statSync(join(fra.folder, name));
    assert.equal(mode & 0o077, 0, `${name} is for its owner only`);
  }
});

test('design.md §11: refused with each collision; the token stays usable when they are gone', async () => {
  const muc = await open('muc');
  const fra = await open('fra', { partition: 'pmuc' });
  muc.addNetwork('internet', '203.0.113.0/24');
  fra.addNetwork('internet', '203.0.0.0/16');
  muc.addSize('c1', 'one');
  fra.addSize('c1', 'another');
  const token = muc.joins.invite();
  const result = await fra.joins.joinWith(token);
  assert.equal(result.outcome, 'refused');
  assert.deepEqual(
    reasons(result).map((text) => text.split(':')[0]),
    ['Partition', 'Network', 'Prefix', 'Differing'],
  );
  assert.equal(
    muc.claims().some(({ site }) => site === 'fra'),
    false,
    'nothing was taken over',
  );
  assert.equal(fra.identity.authority.fingerprint === muc.identity.authority.fingerprint, false);
  const ber = await open('ber');
  assert.equal((await ber.joins.joinWith(token)).outcome, 'joined');
});

test('F27: a token is used once; whoever joined may repeat it', async () => {
  const muc = await open('muc');
  const fra = await open('fra');
  const ber = await open('ber');
  const token = muc.joins.invite();
  assert.equal((await fra.joins.joinWith(token)).outcome, 'joined');
  assert.deepEqual(
    reasons(await ber.joins.joinWith(token)).map((text) => text.split(':')[0]),
    ['Used'],
  );
  assert.equal((await fra.joins.joinWith(token)).outcome, 'joined');
  await restart(fra);
  await linked([muc, fra]);
  assert.equal((await fra.joins.joinWith(token)).outcome, 'joined');
  assert.match(reasons(await fra.joins.joinWith(ber.joins.invite()))[0] ?? '', /^Member: .*muc/);
  assert.match(reasons(await ber.joins.joinWith(ber.joins.invite()))[0] ?? '', /^Self: /);
  assert.match(reasons(await ber.joins.joinWith('nonsense'))[0] ?? '', /^Malformed: /);
});

test('F27: interrupted before the answer, before the keys, between the files: repeating finishes it', async () => {
  const muc = await open('muc');
  const fra = await open('fra');
  fra.addNetwork('dmz', '198.51.100.0/24');
  const token = muc.joins.invite();
  muc.cut();
  assert.equal((await fra.joins.joinWith(token)).outcome, 'unreachable');
  muc.heal();

  // The process dies when all is decided and nothing is written: the next one draws the same keys.
  const killed = mock.method(fra.identity, 'adopt', () => {
    throw new Error('killed');
  });
  await assert.rejects(fra.joins.joinWith(token), /killed/);
  killed.mock.restore();
  await restart(fra);
  assert.equal(fra.federation.others().length, 0, 'never half a member');
  assert.notEqual(fra.identity.authority.fingerprint, muc.identity.authority.fingerprint);
  assert.equal((await fra.joins.joinWith(token)).outcome, 'joined');
  // And it dies again when one file of the new identity is written and the others are not.
  const { authority, hmac, providerTenant } = muc.identity;
  writeFileSync(join(fra.folder, 'adopted.json'), JSON.stringify({ authority, hmac, providerTenant }));
  writeFileSync(join(fra.folder, 'ca.key'), 'half');
  await restart(fra);
  await linked([muc, fra]);
});

test('F27: an expired token, and clocks that are apart, are named', async () => {
  const muc = await open('muc');
  const fra = await open('fra');
  const token = muc.joins.invite({ lifetimeMs: 1 });
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.match(reasons(await fra.joins.joinWith(token))[0] ?? '', /^Expired: /);
});

test('a third site joins by any member, with the word of all; one that is away stops it', async () => {
  const muc = await open('muc');
  const fra = await open('fra');
  await fra.joins.joinWith(muc.joins.invite());
  await restart(fra);
  await linked([muc, fra]);
  fra.addNetwork('dmz', '198.51.100.0/24');

  const ber = await open('ber');
  ber.addNetwork('lab', '198.51.0.0/16');
  const refusal = reasons(await ber.joins.joinWith(muc.joins.invite()));
  assert.equal(refusal.length, 1);
  assert.match(refusal[0] ?? '', /^Prefix: .*\(site ber\).*\(site fra\)/);

  const ham = await open('ham');
  const token = muc.joins.invite();
  await fra.stop();
  await until('fra is seen to be gone', () => muc.federation.status().every(({ up }) => !up));
  assert.match(reasons(await ham.joins.joinWith(token))[0] ?? '', /^Unreachable: site fra/);
  await fra.start();
  await linked([muc, fra]);
  assert.equal((await ham.joins.joinWith(token)).outcome, 'joined');
  await restart(ham);
  await linked([muc, fra, ham]);
  assert.ok(!existsSync(join(ham.folder, 'roster.json')));
  assert.equal(isRefusal(await ham.federation.propose('h', [{ what: 'network', value: 'n', holder: 'n' }])), false);

  const second = await open('fra');
  assert.match(reasons(await second.joins.joinWith(muc.joins.invite()))[0] ?? '', /^Site: site fra/);
});

test('design.md §12: what was there before the join is given up everywhere when it is deleted', async () => {
  const muc = await open('muc');
  const fra = await open('fra');
  muc.addNetwork('old', '203.0.113.0/24');
  fra.addNetwork('older', '198.51.100.0/24');
  assert.equal((await fra.joins.joinWith(muc.joins.invite())).outcome, 'joined');
  // What is made between the join and its end reaches the joiner, too.
  muc.addNetwork('late', '192.0.2.0/24');
  await restart(fra);
  await linked([muc, fra]);
  const keptFor = (at: TestSite, of: TestSite): string =>
    at
      .claims()
      .flatMap(({ site, value }) => (site === of.id ? [value] : []))
      .sort()
      .join(' ');
  await until('fra knows all', () => keptFor(fra, muc) === '192.0.2.0/24 203.0.113.0/24 late old');
  assert.equal(keptFor(muc, fra), '198.51.100.0/24 older');
  for (const [site, other, id] of [
    [muc, fra, 'old'],
    [fra, muc, 'older'],
  ] as const) {
    const own = site.claims().filter(({ holder, site: of }) => holder === id && of === site.id);
    const registry = addressOf(siteScope(site.id), 'registry', site.id);
    granted(site.ask(registry, 'deleteNetwork', { id, partition: '', partitions: [site.partition] }));
    await site.federation.release(own);
    assert.ok(!keptFor(other, site).includes(id), `${id} at ${other.id}`);
  }
  assert.equal(keptFor(fra, muc), '192.0.2.0/24 late');
  fra.addNetwork('old', '203.0.113.0/25');
});
