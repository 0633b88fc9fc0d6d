// A load with what it costs: CPU time of the site and of the database for each answer, read at both ends of the window.
import { runLoad, type LoadPlan, type LoadResult } from './load.ts';
import type { Plant, PlantCpu } from './plant.ts';
import { ms, number, perSecond } from './report.ts';

export interface Measured extends LoadResult {
  siteCpuUs: number;
  databaseCpuUs: number;
}

export async function measure(plant: Plant, plan: LoadPlan): Promise<Measured> {
  let siteMs = 0;
  let databaseMs = 0;
  const result = await runLoad<PlantCpu>(plan, {
    read: () => plant.cpu(),
    window: (begin, end) => {
      siteMs = end.siteMs - begin.siteMs;
      databaseMs = end.databaseMs - begin.databaseMs;
    },
  });
  const each = 1_000 / Math.max(1, result.answers);
  return { ...result, siteCpuUs: siteMs * each, databaseCpuUs: databaseMs * each };
}

/** What of a run's answers was not as wanted, in words. */
export const oddOf = (what: string, { statuses, broken, odd }: LoadResult, wanted: number): string[] => {
  const others = Object.entries(statuses).filter(([status]) => Number(status) !== wanted);
  return others.length === 0 && broken === 0
    ? []
    : [`${what}: statuses ${JSON.stringify(statuses)}, ${broken} connections broke; ${odd[0] ?? ''}`];
};

export const us = (value: number): string => `${number(value)} µs`;

export const LOAD_COLUMNS = ['', 'rate', 'p50', 'p99', 'CPU site', 'CPU database', 'CPU generator'];

/** A row under {@link LOAD_COLUMNS}; `of` picks the middle of several runs. */
export const loadRow = (what: string, of: (pick: (run: Measured) => number) => number): string[] => [
  what,
  perSecond(of((run) => run.perSecond)),
  ms(of((run) => run.p50Ms)),
  ms(of((run) => run.p99Ms)),
  us(of((run) => run.siteCpuUs)),
  us(of((run) => run.databaseCpuUs)),
  us(of((run) => run.generatorCpuUs)),
];
