// A partition in one process: the production shards and behaviours over a store in memory, in virtual time.
import { addressOf, shardOf, type Kind, type Scope } from '../../address.ts';
import { blockBehaviour } from '../../block/behaviour.ts';
import { emptyHardware, type BlockDevice, type Nic } from '../../machine/hardware.ts';
import type { MachineView } from '../../machine/messages.ts';
import { machineBehaviour } from '../../machine/behaviour.ts';
import { stubMachine } from '../../machine/state.ts';
import type { MachineRecord, ProvisioningRecord } from '../../machine/record.ts';
import { networkBehaviour } from '../../network/behaviour.ts';
import type { IpRecord, NetworkRecord } from '../../network/record.ts';
import type { Ask, CommandName, Reply } from '../../protocol.ts';
import type { Records, TableName } from '../../records.ts';
import { isRefusal, type Refusal } from '../../refusal.ts';
import { anyBehaviour } from '../../runtime/behaviour.ts';
import { MAIN, type Envelope } from '../../runtime/envelope.ts';
import { createMemoryStore } from '../../runtime/memory-store.ts';
import { createShard, type Shard } from '../../runtime/shard.ts';
import { createVirtualWorld } from '../../runtime/virtual-world.ts';
import { switchBehaviour } from '../../switch/behaviour.ts';
import type { SwitchRecord } from '../../switch/record.ts';
import { allocatorBehaviour } from '../allocator.ts';
import type { AllocateMachine } from '../messages.ts';

export const PARTITION = 'p';
export const scope: Scope = `partition:${PARTITION}`;

export const layout: AllocateMachine['layouts'][number]['layout'] = {
  id: 'default',
  name: '',
  description: '',
  created: 0,
  changed: 0,
  filesystems: [],
  disks: [{ device: '/dev/sda', partitions: [], wipeOnReinstall: true }],
  raid: [],
  volumeGroups: [],
  logicalVolumes: [],
  constraints: { sizes: ['s1'], images: { ubuntu: '*' } },
};

const SDA: BlockDevice = { name: '/dev/sda', size: 10 ** 12 };

export const nic = (part: Partial<Nic>): Nic => ({
  mac: '',
  name: '',
  identifier: '',
  vrf: '',
  hostname: '',
  state: '',
  bgpPortState: '',
  neighbors: [],
  ...part,
});

/** The two uplinks of the machine in a slot of a rack. */
export const uplinks = (rack: string, slot: number): Nic[] =>
  ['leaf01', 'leaf02'].map((leaf, i) =>
    nic({
      mac: `00:00:00:00:0${i}:${slot}`,
      name: `eth${i}`,
      neighbors: [nic({ hostname: `${rack}-${leaf}`, identifier: `Eth${slot}`, name: `Ethernet${slot}` })],
    }),
  );

export const machineRecord = (
  id: string,
  rack: string,
  slot: number,
  part: Partial<MachineRecord> = {},
): MachineRecord => ({
  ...stubMachine(id, PARTITION, 0),
  rack,
  size: 's1',
  waiting: true,
  hardware: { ...emptyHardware(), disks: [SDA], nics: uplinks(rack, slot) },
  ...part,
});

export const aliveContainer = (): ProvisioningRecord => ({
  events: [{ time: 1, event: 'Waiting', message: '' }],
  lastEventTime: 1,
  lastErrorEvent: null,
  crashLoop: false,
  failedMachineReclaim: false,
  liveliness: 'Alive',
});

export const switchRecord = (id: string, rack: string, ports = 8): SwitchRecord => ({
  id,
  name: id,
  description: '',
  created: 0,
  changed: 0,
  partition: PARTITION,
  rack,
  mode: 'operational',
  os: { vendor: 'SONiC', version: '1', metalCoreVersion: '1' },
  managementIp: '',
  managementUser: '',
  consoleCommand: '',
  nics: Array.from({ length: ports }, (_, i) => ({ mac: '', name: `Ethernet${i}`, identifier: `Eth${i}` })),
});

export const networkRecord = (part: Partial<NetworkRecord> & { id: string; prefixes: string[] }): NetworkRecord => ({
  name: part.id,
  description: '',
  created: 0,
  changed: 0,
  partition: PARTITION,
  project: '',
  labels: {},
  shared: false,
  destinationPrefixes: [],
  defaultChildPrefixLength: null,
  nat: false,
  privateSuper: false,
  underlay: false,
  vrf: 0,
  vrfShared: false,
  parent: null,
  additionalAnnouncableCidrs: [],
  type: 'external',
  natType: 'none',
  ...part,
});

const child = (id: string, project: string, prefix: string, vrf: number, shared = false): NetworkRecord =>
  networkRecord({
    id,
    project,
    prefixes: [prefix],
    vrf,
    shared,
    parent: 'super',
    type: shared ? 'child-shared' : 'child',
  });

const NETWORKS: NetworkRecord[] = [
  networkRecord({
    id: 'super',
    prefixes: ['10.0.0.0/16'],
    privateSuper: true,
    type: 'super',
    defaultChildPrefixLength: { IPv4: 22 },
  }),
  child('n1', 'p1', '10.0.0.0/22', 1),
  child('n1b', 'p1', '10.0.4.0/22', 2),
  child('n2', 'p2', '10.0.8.0/22', 3),
  child('dmz', 'p1', '10.0.12.0/22', 4, true),
  { ...child('elsewhere', 'p1', '10.9.0.0/22', 5), partition: 'q' },
  child('tiny', 'p1', '10.0.16.0/30', 6),
  networkRecord({ id: 'ext', prefixes: ['203.0.113.0/24'], vrf: 104_009 }),
  networkRecord({ id: 'underlay', prefixes: ['10.240.0.0/24'], underlay: true, type: 'underlay' }),
];

export interface Plant extends ReturnType<typeof createPlant> {}

/** `racks`: machines per rack. Machines are m<rack>-<slot>, registered and waiting, their ports connected. */
export const createPlant = (options: { racks?: number[]; shards?: number; seed?: number } = {}) => {
  const { racks = [4], shards: shardCount = 2, seed = 1 } = options;
  const world = createVirtualWorld(seed);
  const store = createMemoryStore(world);
  const answers = new Map<number, unknown>();
  const shards: Array<Shard | undefined> = [];
  let nextId = 1;

  const put = <T extends TableName>(table: T, key: string, owner: string, value: Records[T]): void => {
    store.rows.set(`${table}:${scope}:${key}`, { table, scope, key, owner, prev: 0, version: 1, value } as never);
  };
  const machines: string[] = [];
  racks.forEach((count, r) => {
    const rack = `r${r}`;
    for (const leaf of ['leaf01', 'leaf02']) {
      const id = `${rack}-${leaf}`;
      put('switch', id, id, switchRecord(id, rack, Math.max(8, count)));
      for (let slot = 0; slot < count; slot++) {
        const port = { switch: id, nic: `Eth${slot}`, vrf: '', machine: `m${r}-${slot}` };
        put('switch_port', `${id}|${port.nic}`, id, port);
      }
    }
    for (let slot = 0; slot < count; slot++) {
      const id = `m${r}-${slot}`;
      machines.push(id);
      put('machine', id, id, machineRecord(id, rack, slot));
      put('provisioning', id, id, aliveContainer());
    }
  });
  for (const network of NETWORKS) {
    put('network', network.id, network.id, network);
    for (const cidr of network.prefixes) {
      const root = network.parent === null ? cidr : '10.0.0.0/16';
      put('prefix', cidr, network.parent ?? network.id, { cidr, network: network.id, root });
    }
  }

  const internet = networkRecord({ id: 'internet', partition: '', prefixes: ['198.51.0.0/16'], vrf: 104_010 });
  put('global_network', internet.id, internet.id, { network: internet, home: 'site' });
  const block = { network: internet.id, first: '198.51.100.0', length: 24, prefix: '198.51.0.0/16', h: 'h1' };
  put('holding', `${internet.id}|${block.first}`, internet.id, { ...block, state: 'held' });

  const fences = store.takeOver([scope], shardCount);
  const receive = (to: number, envelope: Envelope): void => {
    if (to !== MAIN) return shards[to]?.deliver(structuredClone(envelope));
    if (envelope.m === 'reply') answers.set(envelope.id, envelope.value);
  };
  for (let index = 0; index < shardCount; index++) {
    const shard = createShard({
      shard: index,
      shards: shardCount,
      fences: fences.filter((fence) => fence.shard === index),
      behaviours: [
        anyBehaviour(machineBehaviour),
        anyBehaviour(switchBehaviour),
        anyBehaviour(networkBehaviour),
        anyBehaviour(allocatorBehaviour),
        anyBehaviour(blockBehaviour),
      ],
      world,
      store,
      log: () => {},
      onFenced: () => {},
      pipe: (to) => ({ send: (envelope) => void world.after(0.1, () => receive(to, envelope)) }),
    });
    shards[index] = shard;
    shard.start(() => {});
  }
  const settle = (ms = 2_000): void => void world.run(world.monotonicMs() + ms);
  settle(50);

  /** Asks now; the answer is there once the plant has settled. */
  const ask = <K extends Kind, C extends CommandName<K>>(
    kind: K,
    id: string,
    name: C,
    body: Ask<K, C>,
    withinMs = 20_000,
  ): (() => Reply<K, C> | Refusal | undefined) => {
    const own = nextId++;
    const deadlineMs = world.monotonicMs() + withinMs;
    const envelope = {
      m: 'ask',
      id: own,
      from: MAIN,
      scope,
      kind,
      actor: id,
      name,
      body,
      who: 'u@x',
      deadlineMs,
    } as const;
    shards[shardOf(addressOf(scope, kind, id), shardCount)]!.deliver(
      structuredClone({ ...envelope, reserve: '', key: null, dry: false }),
    );
    return () => answers.get(own) as Reply<K, C> | Refusal | undefined;
  };
  const now = <K extends Kind, C extends CommandName<K>>(kind: K, id: string, name: C, body: Ask<K, C>) => {
    const answer = ask(kind, id, name, body);
    settle();
    return answer();
  };
  /** The answer, which must not be a refusal. */
  const must = <K extends Kind, C extends CommandName<K>>(
    kind: K,
    id: string,
    name: C,
    body: Ask<K, C>,
  ): Reply<K, C> => {
    const answer = now(kind, id, name, body);
    if (answer === undefined || isRefusal(answer))
      throw new Error(`${name} of ${id}: ${isRefusal(answer) ? answer.message : 'silent'}`);
    return answer;
  };
  const giveIp = (network: string, address: string, project: string, part: Partial<IpRecord> = {}): void =>
    void must('network', network, 'allocateIp', {
      address,
      project,
      name: '',
      description: '',
      type: 'static',
      tags: [],
      ...part,
    } as Ask<'network', 'allocateIp'>);

  return { world, store, machines, shards, ask, now, must, settle, giveIp, put };
};

/** An allocation in project p1 and its network n1, unless said otherwise. */
export const allocation = (
  part: Partial<AllocateMachine> & { tags?: string[]; placementTags?: string[] } = {},
): AllocateMachine => {
  const { tags = [], placementTags = [], ...asked } = part;
  const project = asked.request?.project ?? 'p1';
  const networks = asked.networks ?? [{ id: 'n1', autoacquire: true, holder: 'network' }];
  return {
    machine: null,
    size: asked.machine == null ? 's1' : '',
    image: 'ubuntu-24.4.20260101',
    role: 'machine',
    layouts: [{ size: 's1', layout }],
    networks,
    ips: [],
    reservations: [],
    machineQuota: null,
    usedElsewhere: 0,
    dnsServers: [],
    ntpServers: [],
    ...asked,
    request: {
      role: asked.role ?? 'machine',
      creator: 'u@x',
      machine: asked.machine ?? null,
      name: 'a',
      description: '',
      hostname: 'metal',
      project,
      partition: PARTITION,
      size: 's1',
      image: 'ubuntu-24.4',
      filesystemLayout: '',
      sshPubKeys: [],
      userData: '',
      tags,
      networks: networks.map(({ id, autoacquire }) => ({ id, autoacquire })),
      ips: (asked.ips ?? []).map(({ address }) => address),
      placementTags,
      dnsServers: [],
      ntpServers: [],
      firewallRules: null,
      ...asked.request,
    },
  };
};

export const machineOf = (answer: MachineView | Refusal | undefined): string =>
  answer === undefined ? 'silent' : isRefusal(answer) ? `${answer.kind}: ${answer.message}` : answer.machine.id;
