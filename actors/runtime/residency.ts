// Which actors stay in memory: those in use, and of the idle ones the latest, up to a number and a time.
import type { Cell } from './cell.ts';

export interface ResidencyLimits {
  /** Actors of a shard; idle ones beyond it leave, the longest idle first. */
  resident: number;
  /** An actor idle for so long leaves in any case. */
  passivateMs: number;
}

/** Idle, with nothing that a reload would lose. An actor with an index over others' rows stays: loading it reads them all. */
const mayLeave = (cell: Cell): boolean =>
  cell.status === 'idle' &&
  cell.inbox.length === 0 &&
  cell.waiting.length === 0 &&
  cell.held.size === 0 &&
  cell.behaviour.scans === undefined;

/** Names of the cells that leave now. */
export function leaving(cells: ReadonlyMap<string, Cell>, now: number, limits: ResidencyLimits): string[] {
  const names: string[] = [];
  const others: Array<{ name: string; touchedMs: number }> = [];
  const tooMany = cells.size > limits.resident;
  for (const [name, cell] of cells) {
    if (!mayLeave(cell)) continue;
    if (now - cell.touchedMs > limits.passivateMs) names.push(name);
    else if (tooMany) others.push({ name, touchedMs: cell.touchedMs });
  }
  // Some more than needed, so that not every tick has to sort.
  const surplus = tooMany ? cells.size - names.length - Math.floor(limits.resident * 0.9) : 0;
  if (surplus <= 0) return names;
  others.sort((a, b) => a.touchedMs - b.touchedMs);
  for (const { name } of others.slice(0, surplus)) names.push(name);
  return names;
}
