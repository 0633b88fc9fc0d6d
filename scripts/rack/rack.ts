// The whole rack: switches, management server, machines. A client on the wire; knows nothing of the control plane's inside.
import { createChassis, type Chassis } from './chassis.ts';
import { hearFromNsqd, hearOverHttp } from './bus.ts';
import { runBmc } from './bmc.ts';
import type { RackConfig } from './config.ts';
import { serveFiles } from './files.ts';
import type { Journal } from './journal.ts';
import { runLeaf, type RunningLeaf } from './leaf.ts';
import { createPace } from './pace.ts';
import { planRack, type RackPlan } from './plan.ts';
import { seededRandom } from './random.ts';
import { createRest, RestFailure } from './rest.ts';
import { createWire } from './wire.ts';

export interface Rack {
  plan: RackPlan;
  chassis: readonly Chassis[];
  filesPort: number;
  stop(): Promise<void>;
}

const LOOK_AGAIN_MS = 1_000;

interface MachineAnswer {
  allocation?: { image?: { id?: string } | null; reinstall?: boolean; boot_info?: object | null } | null;
}

/** The image that is on a machine's disk, as far as the control plane knows: only an install report says so. */
export const installedImage = ({ allocation }: MachineAnswer): string | null =>
  allocation?.boot_info && !allocation.reinstall ? (allocation.image?.id ?? null) : null;

/** Powers the rack up. Rejects only when the file server's port can't be had; everything else is tried until it works. */
export const startRack = async (config: RackConfig, journal: Journal): Promise<Rack> => {
  const { partition } = config;
  const plan = planRack(partition, config.machines);
  const random = seededRandom(config.seed);
  const pace = createPace(random, config.speed);
  const files = await serveFiles(config.files.host, config.files.port);
  const rest = createRest(config.urls, config.keys);
  const wire = createWire({ addresses: config.grpc, serverName: config.grpcServerName, tls: config.tls });
  const stopping = new AbortController();
  const { signal } = stopping;

  let leaves: RunningLeaf[] = [];
  let tellNetwork: () => void = () => undefined;
  const network = new Promise<void>((resolve) => (tellNetwork = resolve));
  const chassis = plan.machines.map((machine) =>
    createChassis(machine, {
      partition,
      wire,
      rest,
      pace,
      journal,
      network,
      systemUp: (up) => leaves.forEach((leaf) => leaf.phoneHome(up)),
    }),
  );
  leaves = plan.leaves.map((leaf) => runLeaf(leaf, { partition, wire, rest, pace, journal, chassis }, signal));
  void Promise.all(leaves.map(({ registered }) => registered)).then(tellNetwork);

  const findOut = async (one: Chassis): Promise<void> => {
    for (;;) {
      try {
        const path = `/v1/machine/${one.plan.uuid}`;
        const installed = installedImage((await rest.call('GET', path, { as: 'view', signal })) as MachineAnswer);
        // Else every start of the simulator would look as if the machines crashed.
        const reboot = { event: 'Planned Reboot', message: 'the rack was powered off and on' };
        if (installed === null) await wire.send({ [one.plan.uuid]: reboot }, signal);
        return one.happen({ what: 'found', installed });
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof RestFailure && error.status === 404) return one.happen({ what: 'found', installed: null });
        journal('the control plane can not be asked yet', { machine: one.plan.name, reason: String(error) });
        await pace.wait(LOOK_AGAIN_MS, signal).catch(() => undefined);
      }
    }
  };

  const bmc = runBmc({ partition, rest, pace, journal, random, chassis }, signal);
  const topic = `${partition}-machine`;
  let hush: () => void = () => undefined;
  let hearing = Promise.resolve();
  // Machines are looked up only once commands are heard: one that comes in between must not be lost.
  await new Promise<void>((opened) => {
    if (config.nsqd) {
      hush = hearFromNsqd(topic, config.nsqd, config.tls, journal, bmc.handle);
      opened();
    } else {
      signal.addEventListener('abort', () => opened(), { once: true });
      hearing = hearOverHttp(topic, { rest, pace, journal }, bmc.handle, opened, signal);
    }
    // A control plane that has no bus yet must not keep the machines from starting.
    setTimeout(opened, 5_000).unref();
  });
  journal('rack is powered', { machines: chassis.length, filesPort: files.port });
  const found = Promise.all(chassis.map(findOut));

  return {
    plan,
    chassis,
    filesPort: files.port,
    async stop() {
      stopping.abort();
      for (const one of chassis) one.stop();
      hush();
      await Promise.all([found, hearing, bmc.done, ...leaves.map(({ done }) => done), files.stop()]);
      wire.close();
      journal('rack is off');
    },
  };
};
