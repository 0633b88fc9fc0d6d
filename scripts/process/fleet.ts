// Machines that do nothing but wait: registered over gRPC as the boot image does, they come back at once, so that a test
// can allocate and free them as fast as the control plane can. The rack simulator is slower and truer.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { hearOverHttp } from '../rack/bus.ts';
import { createPace } from '../rack/pace.ts';
import { planRack, type PlannedMachine } from '../rack/plan.ts';
import { createRest } from '../rack/rest.ts';
import { createWire } from '../rack/wire.ts';
import { until } from './child.ts';
import type { PlantSite } from './plant.ts';

export interface Fleet {
  readonly machines: readonly string[];
  /** Until every machine can be allocated. */
  untilWaiting(withinMs?: number): Promise<void>;
  stop(): Promise<void>;
}

const AGAIN_MS = 50;

const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });

const hardwareOf = ({ model, nics }: PlannedMachine) => ({
  memory: model.memory,
  cpus: model.cpus,
  disks: model.disks,
  nics: nics.map(({ mac, name, leaf, port }) => ({
    mac,
    name,
    neighbors: [{ mac: port.mac, identifier: port.identifier, name: port.name, hostname: leaf }],
  })),
});

/** Machines of the partition that can be allocated now. */
export async function allocatable(site: PlantSite, partition: string): Promise<number> {
  const answer = await site.ask('POST', '/v1/partition/capacity', { id: partition }, 2_000);
  if (answer.status !== 200) throw new Error(`${answer.status} ${answer.text}`);
  const [capacity] = JSON.parse(answer.text) as Array<{ servers: Array<{ allocatable?: number }> }>;
  return capacity?.servers.reduce((sum, { allocatable = 0 }) => sum + allocatable, 0) ?? 0;
}

/** Registers two switches and the machines, and keeps the machines waiting whenever they are free. */
export async function startFleet(options: {
  site: PlantSite;
  partition: string;
  machines: number;
  /** Of all processes of the site; default: of the one. */
  grpcPorts?: readonly number[];
}): Promise<Fleet> {
  const { site, partition, grpcPorts = [site.grpcPort] } = options;
  const plan = planRack(partition, { small: options.machines, large: 0 });
  const folder = site.agentFolder(partition);
  const read = (file: string): string => readFileSync(join(folder, file), 'utf8');
  const wire = createWire({
    addresses: grpcPorts.map((port) => `127.0.0.1:${port}`),
    serverName: '',
    tls: { ca: read('ca.pem'), cert: read('agent.pem'), key: read('agent.key') },
  });
  const stopping = new AbortController();
  const { signal } = stopping;
  const boots = new Map<string, AbortController>();

  for (const leaf of plan.leaves) {
    await site.call('POST', '/v1/switch/register', {
      id: leaf.id,
      name: leaf.id,
      partition_id: partition,
      rack_id: leaf.rack,
      nics: leaf.ports.map(({ name, identifier, mac }) => ({ name, identifier, mac })),
      os: { vendor: 'SONiC', version: '4.2.0', metal_core_version: 'v0.13.0' },
      management_ip: leaf.managementIp,
      management_user: 'admin',
    });
  }

  async function register(machine: PlannedMachine): Promise<void> {
    const { uuid } = machine;
    await wire.boot('Dhcp', { uuid }, signal);
    await wire.send({ [uuid]: { event: 'Preparing', message: '' } }, signal);
    await wire.boot(
      'Register',
      {
        uuid,
        partitionId: partition,
        metalHammerVersion: 'v0.13.0',
        hardware: hardwareOf(machine),
        bios: { version: '2.1', vendor: 'AMI', date: '04/01/2026' },
        ipmi: {
          address: `${machine.bmc.ip}:623`,
          mac: machine.bmc.mac,
          user: 'metal',
          password: 'x',
          interface: 'lanplus',
        },
      },
      signal,
    );
  }

  async function live(machine: PlannedMachine): Promise<void> {
    const { uuid } = machine;
    const trying = async <T>(work: () => Promise<T>): Promise<T | undefined> => {
      while (!signal.aborted) {
        try {
          return await work();
        } catch {
          await wait(AGAIN_MS);
        }
      }
      return undefined;
    };
    await trying(() => register(machine));
    while (!signal.aborted) {
      const boot = new AbortController();
      boots.set(uuid, boot);
      const ends = AbortSignal.any([signal, boot.signal]);
      await trying(() => wire.send({ [uuid]: { event: 'Waiting', message: '' } }, signal));
      const outcome = await wire.wait(uuid, ends);
      if (outcome.allocated) await untilAborted(ends);
      else if (!boot.signal.aborted) await wait(AGAIN_MS);
    }
  }

  // Who frees a machine resets it, and only then its boot image waits anew: the bus brings the word.
  const keys = site.keys();
  const tools = {
    rest: createRest([site.url], { view: keys.view, edit: keys.edit }),
    pace: createPace(() => 0.5, 1),
    journal: () => {},
  };
  const heard = (message: unknown): void => {
    const { type, old = '' } = message as { type?: string; old?: string };
    if (type === 'delete') boots.get(old)?.abort();
  };
  let hearing = Promise.resolve();
  await new Promise<void>((opened) => {
    hearing = hearOverHttp(`${partition}-machine`, tools, heard, opened, signal);
  });
  const lives = plan.machines.map(live);
  const machines = plan.machines.map(({ uuid }) => uuid);

  return {
    machines,
    async untilWaiting(withinMs = 30_000) {
      await until(
        'all machines can be allocated',
        async () => (await allocatable(site, partition)) === machines.length,
        withinMs,
        50,
      );
    },
    async stop() {
      stopping.abort();
      await Promise.all([...lives, hearing]);
      wire.close();
    },
  };
}
