// A plant of one partition for tests of the machine, firewall and switch routes.
import { addressOf } from '../../actors/address.ts';
import { available, emptyBios, emptyHardware, emptyIpmi, emptyLed } from '../../actors/machine/hardware.ts';
import type { MachineView } from '../../actors/machine/messages.ts';
import { emptyContainer } from '../../actors/machine/provisioning.ts';
import type { AllocatedNetwork, AllocationRecord, MachineRecord } from '../../actors/machine/record.ts';
import type { NetworkRecord } from '../../actors/network/record.ts';
import { createApp } from '../app.ts';
import { asUser, createTestSite, entryOf, rowOf, TEST_NOW_MS, type Script, type TestSite } from '../testing.ts';

export const SCOPE = 'partition:p' as const;
const entity = (id: string) => ({ id, name: `the ${id}`, description: '', created: TEST_NOW_MS, changed: TEST_NOW_MS });

export const machineRecord = (id: string, changes: Partial<MachineRecord> = {}): MachineRecord => ({
  id,
  name: '',
  description: '',
  created: TEST_NOW_MS,
  changed: TEST_NOW_MS,
  partition: 'p',
  rack: 'rack01',
  size: 'small',
  waiting: false,
  hardware: emptyHardware(),
  bios: emptyBios(),
  ipmi: emptyIpmi(),
  state: available(),
  led: emptyLed(),
  tags: [],
  ...changes,
});

export const allocatedNetwork = (network: string, changes: Partial<AllocatedNetwork> = {}): AllocatedNetwork => ({
  network,
  holder: 'network',
  prefixes: ['10.0.0.0/22'],
  ips: ['10.0.0.1'],
  destinationPrefixes: [],
  vrf: 42,
  asn: 4_210_000_001,
  nat: false,
  private: true,
  privatePrimary: true,
  shared: false,
  underlay: false,
  project: 'project',
  networkTypeV2: 'child',
  natTypeV2: 'none',
  ...changes,
});

export const allocationRecord = (machine: string, changes: Partial<AllocationRecord> = {}): AllocationRecord => ({
  uuid: 'allocation-1',
  machine,
  creator: 'metal-edit@metal-stack.io',
  created: TEST_NOW_MS,
  name: 'web',
  description: '',
  hostname: 'web-1',
  project: 'project',
  image: 'ubuntu-24.4.20260101',
  filesystemLayout: null,
  networks: [allocatedNetwork('net')],
  asn: 4_210_000_001,
  sshPubKeys: [],
  userData: '',
  tags: ['env=prod'],
  role: 'machine',
  firewallRules: null,
  dnsServers: [],
  ntpServers: [],
  consolePassword: 'secret',
  bootInfo: null,
  reinstall: false,
  succeeded: true,
  ...changes,
});

export const networkRecord = (id: string, changes: Partial<NetworkRecord> = {}): NetworkRecord => ({
  ...entity(id),
  partition: 'p',
  project: 'project',
  labels: {},
  shared: false,
  prefixes: ['10.0.0.0/22'],
  destinationPrefixes: [],
  defaultChildPrefixLength: null,
  nat: false,
  privateSuper: false,
  underlay: false,
  vrf: 42,
  vrfShared: false,
  parent: 'super',
  additionalAnnouncableCidrs: [],
  type: 'child',
  natType: 'none',
  ...changes,
});

export const machineView = (id: string, changes: Partial<MachineView> = {}): MachineView => ({
  machine: machineRecord(id),
  allocation: null,
  provisioning: emptyContainer(),
  ...changes,
});

/** Puts a machine into the rows and places of the site. */
export const putMachine = (site: TestSite, { machine, allocation, provisioning }: MachineView): void => {
  const { id } = machine;
  site.machinePlaces.set(id, machine.partition);
  site.stored.push(rowOf('machine', SCOPE, id, id, machine));
  if (allocation) site.stored.push(rowOf('allocation', SCOPE, id, id, allocation));
  if (provisioning) site.stored.push(rowOf('provisioning', SCOPE, id, id, provisioning));
};

/** Site `a` with partition `p`, size, image, layout and project; answers of actors by `script`. */
export const plant = (script: Script = {}) => {
  const site = createTestSite(script);
  site.entries.push(
    entryOf('partition', {
      ...entity('p'),
      bootConfig: { imageUrl: 'http://files/initrd', kernelUrl: 'http://files/kernel', commandLine: '' },
      mgmtServiceAddress: 'mgmt:3333',
      labels: {},
      dnsServers: [{ ip: '1.1.1.1' }],
      ntpServers: [],
    }),
    entryOf('size', { ...entity('small'), constraints: [], labels: {} }),
    entryOf('image', {
      ...entity('ubuntu-24.4.20260101'),
      url: 'http://files/ubuntu',
      features: ['machine'],
      os: 'ubuntu',
      version: '24.4.20260101',
      expirationDate: TEST_NOW_MS,
      classification: 'supported',
    }),
    entryOf('image', {
      ...entity('firewall-3.0.20260101'),
      url: 'http://files/firewall',
      features: ['firewall'],
      os: 'firewall',
      version: '3.0.20260101',
      expirationDate: TEST_NOW_MS,
      classification: 'supported',
    }),
    entryOf('filesystemlayout', {
      ...entity('default'),
      filesystems: [],
      disks: [],
      raid: [],
      volumeGroups: [],
      logicalVolumes: [],
      constraints: { sizes: ['small'], images: { ubuntu: '*', firewall: '*' } },
    }),
    entryOf('project', {
      ...entity('project'),
      meta: { version: 0, createdTime: 0, updatedTime: null, annotations: {}, labels: [] },
      tenant: 'tenant',
      quotas: { cluster: null, machine: null, ip: null, project: null },
    }),
  );
  const app = createApp(site);
  const call = async (user: 'view' | 'edit' | 'admin', method: string, path: string, body?: unknown) => {
    const name = ({ view: 'Metal-View', edit: 'Metal-Edit', admin: 'Metal-Admin' } as const)[user];
    const response = await app.request(path, asUser(name, method, body));
    const json = (await response.json()) as unknown;
    const text =
      typeof json === 'string' && json.startsWith('{') ? (JSON.parse(json) as { message: string }) : undefined;
    return { status: response.status, body: json, message: text?.message ?? '' };
  };
  return { site, call, to: (kind: 'machine' | 'allocator' | 'switch', id: string) => addressOf(SCOPE, kind, id) };
};
