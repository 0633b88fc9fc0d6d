// Clients of the simulated sites: whole requests to the edge, signed as metalctl signs, and what they were told.
import { addressOf, partitionScope } from '../../actors/address.ts';
import { signRequest } from '../../http/auth/hmac.ts';
import type { EdgeConfig } from '../../http/site.ts';
import type { HttpAnswer, HttpRequest } from '../../router/message.ts';
import { createHistory, type History, type Outcome } from '../process/history.ts';
import { between } from './draw.ts';
import type { OperationEntry, Shape } from './schedule.ts';
import { IMAGE, machineId, partitionOf, PROJECT, SIZE } from './seed.ts';
import type { SiteProcess } from './site-process.ts';
import { START_MS, type Universe } from './universe.ts';

/** An answer, or why there is none: `lost` after it was sent, `unsent` before. */
export type Told = { status: number; text: string; headers: HttpAnswer['headers'] } | { status: 'lost' | 'unsent' };

export interface Clients {
  readonly history: History;
  /** Answers that nobody should ever get. */
  readonly strange: readonly string[];
  /** Operations that are not over, and requests that have no answer. */
  readonly open: readonly string[];
  readonly answered: number;
  perform(entry: OperationEntry): void;
  /** Requests that were on their way to a process that died end with its connections. */
  died(process: SiteProcess): void;
  call(site: number, method: string, path: string, body?: unknown): Promise<Told>;
}

export interface ClientsOptions {
  universe: Universe;
  shape: Shape;
  sites: readonly string[];
  hmac: EdgeConfig['hmac'];
  processesOf(site: number): readonly SiteProcess[];
  isAllocated(site: number, machine: string): boolean;
  isOver(): boolean;
}

interface Client {
  name: string;
  site: number;
  /** Address or id → operation that took it. */
  ips: Map<string, { id: string; network: string }>;
  machines: Map<string, { id: string; keys: string[] }>;
  networks: Map<string, string>;
  sizes: Map<string, string>;
  lost: Set<string>;
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

/** A request may take its own time, and that of the asks it makes. */
const ANSWER_WITHIN_MS = 100_000;
const REPEAT_MS = 700;
const NAMED_IN_GLOBAL = 0.5;

const addressKey = (network: string, address: string): string => `${network} ${address}`;
const machineKey = (id: string): string => `machine ${id}`;
const keysOf = ({ id, allocation }: Machine): string[] => [
  machineKey(id),
  ...(allocation?.networks ?? []).flatMap(({ networkid, ips }) => (ips ?? []).map((ip) => addressKey(networkid, ip))),
];

/** The text of v1's error, which is a JSON string that contains JSON. */
export function messageOf(text: string): string {
  try {
    const once: unknown = JSON.parse(text);
    const twice: unknown = typeof once === 'string' ? JSON.parse(once) : once;
    return (twice as { message?: string }).message ?? text;
  } catch {
    return text;
  }
}

/** It says that nothing was done, and is held to it. */
export const claimsNothing = (message: string): boolean => /nothing was (changed|done)/.test(message);

export const externalNetwork = (site: string): string => `ext-${site}`;
export const GLOBAL_NETWORK = 'internet';

export function createClients(options: ClientsOptions): Clients {
  const { universe, shape, sites } = options;
  const noise = universe.stream('clients');
  const history = createHistory(() => universe.nowMs);
  const strange: string[] = [];
  const waiting = new Map<SiteProcess, Set<() => void>>();
  const open = new Set<string>();
  let requests = 0;
  let answered = 0;
  const clients: Client[] = Array.from({ length: shape.clients }, (_, i) => ({
    name: `c${i}`,
    site: i % sites.length,
    ips: new Map(),
    machines: new Map(),
    networks: new Map(),
    sizes: new Map(),
    lost: new Set(),
  }));

  // ---- requests ---------------------------------------------------------------------------------------------------

  function requestOf(
    method: string,
    path: string,
    body: unknown,
    key: string | undefined,
    forged: boolean,
  ): HttpRequest {
    const nowMs = START_MS + universe.nowMs;
    const secret = forged ? 'another key' : options.hmac['Metal-Admin'].key;
    const signed = signRequest('Metal-Admin', secret, method, nowMs, 'abcdefghijklmnopqrstuvwx');
    return {
      method,
      path,
      headers: [
        ...Object.entries(signed),
        ['accept', 'application/json'],
        ...(body === undefined ? [] : [['content-type', 'application/json'] as const]),
        ...(key === undefined ? [] : [['Idempotency-Key', key] as const]),
      ],
      body: body === undefined ? new Uint8Array() : new TextEncoder().encode(JSON.stringify(body)),
      via: 'http',
    };
  }

  const bytesOf = async (body: HttpAnswer['body']): Promise<string> => {
    if (body === null) return '';
    if (body instanceof Uint8Array) return new TextDecoder().decode(body);
    return await new Response(body).text();
  };

  function send(site: number, request: HttpRequest): Promise<Told> {
    const all = options.processesOf(site);
    const serving = all.filter((process) => process.isServing);
    const process = serving[Math.floor(noise() * serving.length)];
    return new Promise((resolve) => {
      if (process === undefined)
        return void universe.after(between(noise, 0.2, 2), () => resolve({ status: 'unsent' }));
      let over = false;
      const name = `request ${++requests} ${process.name} ${request.method} ${request.path}`;
      open.add(name);
      const finish = (told: Told): void => {
        if (over) return;
        over = true;
        open.delete(name);
        waiting.get(process)?.delete(broken);
        cancel();
        if (told.status !== 'lost') answered++;
        if (claimsPoison(told) && !new TextDecoder().decode(request.body).includes('\\u0000'))
          universe.violate('I15', `${request.method} ${request.path} was refused for what another one asked`);
        universe.note('answer', () => `${request.method} ${request.path} ${JSON.stringify(told).slice(0, 300)}`);
        resolve(told);
      };
      const broken = (): void => void universe.after(between(noise, 0.1, 3), () => finish({ status: 'lost' }));
      const set = waiting.get(process) ?? new Set();
      waiting.set(process, set.add(broken));
      const cancel = universe.after(ANSWER_WITHIN_MS, () => {
        if (over) return;
        universe.violate(
          'I16',
          `${request.method} ${request.path} at ${process.name} had no answer after ${ANSWER_WITHIN_MS} ms`,
        );
      });
      universe.note(
        'request',
        () => `${process.name} ${request.method} ${request.path} ${new TextDecoder().decode(request.body)}`,
      );
      process.main.world.after(between(noise, 0.1, 1), () => {
        process
          .handle(request)
          .then(async ({ status, headers, body }) => {
            const text = await bytesOf(body);
            process.main.world.after(between(noise, 0.1, 1), () => finish({ status, text, headers }));
          })
          .catch(() => broken());
      });
    });
  }

  const call: Clients['call'] = (site, method, path, body) =>
    send(site, requestOf(method, path, body, undefined, false));

  const claimsPoison = (told: Told): boolean => 'text' in told && messageOf(told.text).includes('a NUL');

  /** A client that repeats until it is answered, under one key. */
  async function ask(
    client: Client,
    entry: OperationEntry,
    id: string,
    method: string,
    path: string,
    body?: unknown,
  ): Promise<Told> {
    const key = entry.keyed ? id : undefined;
    const first = await send(client.site, requestOf(method, path, body, key, false));
    if (key === undefined) return first;
    let told = first;
    let wasLost = told.status === 'lost';
    for (let tries = 0; tries < 12 && !options.isOver(); tries++) {
      const isUncertain =
        told.status === 'lost' || told.status === 'unsent' || told.status === 503 || told.status === 409;
      if (!isUncertain) {
        if (wasLost && told.status !== 'lost' && told.status !== 'unsent') {
          if (
            (told as { headers: HttpAnswer['headers'] }).headers.some(
              ([name]) => name.toLowerCase() === 'idempotent-replayed',
            )
          )
            universe.met('request replayed after a lost answer');
        }
        return told;
      }
      wasLost ||=
        told.status === 'lost' || (told.status === 503 && !claimsNothing(messageOf((told as { text: string }).text)));
      if (told.status === 409 && !wasLost) return told;
      await new Promise<void>((resolve) => void universe.after(REPEAT_MS * (0.5 + noise()), resolve));
      const again = await send(client.site, requestOf(method, path, body, key, false));
      // What was once lost stays possible, whatever is said of a later try.
      if (wasLost && typeof again.status === 'number' && again.status >= 400) {
        if (again.status !== 503 && again.status !== 409) return { status: 'lost' };
      }
      told = again;
    }
    return wasLost ? { status: 'lost' } : told;
  }

  const note = (what: string, told: { status: number; text: string }): void => {
    strange.push(`${what}: ${told.status} ${messageOf(told.text)}`);
  };

  /** Undefined where the answer says that nothing happened, or where it was never sent. */
  function doubtful(told: Told): Outcome | 'nothing' | undefined {
    if (told.status === 'unsent') return 'nothing';
    if (told.status === 'lost') return { kind: 'unknown', why: 'no answer' };
    // A clock that jumped: refused before anything was looked at.
    if (told.status === 403 && /time synchronization/.test((told as { text: string }).text)) return 'nothing';
    if (told.status !== 503 && told.status !== 429) return undefined;
    const message = messageOf((told as { text: string }).text);
    return claimsNothing(message) ? 'nothing' : { kind: 'unknown', why: message };
  }

  const chosen = <K, V>(map: Map<K, V>, pick: number): [K, V] | undefined => [...map][Math.floor(pick * map.size)];

  // ---- addresses --------------------------------------------------------------------------------------------------

  const networkOf = (client: Client, where: number): string =>
    where < NAMED_IN_GLOBAL
      ? GLOBAL_NETWORK
      : externalNetwork(
          sites[Math.floor(((where - NAMED_IN_GLOBAL) / (1 - NAMED_IN_GLOBAL)) * sites.length)] ?? sites[client.site]!,
        );

  async function takeIp(client: Client, entry: OperationEntry, address?: string): Promise<void> {
    const network = networkOf(client, entry.where);
    const key = address === undefined ? '' : addressKey(network, address);
    const pending = history.begin({ client: client.name, verb: address === undefined ? 'take' : 'takeThis', key });
    const path = address === undefined ? '/v1/ip/allocate' : `/v1/ip/allocate/${address}`;
    const told = await ask(client, entry, pending.id, 'POST', path, {
      networkid: network,
      projectid: PROJECT,
      name: pending.id,
    });
    const doubt = doubtful(told);
    if (doubt === 'nothing') return;
    if (doubt !== undefined) {
      client.lost.add(pending.id);
      return pending.end(doubt);
    }
    const { status, text } = told as { status: number; text: string };
    if (status === 201) {
      const ip = JSON.parse(text) as Ip;
      if (ip.name !== pending.id) universe.violate('I10', `${pending.id} was answered with the address of ${ip.name}`);
      pending.end({ kind: 'done', holder: ip.name }, [addressKey(ip.networkid, ip.ipaddress)]);
      client.ips.set(ip.ipaddress, { id: pending.id, network: ip.networkid });
      return;
    }
    const message = messageOf(text);
    if (status === 409 && address !== undefined && !/again|lies in a block|elsewhere|can't be moved/.test(message))
      return pending.end({ kind: 'refused', why: message });
    if (status === 500 && message.includes('no ips left')) return universe.met('exhausted');
    if (status === 422 || (status === 409 && /again|lies in a block|elsewhere|can't be moved/.test(message))) return;
    note(`take ${network} ${address ?? ''}`, { status, text });
  }

  /** One of the first addresses: there the clients meet. */
  function namedAddress(client: Client, entry: OperationEntry): string {
    const network = networkOf(client, entry.where);
    const bits = network === GLOBAL_NETWORK ? shape.globalBits : shape.externalBits;
    const host = 1 + Math.floor(entry.pick * Math.min(6, 2 ** (32 - bits) - 2));
    if (network === GLOBAL_NETWORK) return `198.51.0.${host}`;
    return `203.0.${sites.indexOf(network.slice('ext-'.length))}.${host}`;
  }

  async function readIp(client: Client, network: string, address: string): Promise<string | undefined> {
    const pending = history.begin({ client: client.name, verb: 'read', key: addressKey(network, address) });
    const told = await call(client.site, 'GET', `/v1/ip/${address}`);
    if (doubtful(told) !== undefined) return undefined;
    const { status, text, headers } = told as { status: number; text: string; headers: HttpAnswer['headers'] };
    if (headers.some(([name]) => name.toLowerCase() === 'x-stale-partitions')) return undefined;
    if (status !== 200 && status !== 404) {
      note('read ip', { status, text });
      return undefined;
    }
    const holder = status === 200 ? (JSON.parse(text) as Ip).name : '';
    pending.end({ kind: 'done', holder });
    return holder;
  }

  async function freeIp(client: Client, entry: OperationEntry): Promise<void> {
    const held = chosen(client.ips, entry.pick);
    if (held === undefined) return;
    const [address, { id: expected, network }] = held;
    client.ips.delete(address);
    const key = addressKey(network, address);
    const pending = history.begin({ client: client.name, verb: 'give', key, expected });
    const told = await send(client.site, requestOf('DELETE', `/v1/ip/free/${address}`, undefined, undefined, false));
    const doubt = doubtful(told);
    if (doubt === 'nothing') return void client.ips.set(address, { id: expected, network });
    if (doubt !== undefined) {
      pending.end(doubt);
      const holder = await readIp(client, network, address);
      if (holder === expected) client.ips.set(address, { id: expected, network });
      return;
    }
    const { status, text } = told as { status: number; text: string };
    if (status === 200) pending.end({ kind: 'done', holder: (JSON.parse(text) as Ip).name });
    else if (status === 404) pending.end({ kind: 'refused', why: messageOf(text) });
    else if (status === 409) client.ips.set(address, { id: expected, network });
    else note('free ip', { status, text });
  }

  // ---- machines ---------------------------------------------------------------------------------------------------

  async function allocateMachine(client: Client, entry: OperationEntry): Promise<void> {
    const site = sites[entry.where < 0.7 ? client.site : Math.floor(entry.pick * sites.length)]!;
    const network = chosen(client.networks, entry.pick)?.[0] ?? privateOf(site);
    const pending = history.begin({ client: client.name, verb: 'take' });
    const told = await ask(client, entry, pending.id, 'POST', '/v1/machine/allocate', {
      name: pending.id,
      projectid: PROJECT,
      partitionid: partitionOf(site),
      sizeid: SIZE,
      imageid: IMAGE,
      networks: [
        { networkid: network },
        ...(entry.pick < 0.6 ? [{ networkid: entry.pick < 0.3 ? GLOBAL_NETWORK : externalNetwork(site) }] : []),
      ],
    });
    const doubt = doubtful(told);
    if (doubt === 'nothing') return;
    if (doubt !== undefined) {
      client.lost.add(pending.id);
      return pending.end(doubt);
    }
    const { status, text } = told as { status: number; text: string };
    if (status === 200) {
      const machine = JSON.parse(text) as Machine;
      pending.end({ kind: 'done', holder: machine.allocation?.name ?? '' }, keysOf(machine));
      client.machines.set(machine.id, { id: pending.id, keys: keysOf(machine) });
      return;
    }
    // No candidate, no address, a network that is gone or of another partition: rules of the field.
    if (![400, 404, 409, 422, 500].includes(status)) note('allocate', { status, text });
    if (status === 500 && !/no ips left|no machine|acquire|exhaust/i.test(messageOf(text)))
      note('allocate', { status, text });
  }

  const privateOf = (site: string): string => `private-${site}`;

  async function readMachine(client: Client, id: string): Promise<Machine | undefined> {
    const pending = history.begin({ client: client.name, verb: 'read', key: machineKey(id) });
    const told = await call(client.site, 'GET', `/v1/machine/${id}`);
    if (doubtful(told) !== undefined) return undefined;
    const { status, text, headers } = told as { status: number; text: string; headers: HttpAnswer['headers'] };
    if (headers.some(([name]) => name.toLowerCase() === 'x-stale-partitions')) return undefined;
    if (status !== 200) {
      note('read machine', { status, text });
      return undefined;
    }
    const machine = JSON.parse(text) as Machine;
    pending.end({ kind: 'done', holder: machine.allocation?.name ?? '' });
    return machine;
  }

  async function freeMachine(client: Client, entry: OperationEntry): Promise<void> {
    const held = chosen(client.machines, entry.pick);
    if (held === undefined) return;
    const [machine, { id: expected, keys }] = held;
    client.machines.delete(machine);
    const pending = history.begin({ client: client.name, verb: 'give', expected });
    const told = await send(
      client.site,
      requestOf('DELETE', `/v1/machine/${machine}/free`, undefined, undefined, false),
    );
    const doubt = doubtful(told);
    if (doubt === 'nothing') return void client.machines.set(machine, { id: expected, keys });
    if (doubt !== undefined) {
      pending.end(doubt, keys);
      const now = await readMachine(client, machine);
      if (now?.allocation?.name === expected) client.machines.set(machine, { id: expected, keys });
      return;
    }
    const { status, text } = told as { status: number; text: string };
    if (status === 200) pending.end({ kind: 'done', holder: '?' }, keys);
    else if (status === 409) client.machines.set(machine, { id: expected, keys });
    else note('free machine', { status, text });
  }

  /** The boot image of a machine: it lives, and waits if nobody has it. */
  async function agent(entry: OperationEntry): Promise<void> {
    const site = Math.floor(entry.where * sites.length);
    const id = machineId(sites[site]!, Math.floor(entry.pick * shape.machines));
    const process = options.processesOf(site).find((one) => one.isServing);
    const active = process?.active;
    if (process === undefined || active === undefined) return;
    const scope = partitionScope(partitionOf(sites[site]!));
    const to = addressOf(scope, 'machine', id);
    const as = { who: 'agent', withinMs: 10_000 };
    // A machine knows by itself what it is.
    const isAllocated = options.isAllocated(site, id);
    const event = isAllocated ? 'Phoned Home' : 'Waiting';
    await active.site.ask(to, 'event', { event, message: '', partition: partitionOf(sites[site]!) }, as);
    if (!isAllocated) await active.site.ask(to, 'wait', {}, as);
  }

  // ---- networks and the directory ---------------------------------------------------------------------------------

  /** Take, read and give of what has an id and a text that names who took it. */
  async function take(
    client: Client,
    entry: OperationEntry,
    what: {
      kind: string;
      path: string;
      method: string;
      body(id: string): object;
      id?: string;
      /** Whether a refusal says that somebody has it. */
      isSaid?: boolean;
      held: Map<string, string>;
    },
  ): Promise<void> {
    const key = what.id === undefined ? '' : `${what.kind} ${what.id}`;
    const pending = history.begin({ client: client.name, verb: what.id === undefined ? 'take' : 'takeThis', key });
    const told = await ask(client, entry, pending.id, what.method, what.path, what.body(pending.id));
    const doubt = doubtful(told);
    if (doubt === 'nothing') return;
    if (doubt !== undefined) {
      client.lost.add(pending.id);
      return pending.end(doubt);
    }
    const { status, text } = told as { status: number; text: string };
    if (status === 201 || status === 200) {
      const { id, description } = JSON.parse(text) as { id: string; description?: string };
      if (description !== pending.id)
        universe.violate('I10', `${pending.id} was answered with the ${what.kind} of ${description}`);
      pending.end({ kind: 'done', holder: description ?? '' }, [`${what.kind} ${id}`]);
      what.held.set(id, pending.id);
      return;
    }
    if (status === 409 && what.id !== undefined && what.isSaid !== false && messageOf(text).includes('exists'))
      return pending.end({ kind: 'refused', why: messageOf(text) });
    if (![404, 409, 422, 500].includes(status)) note(`make ${what.kind}`, { status, text });
  }

  async function give(
    client: Client,
    entry: OperationEntry,
    what: { kind: string; path(id: string): string; held: Map<string, string> },
  ): Promise<void> {
    const held = chosen(what.held, entry.pick);
    if (held === undefined) return;
    const [id, expected] = held;
    what.held.delete(id);
    const key = `${what.kind} ${id}`;
    const pending = history.begin({ client: client.name, verb: 'give', key, expected });
    const told = await send(client.site, requestOf('DELETE', what.path(id), undefined, undefined, false));
    const doubt = doubtful(told);
    if (doubt === 'nothing') return void what.held.set(id, expected);
    if (doubt !== undefined) return pending.end(doubt);
    const { status, text } = told as { status: number; text: string };
    if (status === 200)
      pending.end({ kind: 'done', holder: (JSON.parse(text) as { description?: string }).description ?? '?' });
    else if (status === 404) pending.end({ kind: 'refused', why: messageOf(text) });
    else if (status === 422 || status === 409) what.held.set(id, expected);
    else note(`delete ${what.kind}`, { status, text });
  }

  async function read(client: Client, kind: string, path: string, id: string): Promise<void> {
    const pending = history.begin({ client: client.name, verb: 'read', key: `${kind} ${id}` });
    const told = await call(client.site, 'GET', `${path}/${id}`);
    if (doubtful(told) !== undefined) return;
    const { status, text, headers } = told as { status: number; text: string; headers: HttpAnswer['headers'] };
    if (headers.some(([name]) => name.toLowerCase() === 'x-stale-partitions')) return;
    if (status !== 200 && status !== 404) return note(`read ${kind}`, { status, text });
    pending.end({
      kind: 'done',
      holder: status === 404 ? '' : ((JSON.parse(text) as { description?: string }).description ?? ''),
    });
  }

  /** Sizes of one site, changed and read there only: elsewhere a copy answers, which may be behind. */
  const sizeOf = (client: Client, entry: OperationEntry): string =>
    `size-${sites[client.site]}-${Math.floor(entry.pick * 4)}`;

  const globals = new Map<string, string>();
  async function list(client: Client, entry: OperationEntry): Promise<void> {
    const paths = ['/v1/ip', '/v1/machine', '/v1/network', '/v1/size'];
    const told = await call(client.site, 'GET', paths[Math.floor(entry.pick * paths.length)]!);
    if ('headers' in told && told.headers.some(([name]) => name.toLowerCase() === 'x-stale-partitions'))
      universe.met('stale part of a list');
  }

  const makers: Record<OperationEntry['do'], (client: Client, entry: OperationEntry) => Promise<unknown>> = {
    takeIp: (client, entry) => takeIp(client, entry),
    takeThisIp: (client, entry) => takeIp(client, entry, namedAddress(client, entry)),
    freeIp,
    readIp: (client, entry) => readIp(client, networkOf(client, entry.where), namedAddress(client, entry)),
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
    allocateNetwork: (client, entry) =>
      take(client, entry, {
        kind: 'network',
        method: 'POST',
        path: '/v1/network/allocate',
        body: (id) => ({
          name: id,
          description: id,
          projectid: PROJECT,
          partitionid: partitionOf(sites[client.site]!),
        }),
        held: client.networks,
      }),
    freeNetwork: (client, entry) =>
      give(client, entry, { kind: 'network', path: (id) => `/v1/network/free/${id}`, held: client.networks }),
    readNetwork: async (client, entry) => {
      const one = chosen(client.networks, entry.pick);
      if (one !== undefined) await read(client, 'network', '/v1/network', one[0]);
    },
    putSize: (client, entry) => {
      const id = sizeOf(client, entry);
      return take(client, entry, {
        kind: 'size',
        id,
        method: 'PUT',
        path: '/v1/size',
        body: (operation) => ({
          id,
          name: id,
          description: operation,
          constraints: [
            { type: 'cores', min: 1 + Math.floor(entry.where * 1e6), max: 1 + Math.floor(entry.where * 1e6) },
          ],
        }),
        held: client.sizes,
      });
    },
    deleteSize: (client, entry) =>
      give(client, entry, { kind: 'size', path: (id) => `/v1/size/${id}`, held: client.sizes }),
    readSize: (client, entry) => read(client, 'size', '/v1/size', sizeOf(client, entry)),
    list,
    async recover(client) {
      const told = await call(client.site, 'GET', '/v1/machine');
      if (told.status !== 200) return;
      for (const machine of JSON.parse((told as { text: string }).text) as Machine[]) {
        const name = machine.allocation?.name ?? '';
        if (!client.lost.delete(name)) continue;
        client.machines.set(machine.id, { id: name, keys: keysOf(machine) });
      }
    },
    createNetwork: (client, entry) => {
      const number = Math.floor(entry.pick * 4);
      return take(client, entry, {
        kind: 'global',
        id: `global-${number}`,
        // Two sites that propose the same at once refuse each other.
        isSaid: false,
        method: 'PUT',
        path: '/v1/network',
        body: (id) => ({
          id: `global-${number}`,
          name: id,
          description: id,
          prefixes: [`192.0.${number}.0/26`],
          destinationprefixes: ['0.0.0.0/0'],
          nat: true,
          privatesuper: false,
          underlay: false,
        }),
        held: client.networks.size > 64 ? new Map() : globals,
      });
    },
    deleteNetwork: (client, entry) =>
      give(client, entry, { kind: 'global', path: (id) => `/v1/network/${id}`, held: globals }),
    async poison(client, entry) {
      const network = networkOf(client, entry.where);
      const body = { networkid: network, projectid: PROJECT, name: 'a\0b' };
      const told = await send(client.site, requestOf('POST', '/v1/ip/allocate', body, undefined, false));
      if (typeof told.status === 'number' && told.status < 400)
        universe.violate('I15', `what no column can hold was answered with ${told.status}`);
      if (claimsPoison(told)) universe.met('group refused by a rule');
    },
    async rogue(client, entry) {
      const active = options.processesOf(client.site).find((process) => process.isServing)?.active;
      const victim = sites[Math.floor(entry.where * sites.length)]!;
      const heard = sites[Math.floor(entry.pick * sites.length)]!;
      if (active === undefined || victim === sites[client.site] || heard === sites[client.site]) return;
      const created = { wallMs: START_MS, counter: 0, site: victim };
      const entity = {
        id: `size-${victim}-0`,
        name: 'rogue',
        description: 'rogue',
        created: 0,
        changed: 0,
        constraints: [],
        labels: {},
      };
      const forged = { kind: 'size', id: entity.id, home: victim, revision: 100, created, entity };
      void active.federation.ask(heard, 'directory.apply', { entries: [forged] }, 1_000).catch(() => {});
    },
    async forge(client, entry) {
      const request = requestOf(
        'POST',
        '/v1/ip/allocate',
        { networkid: networkOf(client, entry.where), projectid: PROJECT, name: 'forged' },
        undefined,
        true,
      );
      const told = await send(client.site, request);
      if (typeof told.status === 'number' && told.status < 400)
        universe.violate('I19', `a request with a wrong signature was answered with ${told.status}`);
    },
  };

  return {
    history,
    strange,
    get open() {
      return [...open];
    },
    get answered() {
      return answered;
    },
    perform(entry) {
      const client = clients[entry.client % clients.length]!;
      universe.note('operation', () => `${client.name} ${entry.do}`);
      const name = `${client.name} ${entry.do} at ${entry.atMs.toFixed(3)}`;
      open.add(name);
      void makers[entry.do](client, entry)
        .catch((error: unknown) =>
          universe.violate(
            'test',
            `${entry.do}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
          ),
        )
        .finally(() => open.delete(name));
    },
    died(process) {
      const all = waiting.get(process);
      waiting.delete(process);
      for (const broken of all ?? []) broken();
    },
    call,
  };
}
