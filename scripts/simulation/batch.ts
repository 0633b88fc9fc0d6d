// Many seeds one after the other, and what they met.
import { SOMETIMES } from './points.ts';
import type { Mutation } from './parts.ts';
import { runSchedule, type RunResult } from './run.ts';
import { drawSchedule, type Wishes } from './schedule.ts';
import type { Violation } from './universe.ts';

export interface Batch {
  seeds: number;
  events: number;
  realMs: number;
  cpuMs: number;
  virtualMs: number;
  faults: number;
  answered: number;
  sometimes: Record<string, number>;
  violations: Array<Violation & { seed: number }>;
}

export const emptyBatch = (): Batch => ({
  seeds: 0,
  events: 0,
  realMs: 0,
  cpuMs: 0,
  virtualMs: 0,
  faults: 0,
  answered: 0,
  sometimes: {},
  violations: [],
});

export function addResult(batch: Batch, result: RunResult): void {
  batch.seeds++;
  batch.events += result.events;
  batch.realMs += result.realMs;
  batch.cpuMs += result.cpuMs;
  batch.virtualMs += result.virtualMs;
  batch.faults += result.faults;
  batch.answered += result.answered;
  for (const [point, count] of result.sometimes) batch.sometimes[point] = (batch.sometimes[point] ?? 0) + count;
  if (result.violation !== undefined) batch.violations.push({ ...result.violation, seed: result.seed });
}

export function addBatch(batch: Batch, other: Batch): void {
  for (const name of ['seeds', 'events', 'realMs', 'cpuMs', 'virtualMs', 'faults', 'answered'] as const)
    batch[name] += other[name];
  for (const [point, count] of Object.entries(other.sometimes))
    batch.sometimes[point] = (batch.sometimes[point] ?? 0) + count;
  batch.violations.push(...other.violations);
}

export interface BatchOptions {
  from: number;
  count: number;
  wishes?: Wishes;
  mutation?: () => Mutation;
  /** Ends the batch at the first violation. */
  isFirstEnough?: boolean;
  told?(result: RunResult): void;
}

export async function runBatch(options: BatchOptions): Promise<Batch> {
  const batch = emptyBatch();
  for (let seed = options.from; seed < options.from + options.count; seed++) {
    const result = await runSchedule(drawSchedule(seed, options.wishes), { mutation: options.mutation?.() });
    addResult(batch, result);
    options.told?.(result);
    if (options.isFirstEnough === true && batch.violations.length > 0) break;
  }
  return batch;
}

export const unmet = (batch: Batch): string[] => SOMETIMES.filter((point) => (batch.sometimes[point] ?? 0) === 0);
