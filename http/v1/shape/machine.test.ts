import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emptyHardware, emptyIpmi } from '../../../actors/machine/hardware.ts';
import { emptyContainer, type ProvisioningEvent } from '../../../actors/machine/provisioning.ts';
import { isRefusal, type Refusal } from '../../../actors/refusal.ts';
import { TEST_NOW_MS } from '../../testing.ts';
import { allocatedNetwork, allocationRecord, machineRecord, machineView, plant } from '../machine.fixture.ts';
import { ipmiResponse, listedMachine, singleMachine, type MachineResponse } from './machine.ts';

const { site } = plant();
const { directory } = site;
const single = (view: Parameters<typeof singleMachine>[0]): MachineResponse => {
  const answer = singleMachine(view, directory);
  if (isRefusal(answer)) throw new Error(answer.message);
  return answer;
};
/** As it is on the wire. */
const wire = (value: unknown) => JSON.parse(JSON.stringify(value)) as Record<string, unknown>;
const NOW = '2026-11-23T12:00:00Z';

test('machines.md §2.2: a free machine, to the field', () => {
  const body = wire(
    single(machineView('m1', { provisioning: null, machine: machineRecord('m1', { partition: '', size: '' }) })),
  );
  assert.deepEqual(body, {
    id: 'm1',
    name: '',
    description: '',
    created: NOW,
    changed: NOW,
    partition: null,
    rackid: 'rack01',
    size: null,
    hardware: { memory: 0, cpu_cores: 0, disks: [], nics: [] },
    bios: { version: '', vendor: '', date: '' },
    allocation: null,
    state: { value: '', description: '', metal_hammer_version: '' },
    ledstate: { value: '', description: '' },
    liveliness: '',
    events: { log: [], last_event_time: null, crash_loop: false, failed_machine_reclaim: false },
    tags: [],
  });
});

test('machines.md §2.3: an allocation, to the field', () => {
  const allocation = allocationRecord('m1', {
    role: 'firewall',
    image: 'firewall-3.0.20260101',
    sshPubKeys: ['ssh-ed25519 A'],
    bootInfo: {
      imageId: 'i',
      primaryDisk: '/dev/sda',
      osPartition: '',
      initrd: 'r',
      cmdline: 'c',
      kernel: 'k',
      bootloaderId: 'b',
    },
    firewallRules: {
      egress: [{ protocol: 'TCP', ports: [443], to: ['0.0.0.0/0'], comment: '' }],
      ingress: [],
    },
    dnsServers: [{ ip: '1.1.1.1' }],
  });
  const body = wire(single(machineView('m1', { allocation })))['allocation'] as Record<string, unknown>;
  const { image, ...rest } = body;
  assert.equal((image as { id: string }).id, 'firewall-3.0.20260101');
  assert.deepEqual(rest, {
    allocationuuid: 'allocation-1',
    creator: 'metal-edit@metal-stack.io',
    created: NOW,
    name: 'web',
    hostname: 'web-1',
    project: 'project',
    filesystemlayout: null,
    networks: [
      {
        networkid: 'net',
        prefixes: ['10.0.0.0/22'],
        ips: ['10.0.0.1'],
        destinationprefixes: [],
        networktype: 'privateprimaryunshared',
        vrf: 42,
        asn: 4_210_000_001,
        nat: false,
        private: true,
        underlay: false,
        projectid: 'project',
        networktypev2: 'child',
        nattypev2: 'none',
      },
    ],
    ssh_pub_keys: ['ssh-ed25519 A'],
    succeeded: false,
    reinstall: false,
    boot_info: {
      image_id: 'i',
      primary_disk: '/dev/sda',
      os_partition: '',
      initrd: 'r',
      cmdline: 'c',
      kernel: 'k',
      bootloaderid: 'b',
    },
    role: 'firewall',
    vpn: null,
    firewall_rules: { egress: [{ protocol: 'tcp', ports: [443], to: ['0.0.0.0/0'] }] },
    dns_servers: [{ ip: '1.1.1.1' }],
  });
});

test('machines.md §2.3: networks with flags that no allocation makes are left out, none at all is null', () => {
  const odd = allocatedNetwork('odd', { private: false, privatePrimary: true });
  const shown = (networks: ReturnType<typeof allocatedNetwork>[]) =>
    single(machineView('m1', { allocation: allocationRecord('m1', { networks }) })).allocation!.networks;
  assert.equal(shown([odd]), null);
  assert.deepEqual(
    shown([odd, allocatedNetwork('net', { privatePrimary: false, shared: true })])!.map(
      ({ networktype }) => networktype,
    ),
    ['privatesecondaryshared'],
  );
});

test('machines.md §2.2: TAINTED is shown as RESERVED, tags are those of the allocation while there is one', () => {
  const machine = machineRecord('m1', {
    tags: ['registered'],
    state: { value: 'TAINTED', description: 'd', issuer: 'a@b', metalHammerVersion: 'v1' },
  });
  const free = single(machineView('m1', { machine }));
  assert.deepEqual(free.state, { value: 'RESERVED', description: 'd', issuer: 'a@b', metal_hammer_version: 'v1' });
  assert.deepEqual(free.tags, ['registered']);
  assert.deepEqual(single(machineView('m1', { machine, allocation: allocationRecord('m1') })).tags, ['env=prod']);
});

test('machines.md §2.2: at most 20 events, newest first', () => {
  const events = Array.from({ length: 30 }, (_, i): ProvisioningEvent => ({
    time: TEST_NOW_MS - i * 1_500,
    event: 'Waiting',
    message: String(i),
  }));
  const provisioning = {
    ...emptyContainer(),
    events,
    lastEventTime: TEST_NOW_MS,
    lastErrorEvent: events[3]!,
    crashLoop: true,
  };
  const shown = single(machineView('m1', { provisioning })).events;
  assert.equal(shown.log.length, 20);
  assert.deepEqual(shown.log[1], { time: '2026-11-23T11:59:58.5Z', event: 'Waiting', message: '1' });
  assert.equal(shown.last_event_time, NOW);
  assert.equal(shown.last_error_event?.message, '3');
  assert.equal(shown.crash_loop, true);
});

test('machines.md §2.2: neighbors have the same four keys and none of their own; cpus and gpus only if there are some', () => {
  const nic = { mac: 'aa', name: 'lan0', identifier: 'i', vrf: 'v', hostname: 'h', state: '', bgpPortState: '' };
  const hardware = {
    ...emptyHardware(),
    cpus: [{ vendor: 'v', model: 'm', cores: 8, threads: 16 }],
    nics: [{ ...nic, neighbors: [{ ...nic, mac: 'bb', neighbors: [{ ...nic, neighbors: [] }] }] }],
  };
  const body = wire(single(machineView('m1', { machine: machineRecord('m1', { hardware }) })))['hardware'];
  assert.deepEqual(body, {
    memory: 0,
    cpu_cores: 0,
    cpus: [{ vendor: 'v', model: 'm', cores: 8, threads: 16 }],
    disks: [],
    nics: [
      {
        mac: 'aa',
        name: 'lan0',
        identifier: 'i',
        neighbors: [{ mac: 'bb', name: 'lan0', identifier: 'i', neighbors: [] }],
      },
    ],
  });
});

test('machines.md §2.2: what is gone makes a single answer NotFound, and an object with empty fields in a list', () => {
  const refused = (view: Parameters<typeof singleMachine>[0]): string => {
    const answer = singleMachine(view, directory);
    return isRefusal(answer) ? `${(answer satisfies Refusal).kind} ${answer.message}` : 'answered';
  };
  assert.match(refused(machineView('m1', { machine: machineRecord('m1', { size: 'gone' }) })), /^NotFound .*size/);
  assert.match(
    refused(machineView('m1', { machine: machineRecord('m1', { partition: 'gone' }) })),
    /^NotFound .*partition/,
  );
  const gone = machineView('m1', { allocation: allocationRecord('m1', { image: 'gone' }) });
  assert.match(refused(gone), /^NotFound .*image/);
  const listed = wire(
    listedMachine({ ...gone, machine: machineRecord('m1', { size: 'gone', partition: 'gone' }) }, directory),
  );
  assert.deepEqual(listed['size'], {
    id: '',
    name: '',
    description: '',
    constraints: [],
    labels: {},
    created: '0001-01-01T00:00:00Z',
    changed: '0001-01-01T00:00:00Z',
  });
  assert.equal((listed['partition'] as { id: string }).id, '');
  assert.equal((listed['allocation'] as { image: { id: string; classification: string } }).image.classification, '');
});

test('machines.md §2.2: the size unknown has a name alone, and empty fields in a list', () => {
  const view = machineView('m1', { machine: machineRecord('m1', { size: 'unknown' }) });
  assert.equal(single(view).size?.id, 'unknown');
  assert.equal(single(view).size?.name, 'unknown');
  assert.equal(listedMachine(view, directory).size?.id, '');
});

test('machines.md §2.2: all eight FRU keys are there, never updated is Go’s zero time', () => {
  const body = ipmiResponse({ ...emptyIpmi(), address: '10.0.0.1:623', user: 'u', password: 'p' });
  assert.deepEqual(body, {
    address: '10.0.0.1:623',
    mac: '',
    user: 'u',
    password: 'p',
    interface: '',
    bmcversion: '',
    powerstate: '',
    powermetric: null,
    powersupplies: null,
    last_updated: '0001-01-01T00:00:00Z',
    fru: {
      chassis_part_number: '',
      chassis_part_serial: '',
      board_mfg: '',
      board_mfg_serial: '',
      board_part_number: '',
      product_manufacturer: '',
      product_part_number: '',
      product_serial: '',
    },
  });
});
