// What has an id and a text that names who took it: private networks, sizes, networks of the whole federation.
import { UNSAID } from '../../process/history.ts';
import { PROJECT, partitionOf } from '../seed.ts';
import type { OperationEntry, OperationKind } from '../schedule.ts';
import { heardOfTake, messageOf, telling, understood, type Answered } from './answers.ts';
import { chosen, keyOf, type Client, type Ground, type Operation } from './client.ts';

interface Take {
  kind: string;
  method: string;
  path: string;
  body(operation: string): object;
  /** Known beforehand: several may want the same. */
  id?: string;
  /** Whether a refusal says that somebody has it. */
  isSaid?: boolean;
  /** Id → operation that took it. */
  held: Map<string, string>;
}
interface Give {
  kind: string;
  path(id: string): string;
  held: Map<string, string>;
}

const describedBy = (text: string): string | undefined => (JSON.parse(text) as { description?: string }).description;

type Kinds =
  | 'allocateNetwork'
  | 'freeNetwork'
  | 'readNetwork'
  | 'putSize'
  | 'deleteSize'
  | 'readSize'
  | 'putShared'
  | 'deleteShared'
  | 'createNetwork'
  | 'deleteNetwork';

/** Two sizes drew the same number of cores. */
const isOverlap = ({ status, text }: Answered): boolean => status === 400 && messageOf(text).includes('overlap');

const MOST_NETWORKS = 64;
const SHARED_NAMES = 3;

export function namedOperations(ground: Ground): Pick<Record<OperationKind, Operation>, Kinds> {
  const { universe, sites, history, requests } = ground;
  const globals = new Map<string, string>();

  async function take(client: Client, entry: OperationEntry, what: Take): Promise<void> {
    const key = what.id === undefined ? '' : `${what.kind} ${what.id}`;
    const pending = history.begin({ client: client.name, verb: what.id === undefined ? 'take' : 'takeThis', key });
    const told = await requests.persist(client.site, {
      method: what.method,
      path: what.path,
      body: what.body(pending.id),
      key: keyOf(entry, pending.id),
    });
    const heard = heardOfTake(client, pending, told);
    if (heard === undefined) return;
    const { status, text } = heard;
    if (status === 201 || status === 200) {
      const { id } = JSON.parse(text) as { id: string };
      const description = describedBy(text);
      if (description !== pending.id)
        universe.violate('I10', `${pending.id} was answered with the ${what.kind} of ${description}`);
      pending.end({ kind: 'done', holder: description ?? '' }, [`${what.kind} ${id}`]);
      what.held.set(id, pending.id);
      return;
    }
    if (status === 409 && what.id !== undefined && what.isSaid !== false && messageOf(text).includes('exists'))
      return pending.end({ kind: 'refused', why: messageOf(text) });
    if (isOverlap(heard)) return;
    if (![404, 409, 422, 500].includes(status)) ground.isStrange(`make ${what.kind}`, heard, key);
  }

  async function give(client: Client, entry: OperationEntry, what: Give): Promise<void> {
    const held = chosen(what.held, entry.pick);
    if (held === undefined) return;
    const [id, expected] = held;
    what.held.delete(id);
    const pending = history.begin({ client: client.name, verb: 'give', key: `${what.kind} ${id}`, expected });
    const told = await requests.send(client.site, { method: 'DELETE', path: what.path(id) });
    const heard = understood(told);
    if (heard === 'nothing') return void what.held.set(id, expected);
    if ('kind' in heard) return pending.end(heard);
    const { status, text } = heard;
    if (status === 200) pending.end({ kind: 'done', holder: describedBy(text) ?? UNSAID });
    else if (status === 404) pending.end({ kind: 'refused', why: messageOf(text) });
    else if (status === 422 || status === 409) what.held.set(id, expected);
    else ground.isStrange(`delete ${what.kind}`, heard, `${what.kind} ${id}`);
  }

  async function read(client: Client, kind: string, path: string, id: string): Promise<void> {
    const pending = history.begin({ client: client.name, verb: 'read', key: `${kind} ${id}` });
    const told = telling(await requests.send(client.site, { method: 'GET', path: `${path}/${id}` }));
    if (told === undefined) return;
    if (told.status !== 200 && told.status !== 404) return ground.isStrange(`read ${kind}`, told, `${kind} ${id}`);
    pending.end({ kind: 'done', holder: told.status === 404 ? '' : (describedBy(told.text) ?? '') });
  }

  /** Sizes of one site, changed and read there only: elsewhere a copy answers, which may be behind. */
  const sizeOf = (client: Client, entry: OperationEntry): string =>
    `size-${sites[client.site]}-${Math.floor(entry.pick * 4)}`;

  /**
   * A size that every site may create, also without knowing of the other's: one of both stands in the end. The history does
   * not judge those; that all sites agree does (I13).
   */
  const sharedOf = ({ pick }: OperationEntry): string => `size-shared-${Math.floor(pick * SHARED_NAMES)}`;

  return {
    async putShared(client, entry) {
      const id = sharedOf(entry);
      const cores = 1_000_001 + Math.floor(entry.where * 1e6);
      const told = await requests.send(client.site, {
        method: 'PUT',
        path: '/v1/size',
        body: { id, name: id, constraints: [{ type: 'cores', min: cores, max: cores }] },
      });
      const heard = understood(told);
      if (heard === 'nothing' || !('status' in heard) || isOverlap(heard)) return;
      if (![201, 409, 422].includes(heard.status)) ground.isStrange('make a shared size', heard);
    },
    async deleteShared(client, entry) {
      const told = await requests.send(client.site, { method: 'DELETE', path: `/v1/size/${sharedOf(entry)}` });
      const heard = understood(told);
      if (heard !== 'nothing' && 'status' in heard && ![200, 404, 409, 422].includes(heard.status))
        ground.isStrange('delete a shared size', heard);
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
    async readNetwork(client, entry) {
      const one = chosen(client.networks, entry.pick);
      if (one !== undefined) await read(client, 'network', '/v1/network', one[0]);
    },
    putSize(client, entry) {
      const id = sizeOf(client, entry);
      const cores = 1 + Math.floor(entry.where * 1e6);
      return take(client, entry, {
        kind: 'size',
        id,
        method: 'PUT',
        path: '/v1/size',
        body: (operation) => ({
          id,
          name: id,
          description: operation,
          constraints: [{ type: 'cores', min: cores, max: cores }],
        }),
        held: client.sizes,
      });
    },
    deleteSize: (client, entry) =>
      give(client, entry, { kind: 'size', path: (id) => `/v1/size/${id}`, held: client.sizes }),
    readSize: (client, entry) => read(client, 'size', '/v1/size', sizeOf(client, entry)),
    createNetwork(client, entry) {
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
        held: client.networks.size > MOST_NETWORKS ? new Map() : globals,
      });
    },
    deleteNetwork: (client, entry) =>
      give(client, entry, { kind: 'global', path: (id) => `/v1/network/${id}`, held: globals }),
  };
}
