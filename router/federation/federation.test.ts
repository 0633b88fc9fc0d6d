import { after, test } from 'node:test';
import assert from 'node:assert/strict';
import { createAsker } from '../../actors/asker.ts';
import { addressOf, siteScope } from '../../actors/address.ts';
import { conflictsOf } from '../../actors/directory/conflict.ts';
import type { DirectoryRecord } from '../../actors/directory/record.ts';
import { granted, newNetwork, refused } from '../../actors/network/plant.fixture.ts';
import { prefixClaims } from '../../actors/network/coordination.ts';
import { claimsOfNetwork } from '../../actors/registry/claims.ts';
import type { Claim } from '../../actors/registry/messages.ts';
import { acquaint, linked, openSite, until, type TestSite, type TestSiteOptions } from './federation.fixture.ts';

const sites: TestSite[] = [];
after(async () => {
  for (const site of sites) await site.close();
});

async function open(id: string, options: TestSiteOptions = {}): Promise<TestSite> {
  const site = await openSite(id, options);
  sites.push(site);
  return site;
}

async function pair(): Promise<[TestSite, TestSite]> {
  const a = await open('a');
  const b = await open('b', { like: a });
  await acquaint([a, b]);
  return [a, b];
}

const sizes = (site: TestSite): string[] => site.copy.list('size').map(({ id, description }) => `${id} ${description}`);
/** What lost its id, as the rows of a site say. */
const lostAt = ({ plant }: TestSite): string[] =>
  plant.store
    .live('directory')
    .flatMap(({ value }) =>
      conflictsOf(value as DirectoryRecord).map(({ entity }) => `${entity?.name} ${entity?.description}`),
    );
const versionAt = ({ plant }: TestSite, size: string): number | undefined =>
  plant.store.live('directory').find(({ key }) => key === `size|${size}`)?.version;
/** What a site tells, and compares, of the entries of a home. */
const toldBy = ({ copy }: TestSite, home: string) =>
  new Map(copy.entriesOf(home).map((record) => [`${record.kind}|${record.id}`, record]));
const sizeActor = (site: TestSite) => addressOf(siteScope(site.id), 'directory', 'size');
const drop = (site: TestSite, id: string): void =>
  void granted(site.ask(sizeActor(site), 'delete', { kind: 'size', id, uses: { machines: 0, reservations: 0 } }));
const prefix = (value: string, holder: string): Claim => ({ what: 'prefix', value, holder });

test('design.md §2: what a member writes to the directory is there before the answer, on both sides', async () => {
  const [a, b] = await pair();
  const made = a.addSize('c1');
  await a.federation.spread(made);
  assert.deepEqual(sizes(b), ['c1 ']);
  const back = b.addSize('c2');
  await b.federation.spread(back);
  assert.deepEqual(sizes(a), ['c1 ', 'c2 ']);
  drop(a, 'c1');
  await until('the deletion is spread', () => sizes(b).length === 1);
  assert.equal(b.copy.entry('size', 'c1')?.entity, null);
  assert.deepEqual(
    a.federation.members().map(({ site, partitions, up }) => [site, partitions, up]),
    [['b', ['pb'], true]],
  );
});

test('F11, F15: cut and healed, both sides have the same directory, and one winner for an id made twice', async () => {
  const [a, b] = await pair();
  await a.federation.spread(a.addSize('before'));
  for (const site of [a, b]) site.cut();
  await until('the cut is seen', () => [a, b].every(({ federation }) => federation.status().every(({ up }) => !up)));
  a.addSize('ours');
  b.addSize('theirs');
  // The virtual clock of b is ahead, so a made it earlier.
  b.plant.settle(1_000);
  a.addSize('both', 'of a');
  b.addSize('both', 'of b');
  drop(a, 'before');
  const began = Date.now();
  await b.federation.spread(b.addSize('alone'));
  assert.ok(Date.now() - began < 1_000, 'nobody waits for who is cut off');
  for (const site of [a, b]) site.heal();
  const wanted = ['alone ', 'both of a', 'ours ', 'theirs '];
  for (const site of [a, b]) await until(`${site.id} is whole`, () => sizes(site).join() === wanted.join());
  assert.equal(b.copy.entry('size', 'both')?.home, 'a');
  // Who saw both keeps what lost; what is told and compared is the same at either site.
  assert.deepEqual(lostAt(b), ['both of b']);
  for (const home of ['a', 'b']) assert.deepEqual(toldBy(b, home), toldBy(a, home));
  const written = versionAt(b, 'both');
  await b.stop();
  b.plant.restart();
  await b.start();
  await linked([a, b]);
  assert.deepEqual(lostAt(b), ['both of b']);
  await a.federation.spread(a.addSize('later'));
  await until('b has what came later', () => b.copy.get('size', 'later') !== undefined);
  assert.equal(versionAt(b, 'both'), written, 'it was not written again');
});

test('F15: a site that hears of what lost keeps it and goes on telling what stands, the same to all', async () => {
  const [a, b] = await pair();
  const standing = a.addSize('both', 'of a');
  await a.federation.spread(standing);
  const theirs = structuredClone(standing);
  theirs.home = 'c';
  theirs.created = { wallMs: Number.MAX_SAFE_INTEGER, counter: 0, site: 'c' };
  if (theirs.entity !== null) theirs.entity.description = 'of c';
  const told = a.copy.entriesOf('a');
  assert.deepEqual(granted(a.ask(sizeActor(a), 'apply', { entries: [theirs] })), { applied: 1 });
  assert.deepEqual(lostAt(a), ['both of c']);
  assert.deepEqual(a.copy.entriesOf('a'), told);
  await a.federation.spread(a.copy.entry('size', 'both')!);
  assert.deepEqual(lostAt(b), [], 'b saw only one');
  for (const home of ['a', 'b', 'c']) assert.deepEqual(toldBy(b, home), toldBy(a, home));
});

test('design.md §12: the word of all: promised, settled, refused with each collision', async () => {
  const [a, b] = await pair();
  b.addNetwork('internet', '203.0.113.0/24');
  const claims: Claim[] = [
    prefix('203.0.113.0/25', 'mine'),
    { what: 'network', value: 'internet', holder: 'internet' },
  ];
  const answer = await a.federation.propose('h1', claims);
  refused(answer, 'Unprocessable', '203.0.113.0/24');
  assert.match(answer?.message ?? '', /already exists.*\(site b\)/s);
  assert.deepEqual(
    b.claims().filter(({ site }) => site === 'a'),
    [],
  );

  assert.equal(await a.federation.propose('h2', [prefix('198.51.100.0/24', 'mine')]), undefined);
  const [promised] = b.claims().filter(({ site }) => site === 'a');
  assert.deepEqual([promised?.state, promised?.h], ['promised', 'h2']);
  await a.federation.settle('h2', true);
  assert.equal(b.claims().find(({ h }) => h === 'h2')?.state, 'owned');
});

test('design.md §12: an outcome that can not be told is told as soon as the claims tell, while the proposer lives on', async () => {
  const [a, b] = await pair();
  assert.equal(await a.federation.propose('h-lost', [prefix('198.51.100.0/24', 'mine')]), undefined);
  await a.federation.settle('h-lost', undefined);
  await until('b is free of its promise', () => b.claims().every(({ h }) => h !== 'h-lost'));
});

test('design.md §12: a member that can not be reached makes it a 503 with its name', async () => {
  const [a, b] = await pair();
  await b.stop();
  await until('b is seen to be gone', () => a.federation.status().every(({ up }) => !up));
  refused(await a.federation.propose('h', [prefix('198.51.100.0/24', 'n')]), 'Unavailable', 'site b (partition pb)');
  await b.start();
  await linked([a, b]);
  assert.equal(await a.federation.propose('h', [prefix('198.51.100.0/24', 'n')]), undefined);
});

test('design.md §12: a member that fails, or is asked too much, is not said to be out of reach; of many collisions the first are named', async () => {
  const [a, b] = await pair();
  b.addNetwork('internet', '203.0.113.0/24');
  const many = (count: number): Claim[] =>
    Array.from({ length: count }, (_, i) => prefix(`203.0.113.${i % 256}/${i < 256 ? 32 : 31}`, 'mine'));
  const collisions = await a.federation.propose('h-many', many(256));
  refused(collisions, 'Unprocessable', /^203\.0\.113\.0\/32 overlaps .*\(site b\); … and 240 more$/);
  assert.equal(collisions?.message.split('; ').length, 17);

  // As in the log of a site: what it was asked is none of its words.
  const failed: unknown[] = [];
  b.onOdd = (what, error) => failed.push(what, error);
  const tooMany = await a.federation.propose('h-most', many(1_001));
  refused(tooMany, 'Internal', 'site b (partition pb) could not answer: promise: the peer failed while it served this');
  assert.doesNotMatch(tooMany?.message ?? '', /reached/);
  const [member] = (await a.federation.askOthers('nothing', {}, 1_000)).values();
  refused(member, 'Unavailable', 'site b (partition pb) could not answer: asks of kind "nothing" are unknown here');
  const large = await a.federation.askOther('b', 'nothing', 'x'.repeat(5 * 1024 * 1024), 1_000);
  refused(large, 'Internal', /could not answer: the ask frame has \d+ bytes, at most 4194304 are carried/);
  assert.ok(failed.length > 0);
});

test('reliability.md §10: a proposal takes no longer than the request has; what was promised is given back all the same', async () => {
  const [a, b] = await pair();
  const asked: Array<[kind: string, remainingMs: number]> = [];
  const told = new Promise<unknown>((resolve) => {
    b.federation.peering.onAsk('promise', (_body, _peer, asker) => {
      asked.push(['promise', asker.remainingMs]);
      // As a site whose database says nothing.
      return new Promise(() => {});
    });
    b.federation.peering.onAsk('settle', (body) => (resolve(body), {}));
  });
  const asker = createAsker(() => 50);
  const claims = [prefix('198.51.100.0/24', 'n')];
  const answer = await a.federation.propose('h-short', claims, asker);
  refused(answer, 'Unavailable', 'site b did not answer in the time that the request has');
  assert.deepEqual(
    asked.map(([kind, remainingMs]) => [kind, remainingMs <= 50]),
    [['promise', true]],
  );
  assert.deepEqual(await told, { h: 'h-short', made: false });
  asker.leave();
  refused(await a.federation.propose('h-gone', claims, asker), 'Unavailable');
  assert.equal(asked.length, 1, 'for who has left nobody is asked');
});

test('reliability.md §10: what a site asks of another one is done as long as it waits; what it gives back, always', async () => {
  const [a, b] = await pair();
  const link = a.federation.peering.links()[0]!;
  const heard: string[] = [];
  // In the background the sites compare claims by themselves, with seconds.
  b.onActors = (what, asker) => heard.push(`${what} ${asker && Math.round(asker.remainingMs / 100_000)}`);
  await link.ask('promise', { h: 'h', claims: [prefix('198.51.100.0/24', 'n')] }, 300_000);
  await link.ask('promises', { site: 'a' }, 400_000);
  await link.ask('settle', { h: 'h', made: false }, 500_000);
  // Site a may find by itself, at the same time, that nobody works on that promise any more, and end it a second time.
  assert.deepEqual(
    [...new Set(heard.filter((one) => !one.endsWith(' 0') && one !== 'claims undefined'))],
    ['promise 3', 'claims 4', 'settle undefined'],
  );
});

test('design.md §12: promises whose proposer died are ended by what it did', async () => {
  const [a, b] = await pair();
  assert.equal(await a.federation.propose('h-dropped', [prefix('198.51.100.0/24', 'n1')]), undefined);
  const asked = [{ what: 'network' as const, value: 'n2', holder: 'n2' }, prefix('192.0.2.0/24', 'n2')];
  assert.equal(await a.federation.propose('h-n2', asked), undefined);
  const network = newNetwork('n2', { partition: '', prefixes: ['192.0.2.0/24'] });
  const registry = addressOf(siteScope('a'), 'registry', 'a');
  granted(a.ask(registry, 'createNetwork', { network, h: 'h-n2', partitions: ['pa'] }));
  assert.equal(b.claims().filter(({ state }) => state === 'promised').length, 3);
  await a.stop();
  await a.start();
  await linked([a, b]);
  await until('the promises are ended', () => b.claims().every(({ state }) => state === 'owned'));
  assert.deepEqual(
    b
      .claims()
      .filter(({ site }) => site === 'a')
      .map(({ value }) => value)
      .sort(),
    ['192.0.2.0/24', 'n2'],
  );
});

test('F14: three sites; one that was away catches up with both, and they with it', async () => {
  const a = await open('a');
  const b = await open('b', { like: a });
  const c = await open('c', { like: a });
  await acquaint([a, b, c]);
  await c.stop();
  for (let n = 0; n < 250; n++) a.addSize(`a-${n}`);
  b.addSize('b-1');
  c.addSize('c-1');
  await c.start();
  await linked([a, b, c]);
  for (const site of [a, b, c]) await until(`${site.id} is whole`, () => sizes(site).length === 252);
  assert.equal(await a.federation.propose('h', [prefix('198.51.100.0/24', 'n')]), undefined);
  for (const site of [b, c]) assert.equal(site.claims().filter(({ state }) => state === 'promised').length, 1);
});

test('reliability.md §9: a site speaks for its own entries and promises only', async () => {
  const [a, b] = await pair();
  const made = a.addSize('c1', 'mine');
  await a.federation.spread(made);
  const forged = { ...made, revision: 9, entity: { ...made.entity, description: 'forged' } };
  await b.federation.ask('a', 'directory.apply', { entries: [forged] }, 1_000);
  const stranger = { ...forged, id: 'c9', home: 'x' };
  await b.federation.ask('a', 'directory.apply', { entries: [stranger] }, 1_000);
  assert.deepEqual(sizes(a), ['c1 mine']);
  const c = await open('c', { like: a });
  await acquaint([a, b, c]);
  assert.equal(await a.federation.propose('h', [prefix('198.51.100.0/24', 'n')]), undefined);
  await c.federation.ask('b', 'settle', { h: 'h', made: false }, 1_000).catch(() => {});
  assert.equal(b.claims().filter(({ h }) => h === 'h').length, 1, 'the promise to a stands');
});

const known = (site: TestSite, of: string): string[] =>
  site
    .claims()
    .filter((claim) => claim.site === of)
    .map(({ what, value, state }) => `${what} ${value} ${state}`)
    .sort();
const registryOf = (site: TestSite) => addressOf(siteScope(site.id), 'registry', site.id);
/** Makes a network as the edge does: with the word of all. */
async function make(site: TestSite, id: string, prefixes: string[], h = `h-${id}`): Promise<void> {
  const network = newNetwork(id, { partition: '', prefixes });
  assert.equal(await site.federation.propose(h, claimsOfNetwork(network)), undefined);
  granted(site.ask(registryOf(site), 'createNetwork', { network, h, partitions: [site.partition] }));
  await site.federation.settle(h, true);
}
const update = (site: TestSite, id: string, prefixes: string[], h: string) =>
  granted(
    site.ask(addressOf(siteScope(site.id), 'network', id), 'update', {
      prefixes,
      additionalAnnouncableCidrs: [],
      force: false,
      site: site.id,
      h,
    }),
  );

test('design.md §12: what a site gives up is given up everywhere, claim by claim; also while a member is away', async () => {
  const [a, b] = await pair();
  await make(a, 'n', ['17.1.0.0/24', '17.2.0.0/24']);
  const before = a.claims().filter(({ value }) => value === '17.2.0.0/24');
  update(a, 'n', ['17.1.0.0/24'], 'h-less');
  await a.federation.release(before);
  assert.deepEqual(known(b, 'a'), ['network n owned', 'prefix 17.1.0.0/24 owned']);
  await make(b, 'other', ['17.2.0.0/24']);

  await make(a, 'm', ['17.3.0.0/24', '17.4.0.0/24']);
  for (const site of [a, b]) site.cut();
  await until('the cut is seen', () => [a, b].every(({ federation }) => federation.status().every(({ up }) => !up)));
  const gone = a.claims().filter(({ value }) => value === '17.4.0.0/24');
  update(a, 'm', ['17.3.0.0/24'], 'h-less-2');
  await a.federation.release(gone);
  assert.ok(known(b, 'a').includes('prefix 17.4.0.0/24 owned'));
  for (const site of [a, b]) site.heal();
  await until('b heard it', () => !known(b, 'a').includes('prefix 17.4.0.0/24 owned'));
  assert.deepEqual(known(b, 'a'), [
    'network m owned',
    'network n owned',
    'prefix 17.1.0.0/24 owned',
    'prefix 17.3.0.0/24 owned',
  ]);
});

test('design.md §12: a prefix is replaced by another over the same addresses; of what is not made nothing stays', async () => {
  const [a, b] = await pair();
  await make(a, 'n', ['17.0.0.0/24']);
  const claims = prefixClaims('n', ['17.0.0.0/23'], ['17.0.0.0/24']);
  assert.equal(await a.federation.propose('h-no', claims), undefined);
  const network = newNetwork('x', { partition: '', prefixes: ['17.0.1.0/24'] });
  refused(
    b.ask(registryOf(b), 'createNetwork', { network, h: 'h-x', partitions: ['pb'] }),
    'Unprocessable',
    /^17\.0\.1\.0\/24 overlaps 17\.0\.0\.0\/23 of network n \(promised to site a\)$/,
  );
  await a.federation.settle('h-no', false);
  assert.deepEqual(known(b, 'a'), ['network n owned', 'prefix 17.0.0.0/24 owned']);
  assert.equal(await a.federation.propose('h-yes', claims), undefined);
  update(a, 'n', ['17.0.0.0/23'], 'h-yes');
  await a.federation.settle('h-yes', true);
  assert.deepEqual(known(b, 'a'), ['network n owned', 'prefix 17.0.0.0/23 owned']);
});

test('design.md §12: a member that lost what it had promised, or never heard of it, hears it again', async () => {
  const [a, b] = await pair();
  a.addNetwork('quiet', '17.5.0.0/24', { vrf: 4711 });
  await b.stop();
  await b.start();
  await linked([a, b]);
  const all = ['network quiet owned', 'prefix 17.5.0.0/24 owned', 'vrf 4711 owned'];
  await until('b knows', () => known(b, 'a').join() === all.join());
  refused(await b.federation.propose('h', [prefix('17.5.0.0/25', 'x')]), 'Unprocessable', 'of network quiet (site a)');
});

test('design.md §12: a restored site is believed only when it has compared itself', async () => {
  const [a, b] = await pair();
  // Made after the backup was taken: the others know more than the site itself.
  assert.equal(await a.federation.propose('h', [prefix('17.6.0.0/24', 'n')]), undefined);
  await a.federation.settle('h', true);
  let looks = 0;
  Object.defineProperty(a, 'isRestored', { get: () => ++looks > 0, configurable: true });
  await a.stop();
  await a.start();
  await linked([a, b]);
  await until('a looks a second time', () => looks > 1);
  assert.deepEqual(known(b, 'a'), ['prefix 17.6.0.0/24 owned']);
  Object.defineProperty(a, 'isRestored', { value: false });
  await until('b heard it', () => known(b, 'a').length === 0);
});

test('F04: a process that stood still while another one took over tells nobody what it remembers', async () => {
  const [a, b] = await pair();
  await make(a, 'early', ['17.7.0.0/24']);
  // Another process of a takes over, and makes a network with the word of b: this one has not heard of either.
  a.plant.store.takeOver([siteScope('a')], 2);
  const late = claimsOfNetwork(newNetwork('late', { partition: '', prefixes: ['17.8.0.0/24'] }));
  assert.equal(await a.federation.propose('h-late', late), undefined);
  await a.federation.settle('h-late', true);
  const all = ['network early owned', 'network late owned', 'prefix 17.7.0.0/24 owned', 'prefix 17.8.0.0/24 owned'];
  assert.deepEqual(known(b, 'a'), all);
  // It wakes up, and its links come back before it hears of its end.
  let looks = 0;
  Object.defineProperty(a, 'isRestored', { get: () => (looks++, false), configurable: true });
  await b.stop();
  await b.start();
  await linked([a, b]);
  await until('a was told what b keeps, and asked again', () => looks > 1 || known(b, 'a').length < all.length);
  assert.deepEqual(known(b, 'a'), all);
});

test('design.md §12: with a partition goes what was promised for it, whoever keeps it', async () => {
  const [a, b] = await pair();
  const claim: Claim = { what: 'partition', value: 'pa', holder: 'pa' };
  assert.equal(await a.federation.propose('h-pa', [claim]), undefined);
  await a.federation.settle('h-pa', undefined);
  await until('b knows that it is there', () => known(b, 'a').join() === 'partition pa owned');
  const partitions = addressOf(siteScope('a'), 'directory', 'partition');
  const uses = { machines: 0, switches: 0, networks: 0, ips: 0, reservations: 0 };
  granted(a.ask(partitions, 'delete', { kind: 'partition', id: 'pa', uses }));
  await until('b is free of it', () => known(b, 'a').length === 0);
});
