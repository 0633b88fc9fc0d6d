// Which requests go first when not all can be served (reliability.md §10).
import { matchOperation } from '../router/locate.ts';
import { DRY_HEADER, DRY_QUERY } from './dry-run.ts';

const DRY = DRY_HEADER.toLowerCase();

/**
 * A: gives something back, or tells what machines and switches do. B: single reads and writes. C: lists, searches, dry
 * runs, inspection. A never waits behind C.
 */
export type RequestClass = 'A' | 'B' | 'C';

/** By operationId; what is not here is B, what merges answers of several sites is C. */
const CLASSES: Readonly<Record<string, RequestClass>> = {
  freeMachine: 'A',
  freeNetwork: 'A',
  freeNetworkDeprecated: 'A',
  freeIP: 'A',
  ipmiReport: 'A',
  registerSwitch: 'A',
  notifySwitch: 'A',
  setMachineState: 'A',
  health: 'A',
  info: 'A',
  findAuditTraces: 'C',
  listIssues: 'C',
  listImages: 'C',
  findImages: 'C',
  listProjects: 'C',
  findProjects: 'C',
  findProject: 'B',
  listTenants: 'C',
  findTenants: 'C',
  listSizes: 'C',
  listFirmwares: 'C',
  sizeReservationsUsage: 'C',
};

const PROBES = /\/(?:healthz|readyz|metrics)$/;
const BELOW_V2: readonly [RegExp, RequestClass][] = [
  [/\/v2\/bus\//, 'A'],
  [/\/v2\/federation\b/, 'A'],
  [/\/v2\/(?:inspect|audit|openapi|watch)\b/, 'C'],
];

export interface Classified {
  class: RequestClass;
  /** operationId; '' for what v1 does not have. Answers of one operation are compared with each other. */
  operation: string;
}

/** A request, as far as it has to be known for letting it in. */
export interface Arrival extends Classified {
  /** Who asks, as far as the head tells: fair shares are by it. */
  identity: string;
}

/** Below /v2; v1 has no such parameter, and refuses it. */
const asksByQuery = (path: string): boolean =>
  path.includes(DRY_QUERY) && new URLSearchParams(path.slice(path.indexOf('?') + 1)).get(DRY_QUERY) === 'true';

/** `path` with the query; `header` by its lower-case name. */
export function classify(
  method: string,
  path: string,
  header: (name: string) => string | undefined,
  basePath: string,
): Classified {
  const match = matchOperation(method, path, basePath);
  const operation = match?.operation.id ?? '';
  if (header(DRY) === 'true' || asksByQuery(path)) return { class: 'C', operation };
  if (match !== undefined) {
    const { id, merge } = match.operation;
    return { class: CLASSES[id] ?? (merge === undefined ? 'B' : 'C'), operation };
  }
  const bare = path.split('?', 1)[0] ?? '';
  if (PROBES.test(bare)) return { class: 'A', operation };
  return { class: BELOW_V2.find(([pattern]) => pattern.test(bare))?.[1] ?? 'B', operation };
}
