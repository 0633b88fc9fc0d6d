import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { partitionScope } from '../../actors/address.ts';
import { unlimited } from '../../actors/directory/tenant.ts';
import { checkIpQuota } from '../../actors/network/ip-rules.ts';
import type { IpRequest } from '../../actors/network/messages.ts';
import type { IpRecord } from '../../actors/network/record.ts';
import { unreachable, type Refusal } from '../../actors/refusal.ts';
import { createApp } from '../app.ts';
import { clientOf, createTestSite, entryOf, rowOf, type Asked } from '../testing.ts';
import { ipsInUse, withIpQuota } from './ip-quota.ts';

const P = partitionScope('p');
const record = (address: string, project: string): IpRecord => ({
  address,
  uuid: address,
  network: 'n',
  project,
  name: '',
  description: '',
  type: 'ephemeral',
  tags: [],
  machines: [],
  prefix: '10.0.0.0/16',
  created: 0,
  changed: 0,
});
const turns = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i++) await Promise.resolve();
};

/** A site whose network gives addresses, each after some turns of the event loop, and stores them. */
function start(max: number | null, delay: () => number = () => 0) {
  const site = createTestSite();
  let next = 1;
  site.script['network.allocateIp'] = async ({ body }: Asked): Promise<IpRecord | Refusal> => {
    const { project, quota } = body as IpRequest;
    await turns(delay());
    const refused = checkIpQuota(quota, 1);
    if (refused !== undefined) return refused;
    const ip = record(`10.0.0.${next++}`, project);
    site.stored.push(rowOf('ip', P, 'n', `n|${ip.address}`, ip));
    await turns(delay());
    return ip;
  };
  const { rows } = site.rows;
  site.rows.rows = async (table, filter) => {
    const found = await rows(table, filter);
    await turns(delay());
    return found;
  };
  const meta = { version: 0, annotations: {}, labels: [], createdTime: 0, updatedTime: null };
  const base = { name: '', description: '', created: 0, changed: 0 };
  const project = { ...base, id: 'x', meta, tenant: 't', quotas: { ...unlimited(), ip: max } };
  site.entries.push(entryOf('project', project), entryOf('project', { ...project, id: 'free', quotas: unlimited() }));
  site.networkPlaces.set('n', { partition: 'p', home: 'a' });
  const call = clientOf(createApp(site));
  const allocate = (projectid = 'x') => call('Metal-Edit', 'POST', '/v1/ip/allocate', { projectid, networkid: 'n' });
  return { site, allocate, project };
}

test('networks.md N17: the quota of a project’s addresses is kept, and the refusal says the counts', async () => {
  const { site, allocate } = start(1);
  assert.equal((await allocate()).status, 201);
  assert.deepEqual(await allocate(), {
    status: 422,
    body: { statuscode: 422, message: 'project quota for ips reached max:1: 1 in use, 1 more wanted' },
  });
  assert.equal((await allocate('free')).status, 201);
  site.stored.length = 0;
  assert.equal((await allocate()).status, 201, 'one that was freed makes room');
});

test('N17: of many at once exactly as many as fit, whatever is counted when', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 6 }),
      fc.integer({ min: 1, max: 12 }),
      fc.array(fc.nat(12), { minLength: 1, maxLength: 40 }),
      async (max, asked, delays) => {
        let i = 0;
        const { allocate, site } = start(max, () => delays[i++ % delays.length]!);
        const answers = await Promise.all(Array.from({ length: asked }, () => allocate()));
        const given = answers.filter(({ status }) => status === 201).length;
        assert.equal(given, Math.min(max, asked));
        assert.equal(site.stored.length, given);
        assert.ok(answers.every(({ status }) => status === 201 || status === 422));
      },
    ),
    { numRuns: 60 },
  );
});

test('N17: what takes several waits until it can be told whether they fit', async () => {
  const { site, project } = start(4);
  const take = (wanted: number, taken: number) =>
    withIpQuota(site, project, wanted, async (quota) => {
      await turns(5);
      if (checkIpQuota(quota, taken) !== undefined) return 0;
      for (let i = 0; i < taken; i++) {
        site.stored.push(rowOf('ip', P, 'n', `n|${site.stored.length}`, record(`10.0.1.${site.stored.length}`, 'x')));
      }
      return taken;
    });
  // A machine may take four at most, and takes two.
  assert.deepEqual(await Promise.all([take(4, 2), take(4, 2), take(4, 2), take(1, 1)]), [2, 2, 0, 0]);
});

test('design.md §12: other sites count by what they say, and by what they said last while they can’t be reached', async () => {
  const { site, allocate } = start(6);
  const away = () => unreachable('site b is away');
  const says = (ips: number) => () => ({ machines: 0, networks: 0, ips });
  site.stored.push(rowOf('ip', P, 'n', 'n|10.0.0.9', record('10.0.0.9', 'x')));
  site.members.set('b', away);
  assert.equal(await ipsInUse(site, 'x'), 1, 'it has said nothing yet: nobody stops for that');
  site.members.set('b', says(5));
  await ipsInUse(site, 'x');
  assert.equal(await ipsInUse(site, 'x'), 6);
  site.members.set('b', away);
  for (let i = 0; i < 3; i++) assert.equal(await ipsInUse(site, 'x'), 6, 'as it said last');
  assert.equal(await ipsInUse(site, 'y'), 0, 'each project by itself');
  assert.equal((await allocate()).status, 422, 'a cut gives nobody more');
  site.members.set('b', says(2));
  await ipsInUse(site, 'x');
  assert.equal(await ipsInUse(site, 'x'), 3);
  assert.equal((await allocate()).status, 201);
});

test('N17: nobody waits for a site that does not answer, nor is it asked by everybody', async () => {
  const { site, allocate } = start(9);
  const asked: number[] = [];
  const answers: Array<(answer: unknown) => void> = [];
  site.members.set('b', () => undefined);
  site.federation.askOther = (_member, _kind, _body, withinMs) => {
    asked.push(withinMs);
    return new Promise((answer) => answers.push(answer));
  };
  const usage = { machines: 0, networks: 0, ips: 2 };
  const first = ipsInUse(site, 'x');
  answers.pop()!(usage);
  assert.equal(await first, 2);
  const second = ipsInUse(site, 'x');
  answers.pop()!(unreachable('site b did not answer'));
  assert.equal(await second, 2);
  assert.ok(asked[1]! < asked[0]!, 'of whom a count is known an answer is waited for only shortly');
  for (let i = 0; i < 3; i++) assert.equal((await allocate()).status, 201);
  assert.equal(asked.length, 3, 'one question is on its way');
  answers.pop()!({ ...usage, ips: 4 });
  await turns(5);
  const later = ipsInUse(site, 'x');
  answers.pop()!({ ...usage, ips: 5 });
  assert.equal(await later, 8, 'three here, and what it says now that it answers again');
});

test('N17: addresses are counted, not read', async () => {
  const { site, allocate } = start(3);
  site.rows.rows = () => Promise.reject(new Error('all rows of the project'));
  site.rows.count = async (_table, { project }) => (project === 'x' ? 2 : 0);
  site.script['network.allocateIp'] = ({ body }: Asked) => {
    assert.deepEqual((body as IpRequest).quota, { max: 3, used: 2 });
    return record('10.0.0.1', 'x');
  };
  assert.equal((await allocate()).status, 201);
});
