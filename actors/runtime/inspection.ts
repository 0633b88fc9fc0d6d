// What a shard shows of itself: plain values that travel to the main thread.
import type { Kind, Scope } from '../address.ts';
import type { Fence } from '../ports.ts';
import { crashesOf, waitText, type Cell, type CellStatus } from './cell.ts';
import type { Cells } from './cells.ts';
import type { Committer } from './committer.ts';
import type { GroupFigures } from './committer/figures.ts';
import type { Coordinator } from './coordinator.ts';
import type { Heard, Observation, Times } from './observation.ts';
import type { TurnFigures } from './turn-figures.ts';

export interface ActorSummary {
  scope: Scope;
  kind: Kind;
  id: string;
  status: CellStatus;
  /** Messages not looked at yet. */
  inbox: number;
  /** Messages that wait for a change. */
  waiting: number;
  /** Reservations that no operation has ended yet. */
  held: number;
  turns: number;
  crashes: number;
  idleMs: number;
  turnMs: Times | null;
  /** The newest message of those kept; null: none. */
  last: Heard | null;
}

export interface ActorInspection extends ActorSummary {
  state: unknown;
  /** Oldest first, at most 16. */
  messages: Heard[];
  /** Why its waiting messages wait. */
  waitsFor: string[];
  /** Operations that hold something of it. */
  holds: string[];
}

/** Which actors of a shard are listed. */
export interface CellFilter {
  /** null, as with the others: all. */
  scopes: readonly Scope[] | null;
  kind: string | null;
  /** Part of the id. */
  id: string | null;
  /** Most that are listed of one scope and kind: the busy ones, then those that were active last. */
  limit: number;
}

/** Sums over all actors of a kind that the filter lets through, also over those that are not listed. */
export interface KindSummary {
  scope: Scope;
  kind: Kind;
  resident: number;
  busy: number;
  inbox: number;
  waiting: number;
  held: number;
  crashes: number;
}

export interface ShardInspection {
  shard: number;
  state: string;
  fences: Fence[];
  groups: GroupFigures;
  /** Operations that wait for the group in flight to end. */
  depth: number;
  /** Operations over several actors that are under way. */
  coordinations: number;
  loopDelayMs: Times | null;
  /** Actors whose last messages are kept. */
  observed: number;
  /** Times of turns by kind, whatever the filter. */
  turns: TurnFigures[];
  kinds: KindSummary[];
  cells: ActorSummary[];
}

const summaryOf = (cell: Cell, observation: Observation, nowMs: number): ActorSummary => {
  const { messages, turnMs } = observation.of(cell);
  return {
    ...cell.address,
    status: cell.status,
    inbox: cell.inbox.length,
    waiting: cell.waiting.length,
    held: cell.held.size,
    turns: cell.turns,
    crashes: crashesOf(cell),
    idleMs: Math.round(nowMs - cell.touchedMs),
    turnMs,
    last: messages.at(-1) ?? null,
  };
};

export interface ShardParts {
  shard: number;
  state: string;
  fences: Fence[];
  committer: Committer;
  coordinator: Coordinator;
  cells: Pick<Cells, 'values'>;
  observation: Observation;
  nowMs: number;
}

export const isBusy = (cell: Cell): boolean =>
  cell.status !== 'idle' || cell.inbox.length > 0 || cell.waiting.length > 0 || cell.held.size > 0;

const load = (cell: Cell): number => cell.inbox.length + cell.waiting.length + cell.held.size;
const busiestFirst = (a: Cell, b: Cell): number =>
  Number(isBusy(b)) - Number(isBusy(a)) || load(b) - load(a) || b.touchedMs - a.touchedMs;

const passes = ({ address }: Cell, { scopes, kind, id }: CellFilter): boolean =>
  (scopes === null || scopes.includes(address.scope)) &&
  (kind === null || address.kind === kind) &&
  (id === null || address.id.includes(id));

const ALL: CellFilter = { scopes: null, kind: null, id: null, limit: 100 };

export function inspectShard(parts: ShardParts, filter: CellFilter | null): ShardInspection {
  const { committer, coordinator, cells, observation, nowMs, ...own } = parts;
  const wanted = filter ?? ALL;
  const kinds = new Map<string, { sums: KindSummary; cells: Cell[] }>();
  for (const cell of cells.values()) {
    if (!passes(cell, wanted)) continue;
    const { scope, kind } = cell.address;
    const name = `${scope}/${kind}`;
    let entry = kinds.get(name);
    if (entry === undefined) {
      entry = { sums: { scope, kind, resident: 0, busy: 0, inbox: 0, waiting: 0, held: 0, crashes: 0 }, cells: [] };
      kinds.set(name, entry);
    }
    const { sums } = entry;
    sums.resident++;
    if (isBusy(cell)) sums.busy++;
    sums.inbox += cell.inbox.length;
    sums.waiting += cell.waiting.length;
    sums.held += cell.held.size;
    sums.crashes += crashesOf(cell);
    if (wanted.limit > 0) entry.cells.push(cell);
  }
  return {
    ...own,
    groups: committer.groups,
    depth: committer.depth,
    coordinations: coordinator.running,
    loopDelayMs: observation.loopDelayMs,
    observed: observation.actors,
    turns: observation.turns,
    kinds: [...kinds.values()].map(({ sums }) => sums),
    cells: [...kinds.values()].flatMap((entry) =>
      entry.cells
        .sort(busiestFirst)
        .slice(0, wanted.limit)
        .map((cell) => summaryOf(cell, observation, nowMs)),
    ),
  };
}

export function inspectActor(cell: Cell, observation: Observation, nowMs: number): ActorInspection {
  return {
    ...summaryOf(cell, observation, nowMs),
    state: cell.state === undefined ? null : (cell.behaviour.describe?.(cell.state) ?? null),
    messages: observation.of(cell).messages,
    waitsFor: [...new Set(cell.waiting.map((mail) => waitText.get(mail) ?? mail.name))],
    holds: [...cell.held.keys()],
  };
}
