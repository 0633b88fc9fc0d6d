// Which actors stay in memory: those in use, and of the idle ones the latest, up to a number and a time.
import type { Cell } from './cell.ts';
import type { Cells } from './cells.ts';

export interface ResidencyLimits {
  /** Actors of a shard; idle ones beyond it leave, the longest idle first. */
  resident: number;
  /** An actor idle for so long leaves in any case. */
  passivateMs: number;
}

/**
 * Idle, or not even loaded, with nothing that a reload would lose. An actor with an index over others' rows stays: loading
 * it reads them all.
 */
const mayLeave = (cell: Cell): boolean =>
  (cell.status === 'idle' || cell.status === 'cold') &&
  cell.inbox.length === 0 &&
  cell.waiting.length === 0 &&
  cell.held.size === 0 &&
  cell.behaviour.scans === undefined;

/** Those that leave now. */
export function leaving(cells: Pick<Cells, 'values' | 'size'>, now: number, limits: ResidencyLimits): Cell[] {
  const left: Cell[] = [];
  const others: Cell[] = [];
  const tooMany = cells.size > limits.resident;
  for (const cell of cells.values()) {
    if (!mayLeave(cell)) continue;
    if (now - cell.touchedMs > limits.passivateMs) left.push(cell);
    else if (tooMany) others.push(cell);
  }
  // Some more than needed, so that not every tick has to sort.
  const surplus = tooMany ? cells.size - left.length - Math.floor(limits.resident * 0.9) : 0;
  if (surplus <= 0) return left;
  others.sort((a, b) => a.touchedMs - b.touchedMs);
  return left.concat(others.slice(0, surplus));
}
