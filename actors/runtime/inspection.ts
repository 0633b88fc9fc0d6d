// What a shard shows of itself: plain values that travel to the main thread.
import type { Kind, Scope } from '../address.ts';
import type { Fence } from '../ports.ts';
import { waitText, type Cell, type CellStatus } from './cell.ts';
import type { Committer, GroupFigures } from './committer.ts';
import type { Coordinator } from './coordinator.ts';
import type { Heard, Observation, Times } from './observation.ts';

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
    crashes: cell.crashes,
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
  cells: ReadonlyMap<string, Cell>;
  observation: Observation;
  nowMs: number;
}

export const inspectShard = ({
  committer,
  coordinator,
  cells,
  observation,
  nowMs,
  ...own
}: ShardParts): ShardInspection => ({
  ...own,
  groups: committer.groups,
  depth: committer.depth,
  coordinations: coordinator.running,
  loopDelayMs: observation.loopDelayMs,
  observed: observation.actors,
  cells: [...cells.values()].map((cell) => summaryOf(cell, observation, nowMs)),
});

export function inspectActor(cell: Cell, observation: Observation, nowMs: number): ActorInspection {
  return {
    ...summaryOf(cell, observation, nowMs),
    state: cell.state === undefined ? null : (cell.behaviour.describe?.(cell.state) ?? null),
    messages: observation.of(cell).messages,
    waitsFor: [...new Set(cell.waiting.map((mail) => waitText.get(mail) ?? mail.name))],
    holds: [...cell.held.keys()],
  };
}
