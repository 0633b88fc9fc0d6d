// Machines: allocated, freed, read, found again after a lost answer; and what their boot image reports.
import { addressOf, partitionScope } from '../../../actors/address.ts';
import { endFree } from '../../process/history.ts';
import type { OperationEntry, OperationKind } from '../schedule.ts';
import { IMAGE, machineId, partitionOf, PROJECT, SIZE } from '../seed.ts';
import { heardOfTake, messageOf, telling, understood } from './answers.ts';
import { chosen, keyOf, type Client, type Ground, type Operation } from './client.ts';
import { addressKey, externalNetwork, GLOBAL_NETWORK, machineKey, privateNetwork } from './things.ts';

interface Machine {
  id: string;
  allocation?: { name: string; networks: Array<{ networkid: string; ips: string[] | null }> } | null;
}

/** The machine, and the addresses that came with it. */
const keysOf = ({ id, allocation }: Machine): string[] => [
  machineKey(id),
  ...(allocation?.networks ?? []).flatMap(({ networkid, ips }) => (ips ?? []).map((ip) => addressKey(networkid, ip))),
];

export function machineOperations(
  ground: Ground,
): Pick<Record<OperationKind, Operation>, 'allocateMachine' | 'freeMachine' | 'readMachine' | 'agent' | 'recover'> {
  const { shape, sites, history, requests } = ground;

  async function allocateMachine(client: Client, entry: OperationEntry): Promise<void> {
    const site = sites[entry.where < 0.7 ? client.site : Math.floor(entry.pick * sites.length)]!;
    const network = chosen(client.networks, entry.pick)?.[0] ?? privateNetwork(site);
    const pending = history.begin({ client: client.name, verb: 'take' });
    const told = await requests.persist(client.site, {
      method: 'POST',
      path: '/v1/machine/allocate',
      body: {
        name: pending.id,
        projectid: PROJECT,
        partitionid: partitionOf(site),
        sizeid: SIZE,
        imageid: IMAGE,
        networks: [
          { networkid: network },
          ...(entry.pick < 0.6 ? [{ networkid: entry.pick < 0.3 ? GLOBAL_NETWORK : externalNetwork(site) }] : []),
        ],
      },
      key: keyOf(entry, pending.id),
    });
    const heard = heardOfTake(client, pending, told);
    if (heard === undefined) return;
    const { status, text } = heard;
    if (status === 200) {
      const machine = JSON.parse(text) as Machine;
      pending.end({ kind: 'done', holder: machine.allocation?.name ?? '' }, keysOf(machine));
      client.machines.set(machine.id, { id: pending.id, keys: keysOf(machine) });
      return;
    }
    // No candidate, no address, a network that is gone or of another partition: rules of the field.
    if (![400, 404, 409, 422, 500].includes(status)) ground.isStrange('allocate', heard);
    if (status === 500 && !/no ips left|no machine|acquire|exhaust/i.test(messageOf(text)))
      ground.isStrange('allocate', heard);
  }

  async function readMachine(client: Client, id: string): Promise<Machine | undefined> {
    const pending = history.begin({ client: client.name, verb: 'read', key: machineKey(id) });
    const told = telling(await requests.send(client.site, { method: 'GET', path: `/v1/machine/${id}` }));
    if (told === undefined) return undefined;
    if (told.status !== 200) {
      ground.isStrange('read machine', told, machineKey(id));
      return undefined;
    }
    const machine = JSON.parse(told.text) as Machine;
    pending.end({ kind: 'done', holder: machine.allocation?.name ?? '' });
    return machine;
  }

  async function freeMachine(client: Client, entry: OperationEntry): Promise<void> {
    const held = chosen(client.machines, entry.pick);
    if (held === undefined) return;
    const [machine, { id: expected, keys }] = held;
    client.machines.delete(machine);
    const pending = history.begin({ client: client.name, verb: 'give', expected });
    const told = await requests.send(client.site, { method: 'DELETE', path: `/v1/machine/${machine}/free` });
    const heard = understood(told);
    if (heard === 'nothing') return void client.machines.set(machine, { id: expected, keys });
    if ('kind' in heard) {
      pending.end(heard, keys);
      // Seen as its own now, it may be freed yet: to free it again in a while, by its name, may free somebody else's.
      return void (await readMachine(client, machine));
    }
    if (heard.status === 200) endFree(pending, keys);
    else if (heard.status === 409) client.machines.set(machine, { id: expected, keys });
    else ground.isStrange('free machine', heard, machineKey(machine));
  }

  /** The boot image of a machine: it lives, and waits if nobody has it. */
  async function agent(entry: OperationEntry): Promise<void> {
    const site = Math.floor(entry.where * sites.length);
    const partition = partitionOf(sites[site]!);
    const id = machineId(sites[site]!, Math.floor(entry.pick * shape.machines));
    const active = ground.processesOf(site).find((one) => one.isServing)?.active;
    if (active === undefined) return;
    const to = addressOf(partitionScope(partition), 'machine', id);
    const as = { who: 'agent', withinMs: 10_000 };
    // A machine knows by itself what it is.
    const isAllocated = ground.isAllocated(site, id);
    const event = isAllocated ? 'Phoned Home' : 'Waiting';
    await active.site.ask(to, 'event', { event, message: '', partition }, as);
    if (!isAllocated) await active.site.ask(to, 'wait', {}, as);
  }

  /** What was taken without an answer is found by its name. */
  async function recover(client: Client): Promise<void> {
    const told = await requests.send(client.site, { method: 'GET', path: '/v1/machine' });
    if (told.status !== 200 || client.lost.size === 0) return;
    for (const machine of JSON.parse(told.text) as Machine[]) {
      const name = machine.allocation?.name ?? '';
      if (client.lost.delete(name)) client.machines.set(machine.id, { id: name, keys: keysOf(machine) });
    }
  }

  return {
    allocateMachine,
    freeMachine,
    readMachine: (client, entry) =>
      readMachine(
        client,
        machineId(sites[Math.floor(entry.where * sites.length)]!, Math.floor(entry.pick * shape.machines)),
      ),
    // Not waited for: its process may die under it.
    async agent(_client, entry) {
      void agent(entry);
    },
    recover,
  };
}
