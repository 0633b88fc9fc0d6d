// Clients that take, read and give back addresses and machines over REST, and write down what they were told.
import { setTimeout as wait } from 'node:timers/promises';
import { errorMessage, type ApiAnswer } from '../api-client.ts';
import { createHistory, endFree, type History, type Outcome, type Pending } from './history.ts';
import type { PlantSite } from './plant.ts';
import type { Seeded } from './seed.ts';

export interface WorkloadOptions {
  site: PlantSite;
  seeded: Seeded;
  /** Network whose addresses are taken one by one. */
  network: string;
  /** Addresses of it that are asked for by name. */
  addresses: readonly string[];
  addressClients: number;
  machineClients: number;
  random: () => number;
  history?: History;
}

export interface Workload {
  readonly history: History;
  /** Answers that nobody should ever get, e.g. 500 or a status of another operation. */
  readonly strange: readonly string[];
  /** Longest time that any request took to be answered or to fail. */
  readonly longestMs: number;
  /** Operations that were answered. */
  readonly answered: number;
  /** Reads every address and machine that exists, also those that nobody holds any more. */
  readAll(): Promise<void>;
  /** Runs `look` while no client has anything under way. */
  paused<T>(look: () => Promise<T>): Promise<T>;
  /** Ends the clients after the operation they are in. */
  stop(): Promise<void>;
  /** Gives back everything that anybody holds. */
  freeAll(): Promise<void>;
}

interface Ip {
  ipaddress: string;
  name: string;
  networkid: string;
}
interface Machine {
  id: string;
  allocation?: { name: string; networks: Array<{ networkid: string; ips: string[] | null }> } | null;
}

/** An answer, or why there is none. */
type Told = { answer: ApiAnswer } | { answer: undefined; why: string; isSent: boolean };

const REST_MS = 30;
const MOST_HELD = 4;
const INSIST_MS = 15_000;

const ipOf = (answer: ApiAnswer): Ip => JSON.parse(answer.text) as Ip;
const machineOf = (answer: ApiAnswer): Machine => JSON.parse(answer.text) as Machine;
// The part before the blank is the kind: an operation takes one thing of a kind.
const machineKey = (id: string): string => `machine ${id}`;
const addressKey = (network: string, address: string): string => `${network} ${address}`;
/** A machine and its addresses, which its allocation takes and gives back with it. */
const keysOf = ({ id, allocation }: Machine): string[] => [
  machineKey(id),
  ...(allocation?.networks ?? []).flatMap(({ networkid, ips }) => (ips ?? []).map((ip) => addressKey(networkid, ip))),
];

/** Where clients rest between two operations while somebody looks. */
function createRest() {
  let isOn = false;
  let resting: Array<() => void> = [];
  let changed = (): void => {};
  return {
    async here(): Promise<void> {
      if (!isOn) return;
      const over = new Promise<void>((resolve) => resting.push(resolve));
      changed();
      await over;
    },
    async during<T>(clients: number, look: () => Promise<T>): Promise<T> {
      isOn = true;
      try {
        while (resting.length < clients) await new Promise<void>((resolve) => (changed = resolve));
        return await look();
      } finally {
        isOn = false;
        for (const resume of resting) resume();
        resting = [];
      }
    },
  };
}

export function startWorkload(options: WorkloadOptions): Workload {
  const { site, seeded, network, addresses, random } = options;
  const history = options.history ?? createHistory();
  const strange: string[] = [];
  const run = { isOver: false };
  const rest = createRest();
  let longestMs = 0;
  let answered = 0;

  async function ask(method: string, path: string, body?: unknown): Promise<Told> {
    const startMs = performance.now();
    try {
      const answer = await site.ask(method, path, body);
      answered++;
      return { answer };
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      return { answer: undefined, why: String(error), isSent: code !== 'ECONNREFUSED' };
    } finally {
      longestMs = Math.max(longestMs, performance.now() - startMs);
    }
  }

  /** 503 may come after everything was done, so it says nothing. Undefined: the request never left. */
  function unanswered(told: Told): Outcome | undefined {
    if (told.answer === undefined) return told.isSent ? { kind: 'unknown', why: told.why } : undefined;
    if (told.answer.status === 503) return { kind: 'unknown', why: errorMessage(told.answer.text) };
    return undefined;
  }

  const note = (what: string, { status, text }: ApiAnswer): void => {
    if (strange.length < 50) strange.push(`${what}: ${status} ${errorMessage(text)}`);
  };

  /** Ends an operation that was not answered; true where there is nothing more to look at. */
  async function isLost(pending: Pending, told: Told, keys?: readonly string[]): Promise<boolean> {
    if (told.answer !== undefined && told.answer.status !== 503) return false;
    const outcome = unanswered(told);
    if (outcome !== undefined) pending.end(outcome, keys);
    await wait(REST_MS * (1 + random() * 3));
    // Most clients look whether it is back, as well-behaved ones do; some go on asking whoever starts.
    while (!run.isOver && random() < 0.9 && !(await site.isReady().catch(() => false))) await wait(REST_MS);
    return true;
  }

  async function takeAddress(client: string, held: Map<string, string>): Promise<void> {
    const pending = history.begin({ client, verb: 'take' });
    const body = { networkid: network, projectid: seeded.project, name: pending.id };
    const told = await ask('POST', '/v1/ip/allocate', body);
    if (await isLost(pending, told)) return;
    const answer = told.answer!;
    if (answer.status === 201) {
      const ip = ipOf(answer);
      pending.end({ kind: 'done', holder: ip.name }, [addressKey(network, ip.ipaddress)]);
      held.set(ip.ipaddress, pending.id);
    } else if (answer.status !== 500 || !errorMessage(answer.text).includes('no ips left')) note('take', answer);
  }

  async function takeThisAddress(client: string, held: Map<string, string>): Promise<void> {
    const address = addresses[Math.floor(random() * addresses.length)]!;
    const key = addressKey(network, address);
    const pending = history.begin({ client, verb: 'takeThis', key });
    const body = { networkid: network, projectid: seeded.project, name: pending.id };
    const told = await ask('POST', `/v1/ip/allocate/${address}`, body);
    if (await isLost(pending, told)) return;
    const answer = told.answer!;
    if (answer.status === 201) {
      pending.end({ kind: 'done', holder: ipOf(answer).name });
      held.set(address, pending.id);
    } else if (answer.status === 409) pending.end({ kind: 'refused', why: errorMessage(answer.text) });
    else note('take this', answer);
  }

  async function readAddress(client: string, address: string): Promise<string | undefined> {
    const pending = history.begin({ client, verb: 'read', key: addressKey(network, address) });
    const told = await ask('GET', `/v1/ip/${address}`);
    if (await isLost(pending, told)) return undefined;
    const answer = told.answer!;
    if (answer.status !== 200 && answer.status !== 404) {
      note('read', answer);
      return undefined;
    }
    const holder = answer.status === 200 ? ipOf(answer).name : '';
    pending.end({ kind: 'done', holder });
    return holder;
  }

  async function giveAddress(client: string, address: string, held: Map<string, string>): Promise<void> {
    const expected = held.get(address)!;
    const pending = history.begin({ client, verb: 'give', key: addressKey(network, address), expected });
    const told = await ask('DELETE', `/v1/ip/free/${address}`);
    if (await isLost(pending, told)) {
      // Not blindly again: meanwhile it may be somebody else's.
      while (!run.isOver) {
        const holder = await readAddress(client, address);
        if (holder === undefined) continue;
        if (holder !== expected) held.delete(address);
        return;
      }
      return;
    }
    held.delete(address);
    const answer = told.answer!;
    if (answer.status === 200) pending.end({ kind: 'done', holder: ipOf(answer).name });
    else if (answer.status === 404) pending.end({ kind: 'refused', why: errorMessage(answer.text) });
    else note('give', answer);
  }

  async function addressClient(client: string): Promise<void> {
    const held = new Map<string, string>();
    while (!run.isOver) {
      await rest.here();
      const chance = random();
      const mine = [...held.keys()];
      if (chance < 0.15) await readAddress(client, addresses[Math.floor(random() * addresses.length)]!);
      else if (mine.length > 0 && (mine.length >= MOST_HELD || chance < 0.5))
        await giveAddress(client, mine[Math.floor(random() * mine.length)]!, held);
      else if (chance < 0.65) await takeThisAddress(client, held);
      else await takeAddress(client, held);
    }
  }

  async function readMachine(client: string, id: string): Promise<Machine | undefined> {
    const pending = history.begin({ client, verb: 'read', key: machineKey(id) });
    const told = await ask('GET', `/v1/machine/${id}`);
    if (await isLost(pending, told)) return undefined;
    const answer = told.answer!;
    if (answer.status !== 200) {
      note('read machine', answer);
      return undefined;
    }
    const machine = machineOf(answer);
    pending.end({ kind: 'done', holder: machine.allocation?.name ?? '' });
    return machine;
  }

  /** Until it is known to be no longer of `expected`. */
  async function giveMachine(client: string, machine: Machine): Promise<void> {
    const { id } = machine;
    const expected = machine.allocation?.name ?? '';
    const keys = keysOf(machine);
    while (!run.isOver) {
      const pending = history.begin({ client, verb: 'give', expected });
      const told = await ask('DELETE', `/v1/machine/${id}/free`);
      if (await isLost(pending, told, keys)) {
        const now = await readMachine(client, id);
        if (now !== undefined && now.allocation?.name !== expected) return;
        continue;
      }
      const answer = told.answer!;
      if (answer.status === 200) {
        endFree(pending, keys);
        return;
      }
      note('free machine', answer);
      await wait(REST_MS);
    }
  }

  async function machineClient(client: string): Promise<void> {
    const body = {
      partitionid: seeded.partition,
      projectid: seeded.project,
      sizeid: seeded.size,
      imageid: seeded.image,
      networks: [{ networkid: seeded.privateNetwork }, { networkid: seeded.dmz }],
    };
    while (!run.isOver) {
      await rest.here();
      const pending = history.begin({ client, verb: 'take' });
      const told = await ask('POST', '/v1/machine/allocate', { ...body, name: pending.id });
      if (await isLost(pending, told)) {
        await giveLost(client, pending.id);
        continue;
      }
      const answer = told.answer!;
      if (answer.status !== 200) {
        // 422: none waits at the moment.
        if (answer.status !== 422 || !errorMessage(answer.text).includes('no machine available'))
          note('allocate', answer);
        await wait(REST_MS * (1 + random() * 5));
        continue;
      }
      const machine = machineOf(answer);
      pending.end({ kind: 'done', holder: machine.allocation?.name ?? '' }, keysOf(machine));
      if (random() < 0.5) await readMachine(client, machine.id);
      await wait(random() * REST_MS);
      await giveMachine(client, machine);
    }
  }

  /** An allocation that was not answered may be there: machines are few, so it is not left lying. */
  async function giveLost(client: string, id: string): Promise<void> {
    for (;;) {
      if (run.isOver) return;
      const told = await ask('POST', '/v1/machine/find', { allocation_name: id });
      if (told.answer?.status !== 200) {
        await wait(REST_MS);
        continue;
      }
      for (const machine of JSON.parse(told.answer.text) as Machine[]) {
        const now = await readMachine(client, machine.id);
        if (now?.allocation?.name === id) await giveMachine(client, now);
      }
      return;
    }
  }

  /**
   * The answer's JSON, and the operation as it was begun for this very try. Soon after a fault, on a loaded machine, the
   * lease may be uncertain for a moment: 503, and asked again.
   */
  async function insisting(
    method: string,
    path: string,
    body: unknown,
    begin: () => Pending,
    keys: readonly string[] = [],
  ): Promise<{ text: string; pending: Pending }> {
    for (const deadline = performance.now() + INSIST_MS; ;) {
      const pending = begin();
      const told = await ask(method, path, body);
      if (told.answer?.status === 200) return { text: told.answer.text, pending };
      const outcome = unanswered(told);
      if (outcome !== undefined) pending.end(outcome, keys);
      if (performance.now() > deadline || (told.answer !== undefined && told.answer.status !== 503)) {
        throw new Error(`${method} ${path}: ${told.answer === undefined ? told.why : told.answer.text}`);
      }
      await wait(REST_MS);
    }
  }

  async function readAll(): Promise<void> {
    const client = 'reader';
    const reading = (): Pending => history.begin({ client, verb: 'read' });
    // One list reads everything between its call and its return, also what nobody asked for before.
    const known = new Set(history.operations.map(({ key }) => key));
    const { text: ips, pending: addressesRead } = await insisting('POST', '/v1/ip/find', {}, reading);
    for (const { networkid, ipaddress, name } of JSON.parse(ips) as Ip[]) {
      const key = addressKey(networkid, ipaddress);
      known.delete(key);
      addressesRead.end({ kind: 'done', holder: name }, [key]);
    }
    const absent = [...known].filter((key) => key !== '' && !key.startsWith('machine '));
    addressesRead.end({ kind: 'done', holder: '' }, absent);
    const ofPartition = { partition_id: seeded.partition };
    const { text: found, pending: machinesRead } = await insisting('POST', '/v1/machine/find', ofPartition, reading);
    for (const { id, allocation } of JSON.parse(found) as Machine[]) {
      machinesRead.end({ kind: 'done', holder: allocation?.name ?? '' }, [machineKey(id)]);
    }
  }

  const lives = [
    ...Array.from({ length: options.addressClients }, (_, i) => addressClient(`a${i}`)),
    ...Array.from({ length: options.machineClients }, (_, i) => machineClient(`m${i}`)),
  ];

  return {
    history,
    strange,
    get longestMs() {
      return longestMs;
    },
    get answered() {
      return answered;
    },
    readAll,
    paused: (look) => rest.during(lives.length, look),
    async stop() {
      run.isOver = true;
      await Promise.all(lives);
    },
    async freeAll() {
      const client = 'janitor';
      const reading = (): Pending => history.begin({ client, verb: 'read' });
      const ofPartition = { partition_id: seeded.partition };
      const found = await insisting('POST', '/v1/machine/find', ofPartition, reading);
      for (const machine of JSON.parse(found.text) as Machine[]) {
        if (!machine.allocation) continue;
        const keys = keysOf(machine);
        const expected = machine.allocation.name;
        const giving = (): Pending => history.begin({ client, verb: 'give', expected });
        const path = `/v1/machine/${machine.id}/free`;
        const { pending } = await insisting('DELETE', path, undefined, giving, keys);
        endFree(pending, keys);
      }
      const ips = await insisting('POST', '/v1/ip/find', {}, reading);
      for (const { networkid, ipaddress } of JSON.parse(ips.text) as Ip[]) {
        const key = addressKey(networkid, ipaddress);
        const giving = (): Pending => history.begin({ client, verb: 'give', key });
        const { text, pending } = await insisting('DELETE', `/v1/ip/free/${ipaddress}`, undefined, giving, [key]);
        pending.end({ kind: 'done', holder: (JSON.parse(text) as Ip).name });
      }
    },
  };
}
