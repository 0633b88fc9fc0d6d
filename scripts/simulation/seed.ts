// What the databases of a simulated federation hold before anything runs: partitions with machines and switches, the
// catalogue, who the members are. Written as one group with its log entry, as everything else is.
import { partitionScope, siteScope, type Scope } from '../../actors/address.ts';
import { aliveContainer, layout, machineRecord, switchRecord } from '../../actors/allocation/testing/plant.ts';
import type { DirectoryEntities, DirectoryKind } from '../../actors/directory/record.ts';
import { unlimited } from '../../actors/directory/tenant.ts';
import type { Records, TableName } from '../../actors/records.ts';
import type { Change } from '../../actors/records.ts';
import type { StoreModel } from '../../actors/runtime/store-model.ts';
import { START_MS } from './universe.ts';

export const PROJECT = 'project-1';
export const SIZE = 's1';
export const IMAGE = 'ubuntu-24.4.20260101';

export interface SeededSite {
  id: string;
  partition: string;
  linkAddresses: string[];
  machines: number;
}

export const partitionOf = (site: string): string => `p${site}`;
export const machineId = (site: string, slot: number): string =>
  `00000000-0000-4000-8000-${site.charCodeAt(0).toString(16).padStart(4, '0')}${slot.toString(16).padStart(8, '0')}`;

const RACK_SLOTS = 8;

/** `catalogue`: the site where tenants, projects, sizes and images are at home. */
export function seedSite(model: StoreModel, site: SeededSite, all: readonly SeededSite[], catalogue: string): void {
  const own = siteScope(site.id);
  const there = partitionScope(site.partition);
  const changes: Change[] = [];
  let version = 0;
  const put = <T extends TableName>(scope: Scope, table: T, key: string, owner: string, value: Records[T]): void => {
    changes.push({ table, scope, key, owner, prev: 0, version: ++version, value } as Change);
  };
  const entry = <K extends DirectoryKind>(kind: K, home: string, entity: DirectoryEntities[K]): void => {
    const created = { wallMs: START_MS, counter: 0, site: home };
    put(own, 'directory', `${kind}|${entity.id}`, kind, {
      kind,
      id: entity.id,
      home,
      revision: 1,
      created,
      entity,
    } as never);
  };
  const named = (id: string) => ({ id, name: id, description: '', created: START_MS, changed: START_MS });

  for (const member of all) {
    entry('member', member.id, { ...named(member.id), linkAddresses: member.linkAddresses, httpUrls: [] });
  }
  entry('partition', site.id, {
    ...named(site.partition),
    bootConfig: { imageUrl: 'http://i', kernelUrl: 'http://k', commandLine: '' },
    mgmtServiceAddress: '',
    labels: {},
    dnsServers: [],
    ntpServers: [],
  });
  if (site.id === catalogue) {
    const meta = { kind: '', apiversion: '', version: 0, annotations: {}, labels: [] };
    entry('tenant', site.id, {
      ...named('metal-stack'),
      meta,
      defaultQuotas: unlimited(),
      quotas: unlimited(),
      iamConfig: null,
    } as never);
    entry('project', site.id, { ...named(PROJECT), meta, tenant: 'metal-stack', quotas: unlimited() } as never);
    entry('size', site.id, { ...named(SIZE), constraints: [], labels: {} });
    entry('image', site.id, {
      ...named(IMAGE),
      url: 'http://i',
      features: ['machine', 'firewall'],
      os: 'ubuntu',
      version: '24.4.20260101',
      expirationDate: START_MS + 10 ** 11,
      classification: 'supported',
    });
    entry('filesystemlayout', site.id, { ...layout, ...named('default'), created: START_MS, changed: START_MS });
  }

  for (let slot = 0; slot < site.machines; slot++) {
    const rack = `${site.partition}-r${Math.floor(slot / RACK_SLOTS)}`;
    const place = slot % RACK_SLOTS;
    const id = machineId(site.id, slot);
    put(there, 'machine', id, id, machineRecord(id, rack, place, { partition: site.partition }));
    put(there, 'provisioning', id, id, { ...aliveContainer(), lastEventTime: START_MS });
    for (const leaf of ['leaf01', 'leaf02']) {
      const name = `${rack}-${leaf}`;
      if (place === 0) {
        put(there, 'switch', name, name, { ...switchRecord(name, rack, RACK_SLOTS), partition: site.partition });
      }
      put(there, 'switch_port', `${name}|Eth${place}`, name, {
        switch: name,
        nic: `Eth${place}`,
        vrf: '',
        machine: id,
      });
    }
  }

  const fences = model.takeOver([own, there], 1);
  const entries = fences.map((fence) => ({
    ...fence,
    n: 1,
    operation: `seed of ${fence.scope}`,
    what: 'seed',
    who: 'seed',
    atMs: START_MS,
    changes: changes.filter(({ scope }) => scope === fence.scope),
    messages: [],
  }));
  const outcome = model.commit({ id: `seed ${site.id}`, fences, changes, entries, outcomes: [] });
  if (outcome.outcome !== 'committed') throw new Error(`the seed of site ${site.id}: ${JSON.stringify(outcome)}`);
}
