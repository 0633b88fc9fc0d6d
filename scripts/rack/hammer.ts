// What runs in a machine that booted PXE: first pixie's part, then metal-hammer (clients.md §5.1, §5.2).
import { randomBytes } from 'node:crypto';
import type { BootInfoMessage } from '../../http/agents/protos.ts';
import type { Journal } from './journal.ts';
import type { Pace } from './pace.ts';
import type { PlannedMachine } from './plan.ts';
import type { Rest } from './rest.ts';
import type { Wire } from './wire.ts';

export interface HammerTools {
  partition: string;
  wire: Wire;
  rest: Rest;
  pace: Pace;
  journal: Journal;
  /** Both leaf switches are registered: before, no packet of the machine gets anywhere. */
  network: Promise<void>;
  /** The disks are empty now. */
  wiped: () => void;
}

export type HammerOutcome = { what: 'installed'; image: string } | { what: 'crashed'; reason: string };

const VERSION = 'v0.13.0-rack';
const ALIVE_EVERY_MS = 60_000;
const RECONNECT_AFTER_MS = 3_000;
const REBOOT_AFTER_MS = 5_000;
const DHCP_AGAIN_MS = 1_000;

interface ImageAnswer {
  id?: string;
  url?: string;
}
/** What the boot image reads of GET /v1/machine/{id}. */
interface MachineAnswer {
  allocation?: {
    reinstall?: boolean;
    hostname?: string;
    role?: string;
    image?: ImageAnswer | null;
    filesystemlayout?: object | null;
    networks?: { ips?: string[] }[] | null;
  } | null;
}

const fetchFile = async (url: string, signal: AbortSignal): Promise<number> => {
  const response = await fetch(url, { signal });
  if (!response.ok) throw new Error(`GET ${url}: ${response.status}`);
  return (await response.arrayBuffer()).byteLength;
};

/** The promise, or a rejection when the boot is over before. */
const orAborted = (promise: Promise<void>, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const abort = (): void => reject(new Error('this boot is over'));
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });

export const hardwareOf = (machine: PlannedMachine) => ({
  memory: machine.model.memory,
  cpus: machine.model.cpus,
  disks: machine.model.disks,
  nics: [
    { mac: '00:00:00:00:00:00', name: 'lo' },
    ...machine.nics.map(({ mac, name, leaf, port }) => ({
      mac,
      name,
      // On SONiC the port id that LLDP tells is no MAC address.
      neighbors: [{ mac: port.identifier, identifier: port.identifier, name: port.name, hostname: leaf }],
    })),
  ],
});

export const ipmiOf = ({ bmc, serial, model, name }: PlannedMachine) => ({
  address: `${bmc.ip}:623`,
  mac: bmc.mac,
  user: bmc.user,
  password: bmc.password,
  interface: 'lanplus',
  bmcVersion: '1.73',
  powerState: 'ON',
  fru: {
    boardMfg: model.board.vendor,
    boardPartNumber: model.board.part,
    boardMfgSerial: serial,
    chassisPartSerial: `C-${serial}`,
    productManufacturer: model.board.vendor,
    productPartNumber: model.name,
    productSerial: name,
  },
});

/** Runs until the machine is installed or crashed; rejects only when `signal` says that this boot is over. */
export const runBootImage = async (
  machine: PlannedMachine,
  tools: HammerTools,
  signal: AbortSignal,
): Promise<HammerOutcome> => {
  const { partition, wire, rest, pace, journal, network, wiped } = tools;
  const { uuid } = machine;

  const tell = async (event: string, message: string): Promise<void> => {
    if (event !== 'Alive') journal(event, event === 'Crashed' ? { reason: message } : {});
    await wire.send({ [uuid]: { event, message } }, signal).catch((error: unknown) => {
      if (!signal.aborted) journal('event not sent', { reason: String(error) });
    });
  };
  const look = async (): Promise<MachineAnswer> =>
    (await rest.call('GET', `/v1/machine/${uuid}`, { as: 'view', signal })) as MachineAnswer;

  const netboot = async (): Promise<void> => {
    await wire.boot('Dhcp', { uuid }, signal);
    const boot = await wire.boot('Boot', { mac: machine.nics[0]!.mac, partitionId: partition }, signal);
    for (const url of [boot.kernel, ...boot.initRamDisks]) await fetchFile(url, signal);
  };

  /** The firmware asks for an address until somebody answers; nothing crashes here. */
  const pxe = async (): Promise<void> => {
    await orAborted(network, signal);
    await pace.take(150, signal);
    for (;;) {
      try {
        await netboot();
        return await pace.take(150, signal);
      } catch (error) {
        signal.throwIfAborted();
        journal('no boot over the network, trying again', { reason: String(error) });
        await pace.wait(DHCP_AGAIN_MS, signal);
      }
    }
  };

  const waitForAllocation = async (): Promise<void> => {
    await tell('Waiting', 'waiting for an allocation');
    for (;;) {
      const outcome = await wire.wait(uuid, signal);
      if (outcome.allocated) return;
      signal.throwIfAborted();
      journal('wait ended, connecting again', { reason: outcome.reason });
      await pace.wait(RECONNECT_AFTER_MS, signal);
    }
  };

  const install = async ({ allocation }: MachineAnswer): Promise<string> => {
    const image = allocation?.image;
    if (!allocation || !image?.id || !image.url) throw new Error('there is no allocation with an image');
    if (!allocation.filesystemlayout || !allocation.hostname || !allocation.role) {
      throw new Error('the allocation lacks its filesystem layout, hostname or role');
    }
    await tell('Installing', `start installation of ${image.id}`);
    await fetchFile(image.url, signal);
    await pace.take(300, signal);
    const bootInfo: Partial<BootInfoMessage> = {
      kernel: '/boot/vmlinuz',
      initrd: '/boot/initrd.img',
      cmdline: 'console=ttyS0 root=UUID=ace079b5',
      bootloaderId: 'metal-ubuntu',
    };
    const consolePassword = randomBytes(12).toString('base64url').slice(0, 16);
    await wire.boot('Report', { uuid, success: true, consolePassword, bootInfo }, signal);
    await tell('Booting New Kernel', `booting ${image.id}`);
    await pace.take(200, signal);
    return image.id;
  };

  /** A reinstallation that fails asks how to go back. */
  const reinstall = async (found: MachineAnswer): Promise<string> => {
    try {
      return await install(found);
    } catch (error) {
      signal.throwIfAborted();
      const { bootInfo } = await wire.boot('AbortReinstall', { uuid, primaryDiskWiped: false }, signal);
      if (!bootInfo) throw error;
      journal('reinstallation aborted', { reason: String(error) });
      return bootInfo.imageId;
    }
  };

  const hammer = async (): Promise<string> => {
    await tell('Preparing', `starting metal-hammer ${VERSION}`);
    const { superUserPassword } = await wire.boot('SuperUserPassword', {}, signal);
    if (superUserPassword !== '') journal('BMC superuser set');
    await tell('Registering', 'registering');
    await wire.boot(
      'Register',
      {
        uuid,
        partitionId: partition,
        metalHammerVersion: VERSION,
        hardware: hardwareOf(machine),
        bios: { version: '2.1', vendor: 'American Megatrends Inc.', date: '04/01/2026' },
        ipmi: ipmiOf(machine),
      },
      signal,
    );
    const found = await look();
    if (found.allocation?.reinstall) return await reinstall(found);
    await pace.take(200, signal);
    wiped();
    await waitForAllocation();
    return await install(await look());
  };

  const alive = setInterval(() => void tell('Alive', 'still alive'), ALIVE_EVERY_MS);
  try {
    await pxe();
    return { what: 'installed', image: await hammer() };
  } catch (error) {
    signal.throwIfAborted();
    const reason = error instanceof Error ? error.message : String(error);
    await tell('Crashed', reason);
    await pace.take(REBOOT_AFTER_MS, signal);
    return { what: 'crashed', reason };
  } finally {
    clearInterval(alive);
  }
};
