// One run: a federation, first with clients and the faults of a schedule, then until everything is quiet.
import { begin } from './beginning.ts';
import { judge, unrest } from './checks.ts';
import type { Clients } from './clients.ts';
import { endFaults, strike } from './faults.ts';
import { createFederated } from './federation.ts';
import { withoutGlobals } from './globals.ts';
import { readEverything } from './last-look.ts';
import type { Mutation } from './parts.ts';
import { acceptLost } from './restore.ts';
import { isFault, type Schedule } from './schedule.ts';
import { createUniverse, type Universe, type Violation } from './universe.ts';

export interface RunOptions {
  trace?: ((line: string) => void) | undefined;
  until?: number | undefined;
  mutation?: Mutation | undefined;
}

export interface RunResult {
  seed: number;
  hash: string;
  events: number;
  virtualMs: number;
  realMs: number;
  /** Of this process: others on the same cores don't count. */
  cpuMs: number;
  faults: number;
  answered: number;
  violation: Violation | undefined;
  sometimes: ReadonlyMap<string, number>;
  counts: Record<string, number>;
}

/** I20: so long after the last fault everything must be quiet. */
const QUIET_WITHIN_MS = 90_000;
/** The last look may take so long. */
const JUDGED_WITHIN_MS = 40_000;
const LOOK_MS = 250;

export async function runSchedule(schedule: Schedule, options: RunOptions = {}): Promise<RunResult> {
  const started = performance.now();
  const cpuBefore = process.cpuUsage();
  const universe = createUniverse({ seed: schedule.seed, trace: options.trace });
  const finished = await withoutGlobals(
    { defer: (run) => void universe.after(0, run), random: universe.stream('refusals') },
    () => play(universe, schedule, options),
  );
  return {
    seed: schedule.seed,
    hash: universe.hash,
    events: universe.events,
    virtualMs: universe.nowMs,
    realMs: performance.now() - started,
    cpuMs: cpuSince(cpuBefore),
    faults: finished.faults,
    answered: finished.clients.answered,
    violation: universe.violation,
    sometimes: universe.sometimes,
    counts: finished.clients.history.counts(),
  };
}

function cpuSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

interface Played {
  clients: Clients;
  /** Those that struck, not all that were planned. */
  faults: number;
}

async function play(universe: Universe, schedule: Schedule, { until, mutation }: RunOptions): Promise<Played> {
  /** Somebody wants to see it up to there: nothing that was not awaited is a violation. */
  const isCutShort = (): boolean => universe.events >= (until ?? Infinity);
  const { shape } = schedule;
  const simulated = createFederated(universe, shape, mutation);
  const { clients, sites, restored } = simulated;
  const played: Played = { clients, faults: 0 };
  for (const [site] of sites.entries()) for (let slot = 0; slot < shape.processes; slot++) simulated.start(site, slot);
  await begin(simulated, until);
  if (isCutShort()) return played;

  // ---- safety: faults and clients ----------------------------------------------------------------------------------

  for (const entry of schedule.entries) {
    universe.after(Math.max(0, entry.atMs - universe.nowMs), () => {
      if (!isFault(entry)) clients.perform(entry);
      else if (strike(entry, simulated)) played.faults++;
    });
  }
  await universe.run(shape.safetyMs, until);
  if (isCutShort()) return played;

  // ---- liveness: no more faults, and all must become quiet ---------------------------------------------------------

  endFaults(simulated);
  simulated.isOver = true;
  const deadline = universe.nowMs + QUIET_WITHIN_MS;
  let restless = unrest(simulated);
  while (restless !== undefined && universe.nowMs < deadline && universe.violation === undefined) {
    // With nobody to ask, only an operator can say that what is lost is lost.
    if (sites.length === 1 && restored[0] === true) {
      acceptLost(simulated.watched, sites[0]!);
      void simulated
        .processesOf(0)
        .find(({ isServing }) => isServing)
        ?.active?.blocks.acceptLoss({ without: true })
        .catch((error: unknown) => universe.note('odd', () => `the loss is not accepted: ${String(error)}`));
    }
    await universe.run(universe.nowMs + LOOK_MS, until);
    if (isCutShort()) return played;
    restless = unrest(simulated);
  }
  if (restless !== undefined)
    universe.violate('I20', `not quiet ${QUIET_WITHIN_MS} ms after the last fault: ${restless}`);
  if (universe.violation !== undefined) return played;

  const judged = { isOver: false };
  readEverything(universe, clients)
    .then(() => judge(universe, simulated))
    .then(
      () => (judged.isOver = true),
      (error: unknown) =>
        universe.violate('test', error instanceof Error ? (error.stack ?? error.message) : String(error)),
    );
  for (
    let waited = 0;
    !judged.isOver && universe.violation === undefined && waited < JUDGED_WITHIN_MS;
    waited += LOOK_MS
  ) {
    await universe.run(universe.nowMs + LOOK_MS, until);
    if (isCutShort()) return played;
  }
  if (!judged.isOver) universe.violate('I20', 'the final look was not answered');
  return played;
}
