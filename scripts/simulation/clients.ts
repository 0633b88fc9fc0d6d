// Clients of the simulated sites: whole requests to the edge, and a history of what they were told.
import type { EdgeConfig } from '../../http/site.ts';
import { createHistory, type History } from '../process/history.ts';
import { addressOperations } from './client/addresses.ts';
import type { Told } from './client/answers.ts';
import { createClient, strangeAnswer, type Ground, type Operation, type Strange } from './client/client.ts';
import { machineOperations } from './client/machines.ts';
import { misuses } from './client/misuse.ts';
import { namedOperations } from './client/named.ts';
import { createRequests } from './client/requests.ts';
import type { OperationEntry, OperationKind, Shape } from './schedule.ts';
import type { SiteProcess } from './site-process.ts';
import type { Universe } from './universe.ts';

export type { Told } from './client/answers.ts';
export { externalNetwork, GLOBAL_NETWORK } from './client/things.ts';

export interface Clients {
  readonly history: History;
  /** Answers that nobody should ever get. */
  readonly strange: readonly Strange[];
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
  /** Whether a way to or from the site is blocked. */
  isCut(site: number): boolean;
  /** Begins to look: whether an address was released since, wherever. */
  watchReleases(): (address: string) => boolean;
  isOver(): boolean;
  /** What is said from memory may be old: nobody is held to it. */
  isDisputed(): boolean;
}

export function createClients(options: ClientsOptions): Clients {
  const { universe, shape, sites, hmac, processesOf, isAllocated, isCut, watchReleases, isOver, isDisputed } = options;
  const strange: Strange[] = [];
  const open = new Set<string>();
  const history = createHistory(() => universe.nowMs);
  const requests = createRequests({ universe, hmac, processesOf, isOver, isDisputed, open });
  const clients = Array.from({ length: shape.clients }, (_, number) => createClient(number, sites.length));
  const ground: Ground = {
    universe,
    shape,
    sites,
    history,
    requests,
    processesOf,
    isAllocated,
    isCut,
    watchReleases,
    isStrange: (what, answered, about) => void strange.push(strangeAnswer(what, answered, about)),
  };
  const operations: Record<OperationKind, Operation> = {
    ...addressOperations(ground),
    ...machineOperations(ground),
    ...namedOperations(ground),
    ...misuses(ground),
  };

  return {
    history,
    strange,
    get open() {
      return [...open];
    },
    get answered() {
      return requests.answered;
    },
    perform(entry) {
      const client = clients[entry.client % clients.length]!;
      universe.note('operation', () => `${client.name} ${entry.do}`);
      const name = `${client.name} ${entry.do} at ${entry.atMs.toFixed(3)}`;
      open.add(name);
      const failed = (error: unknown): void =>
        universe.violate(
          'test',
          `${entry.do}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
        );
      void operations[entry.do](client, entry)
        .catch(failed)
        .finally(() => open.delete(name));
    },
    died: requests.died,
    call: (site, method, path, body) => requests.send(site, { method, path, body, isPatient: true }),
  };
}
