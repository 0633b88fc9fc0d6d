// The process of the machines: racks of 40 with two leaf switches each, hardware and wire as in the simulated rack.
import { setMaxListeners } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hardwareOf, ipmiOf } from '../rack/hammer.ts';
import { planRack, type PlannedMachine } from '../rack/plan.ts';
import { createRest } from '../rack/rest.ts';
import { createWire, type Wire } from '../rack/wire.ts';
import type { AgentsMessage, AgentsOrder, AgentsPlan } from './agents.ts';

const MACHINES_PER_RACK = 40;
const AT_ONCE = 64;
const EVENTS_PER_SEND = 100;

const tell = (message: AgentsMessage): void => void process.send?.(message);
const { signal } = new AbortController();
// One signal for thousands of calls is meant.
setMaxListeners(0, signal);

/** Works through the list, so many at once. */
async function each<T>(list: readonly T[], run: (one: T) => Promise<unknown>): Promise<void> {
  const waiting = list.values();
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (const one of waiting) await run(one);
    }),
  );
}

const secondsOf = async (run: () => Promise<unknown>): Promise<number> => {
  const from = performance.now();
  await run();
  return (performance.now() - from) / 1_000;
};

function register(wire: Wire, partition: string, machine: PlannedMachine): Promise<unknown> {
  return wire.boot(
    'Register',
    {
      uuid: machine.uuid,
      partitionId: partition,
      metalHammerVersion: 'v0.13.0',
      hardware: hardwareOf(machine),
      bios: { version: '2.1', vendor: 'American Megatrends Inc.', date: '04/01/2026' },
      ipmi: ipmiOf(machine),
    },
    signal,
  );
}

async function tellWaiting(wire: Wire, uuids: readonly string[]): Promise<void> {
  const event = { event: 'Waiting', message: 'waiting for an allocation' };
  const sends = Array.from({ length: Math.ceil(uuids.length / EVENTS_PER_SEND) }, (_, n) =>
    uuids.slice(n * EVENTS_PER_SEND, (n + 1) * EVENTS_PER_SEND),
  );
  await each(sends, (some) => wire.send(Object.fromEntries(some.map((uuid) => [uuid, event])), signal));
}

let wire: Wire | undefined;
/** Machines whose stream ended because they were allocated. */
let allocated: string[] = [];

function wait(uuid: string): void {
  void wire?.wait(uuid, signal).then((outcome) => {
    if (outcome.allocated) allocated.push(uuid);
    else setTimeout(() => wait(uuid), 500);
  });
}

async function boot(plan: AgentsPlan): Promise<void> {
  const racks = Array.from({ length: Math.ceil(plan.machines / MACHINES_PER_RACK) }, (_, n) =>
    planRack(`${plan.partition}-${n + 1}`, {
      small: Math.min(MACHINES_PER_RACK, plan.machines - n * MACHINES_PER_RACK),
      large: 0,
    }),
  );
  const machines = racks.flatMap((rack) => rack.machines);
  const file = (name: string): string => readFileSync(join(plan.certificates, name), 'utf8');
  const opened = createWire({
    addresses: [plan.address],
    serverName: '',
    tls: { ca: file('ca.pem'), cert: file('agent.pem'), key: file('agent.key') },
  });
  wire = opened;
  const rest = createRest([plan.url], { view: '', edit: plan.editKey });
  const switchesS = await secondsOf(() =>
    each(
      racks.flatMap((rack) => rack.leaves),
      (leaf) =>
        rest.call('POST', '/v1/switch/register', {
          as: 'edit',
          signal,
          body: {
            id: leaf.id,
            name: leaf.id,
            partition_id: plan.partition,
            rack_id: leaf.rack,
            nics: leaf.ports.map(({ name, identifier, mac }) => ({ name, identifier, mac, actual: null })),
            os: { vendor: 'SONiC', version: '4.2.0', metal_core_version: 'v0.13.0' },
            management_ip: leaf.managementIp,
            management_user: 'admin',
          },
        }),
    ),
  );
  const registerS = await secondsOf(() => each(machines, (machine) => register(opened, plan.partition, machine)));
  const uuids = machines.map(({ uuid }) => uuid);
  const eventsS = await secondsOf(() => tellWaiting(opened, uuids));
  for (const uuid of uuids) wait(uuid);
  tell({ is: 'booted', switchesS, registerS, eventsS, racks: racks.length });
}

async function waitAgain(): Promise<void> {
  if (wire === undefined) return;
  const uuids = allocated;
  allocated = [];
  await tellWaiting(wire, uuids);
  for (const uuid of uuids) wait(uuid);
  tell({ is: 'wait opened', machines: uuids.length });
}

process.on('message', (order: AgentsOrder) => {
  (order.do === 'boot' ? boot(order.plan) : waitAgain()).catch((error: unknown) =>
    tell({ is: 'failed', reason: error instanceof Error ? error.message : String(error) }),
  );
});
process.once('disconnect', () => process.exit(0));
