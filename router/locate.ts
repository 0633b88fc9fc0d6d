// Where does this request belong? One answer for sites and router, from method, path, query and raw body.
import { readHints } from './hints.ts';
import { OPERATIONS, type Operation } from './operations.ts';
import { readPath } from './path.ts';
import type { Merge, OperationClass, Where } from './where.ts';

/** What is read of a request; `path` as on the wire, with the query. */
export interface Locatable {
  readonly method: string;
  readonly path: string;
  readonly body: Uint8Array;
}

export interface Located {
  /** operationId of the OpenAPI document. */
  readonly operation: string;
  readonly class: OperationClass;
  readonly access: 'r' | 'w';
  readonly at: Where;
  /** How parts are merged if `at` names several sites. */
  readonly merge: Merge | undefined;
}

/** An operation found by method and path alone. */
export interface Match {
  readonly operation: Operation;
  readonly params: ReadonlyMap<string, string>;
  readonly query: string;
}

interface Node {
  readonly literals: Map<string, Node>;
  parameter?: { name: string; node: Node };
  operation?: Operation;
}

const emptyNode = (): Node => ({ literals: new Map() });

/** By method and path, for paths without parameters: found without taking them apart. */
const plain = new Map<string, Map<string, Match>>();

const roots = new Map<string, Node>();
for (const operation of OPERATIONS) {
  let node = roots.get(operation.method);
  if (node === undefined) roots.set(operation.method, (node = emptyNode()));
  for (const segment of operation.path.split('/')) {
    if (segment.startsWith('{')) {
      node.parameter ??= { name: segment.slice(1, -1), node: emptyNode() };
      node = node.parameter.node;
    } else {
      let next: Node | undefined = node.literals.get(segment);
      if (next === undefined) node.literals.set(segment, (next = emptyNode()));
      node = next;
    }
  }
  node.operation = operation;
  if (operation.path.includes('{')) continue;
  const paths = plain.get(operation.method) ?? new Map<string, Match>();
  plain.set(operation.method, paths.set(operation.path, { operation, params: new Map(), query: '' }));
}

/** Literals win over parameters; a literal that leads nowhere is an id after all (`/v1/machine/issues/free`). */
function walk(
  node: Node,
  segments: readonly string[],
  from: number,
  params: Map<string, string>,
): Operation | undefined {
  const segment = segments[from];
  if (segment === undefined) return node.operation;
  const literal = node.literals.get(segment);
  const found = literal && walk(literal, segments, from + 1, params);
  if (found !== undefined || node.parameter === undefined || segment === '') return found;
  const id = decoded(segment);
  const operation = id === undefined ? undefined : walk(node.parameter.node, segments, from + 1, params);
  if (operation !== undefined) params.set(node.parameter.name, id!);
  return operation;
}

const decoded = (segment: string): string | undefined => {
  if (!segment.includes('%')) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
};

/** The operation of v1 that a request asks for, below /v1 or /v2; undefined: none, whoever receives it answers. */
export function matchOperation(method: string, path: string, basePath = '/'): Match | undefined {
  const known = path.startsWith(basePath) ? plain.get(method)?.get(path.slice(basePath.length)) : undefined;
  // A literal wins over a parameter, so this one is the one that is found below, too.
  if (known !== undefined) return known;
  const root = roots.get(method);
  const read = root && readPath(path, basePath);
  if (root === undefined || read === undefined) return undefined;
  const params = new Map<string, string>();
  // What v1 has lies below /v2 as well, with the same handlers.
  const segments = read.segments[0] === 'v2' ? ['v1', ...read.segments.slice(1)] : read.segments;
  const operation = walk(root, segments, 0, params);
  return operation && { operation, params, query: read.query };
}

/** Whether its body may be of any length, and is a stream for whoever takes it; every other one is read before all else. */
export const isUpload = (match: Match | undefined): boolean => match?.operation.id === 'uploadFirmware';

/** Where a matched request belongs. The body is parsed only if the operation's rule looks into it. */
export function placeOf({ operation, params, query }: Match, body: Uint8Array): Located {
  return {
    operation: operation.id,
    class: operation.class,
    access: operation.access,
    at: operation.where(readHints(params, query, body)),
    merge: operation.merge,
  };
}

/**
 * Locates a request by the map of operations and partitions (networks.md §10). Undefined: no operation of v1. Nothing is
 * validated: what can't be read is `any`, and answered by whoever receives it. Refuse strange paths first (`refusePath`).
 */
export function locate({ method, path, body }: Locatable, basePath = '/'): Located | undefined {
  const match = matchOperation(method, path, basePath);
  return match && placeOf(match, body);
}
