// A failing schedule made small: entries are left out in halves, quarters, …, one by one, as long as the same invariant
// fails (delta debugging, Zeller and Hildebrandt 2002).
import type { Invariant } from './invariants.ts';
import { runSchedule, type RunOptions } from './run.ts';
import type { Entry, Schedule } from './schedule.ts';

export interface Shrunk {
  schedule: Schedule;
  invariant: Invariant;
  runs: number;
}

export interface ShrinkOptions extends Pick<RunOptions, 'mutation'> {
  /** Time that it may take. */
  withinMs: number;
  told?(entries: number, runs: number): void;
}

export async function shrink(schedule: Schedule, invariant: Invariant, options: ShrinkOptions): Promise<Shrunk> {
  const deadline = performance.now() + options.withinMs;
  let runs = 0;
  let kept: Entry[] = schedule.entries;

  const fails = async (entries: Entry[], shape = schedule.shape): Promise<boolean> => {
    runs++;
    const { violation } = await runSchedule({ ...schedule, shape, entries }, { mutation: options.mutation });
    return violation?.invariant === invariant;
  };

  for (let parts = 2; kept.length > 0 && performance.now() < deadline;) {
    const size = Math.ceil(kept.length / parts);
    let isSmaller = false;
    for (let from = 0; from < kept.length && performance.now() < deadline; from += size) {
      const without = [...kept.slice(0, from), ...kept.slice(from + size)];
      if (!(await fails(without))) continue;
      kept = without;
      isSmaller = true;
      from -= size;
      options.told?.(kept.length, runs);
    }
    if (size === 1 && !isSmaller) break;
    parts = isSmaller ? Math.max(2, parts - 1) : Math.min(kept.length, parts * 2);
  }

  let { shape } = schedule;
  const smaller: Array<Partial<typeof shape>> = [
    // Entries name sites by their number, modulo how many there are.
    { sites: 1 },
    ...(shape.sites > 2 ? [{ sites: 2 }] : []),
    { clients: 1 },
    { processes: 1 },
    { shards: 1 },
    { machines: 2 },
  ];
  for (const change of smaller) {
    if (performance.now() > deadline) break;
    if (shape.sites < (change.sites ?? 0)) continue;
    if (await fails(kept, { ...shape, ...change })) shape = { ...shape, ...change };
  }
  return { schedule: { ...schedule, shape, entries: kept }, invariant, runs };
}
