// Lists, and what nobody should do: texts that no column holds, messages that their actor throws at, wrong signatures, a
// site that speaks for another.
import { UNSTORABLE } from '../../site/poison.ts';
import { PROJECT } from '../seed.ts';
import type { OperationKind } from '../schedule.ts';
import { START_MS } from '../universe.ts';
import { networkOf } from './addresses.ts';
import { claimsPoison, isStale, messageOf } from './answers.ts';
import type { Ground, Operation } from './client.ts';

const LISTS = ['/v1/ip', '/v1/machine', '/v1/network', '/v1/size'];

export function misuses(
  ground: Ground,
): Pick<Record<OperationKind, Operation>, 'list' | 'poison' | 'mistake' | 'rogue' | 'forge'> {
  const { universe, sites, requests } = ground;
  return {
    async list(client, entry) {
      const path = LISTS[Math.floor(entry.pick * LISTS.length)]!;
      const told = await requests.send(client.site, { method: 'GET', path });
      if ('text' in told && isStale(told)) universe.met('stale part of a list');
    },

    async poison(client, entry) {
      const body = { networkid: networkOf(ground, client, entry.where), projectid: PROJECT, name: UNSTORABLE };
      const isReleased = ground.watchReleases();
      const told = await requests.send(client.site, { method: 'POST', path: '/v1/ip/allocate', body });
      // Released in the same group it reaches no column.
      if (
        'text' in told &&
        told.status < 400 &&
        !isReleased((JSON.parse(told.text) as { ipaddress: string }).ipaddress)
      )
        universe.violate('I15', `what no column can hold was answered with ${told.status}`);
      if (claimsPoison(told)) universe.met('group refused by a rule');
    },

    async mistake(client, entry) {
      const network = networkOf(ground, client, entry.where);
      const body = { networkid: network, projectid: PROJECT, name: 'poison: throw' };
      const told = await requests.send(client.site, { method: 'POST', path: '/v1/ip/allocate', body });
      if (!('text' in told)) return;
      if (told.status < 400) universe.violate('I15', `what every actor throws at was answered with ${told.status}`);
      const setAside = sites.flatMap((_, site) =>
        ground.processesOf(site).flatMap(({ active }) => active?.host.quarantine() ?? []),
      );
      if (told.status !== 500 || !messageOf(told.text).includes('failed at')) return;
      // Who set it aside may be gone since.
      if (setAside.some(({ id }) => told.text.includes(id))) universe.met('message quarantined');
    },

    async rogue(client, entry) {
      const active = ground.processesOf(client.site).find((process) => process.isServing)?.active;
      const victim = sites[Math.floor(entry.where * sites.length)]!;
      const heard = sites[Math.floor(entry.pick * sites.length)]!;
      if (active === undefined || victim === sites[client.site] || heard === sites[client.site]) return;
      const id = `size-${victim}-0`;
      const entity = { id, name: 'rogue', description: 'rogue', created: 0, changed: 0, constraints: [], labels: {} };
      const created = { wallMs: START_MS, counter: 0, site: victim };
      const forged = { kind: 'size', id, home: victim, revision: 100, created, entity };
      void active.federation.ask(heard, 'directory.apply', { entries: [forged] }, 1_000).catch(() => {});
    },

    async forge(client, entry) {
      const body = { networkid: networkOf(ground, client, entry.where), projectid: PROJECT, name: 'forged' };
      const told = await requests.send(client.site, { method: 'POST', path: '/v1/ip/allocate', body, isForged: true });
      if (typeof told.status === 'number' && told.status < 400)
        universe.violate('I19', `a request with a wrong signature was answered with ${told.status}`);
    },
  };
}
