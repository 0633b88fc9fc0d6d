// npm run simulate: whole federations in one process, from seeds (reliability.md §6).
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { createInterface } from 'node:readline';
import { Command, InvalidArgumentError } from 'commander';
import { addBatch, emptyBatch, runBatch, unmet, type Batch } from './batch.ts';
import { INVARIANTS } from './invariants.ts';
import { MUTANTS } from './mutants.ts';
import { NOT_BUILT } from './points.ts';
import { runSchedule, type RunResult } from './run.ts';
import { drawSchedule, KINDS, type FaultKind, type Schedule, type Wishes } from './schedule.ts';
import { shrink } from './shrink.ts';

interface Options {
  seed: number;
  seeds: number;
  steps?: number;
  sites?: number;
  faults?: FaultKind[] | 'all' | 'none';
  seconds?: number;
  jobs: number;
  trace?: boolean;
  until?: number;
  shrink?: boolean;
  schedule?: string;
  mutants?: string | true;
  report?: boolean;
  json?: boolean;
}

const SHRINK_MS = 120_000;
/** A smaller batch need not have met everything. */
const SEEDS_THAT_MEET_ALL = 200;

const whole = (text: string): number => {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 0) throw new InvalidArgumentError('a whole number is needed.');
  return number;
};
const atLeastOne = (text: string): number => {
  const number = whole(text);
  if (number === 0) throw new InvalidArgumentError('at least 1 is needed.');
  return number;
};
const mutantOf = (text: string): string => {
  if (MUTANTS.some(({ name }) => name === text)) return text;
  throw new InvalidArgumentError(`there are: ${MUTANTS.map(({ name }) => name).join('; ')}.`);
};
const faultsOf = (text: string): Options['faults'] => {
  if (text === 'all' || text === 'none') return text;
  const kinds = text.split(',');
  const strange = kinds.find((kind) => !(KINDS as readonly string[]).includes(kind));
  if (strange !== undefined) throw new InvalidArgumentError(`all, none, or some of ${KINDS.join(',')}.`);
  return kinds as FaultKind[];
};

const program = new Command('simulate')
  .option('--seed <n>', 'first seed', whole, 1)
  .option('--seeds <n>', 'how many', atLeastOne, 1)
  .option('--steps <n>', 'most client operations of a run', whole)
  .option('--sites <n>', 'number of sites; default: by the seed', atLeastOne)
  .option(
    '--faults <kinds>',
    `all (restore in a fifth of the seeds), none, or some of ${KINDS.join(',')}; default: by the seed`,
    faultsOf,
  )
  .option('--seconds <n>', 'virtual seconds before all faults end', whole)
  .option('--jobs <n>', 'processes', atLeastOne, 1)
  .option('--trace', 'write every event')
  .option('--until <event>', 'stop before that event', whole)
  .option('--shrink', 'make a failing schedule small, and write it to a file')
  .option('--schedule <file>', 'play this schedule')
  .option('--mutants [name]', 'switch each safety mechanism off, and see it caught', mutantOf)
  .option('--report', 'figures of a batch as text')
  .option('--json', 'figures of a batch as JSON');
program.parse();
const options = program.opts<Options>();

const wishes: Wishes = {
  sites: options.sites,
  faults: options.faults,
  operations: options.steps,
  safetyMs: options.seconds === undefined ? undefined : options.seconds * 1_000,
};
const commit = (): string => {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  } catch {
    return 'unknown';
  }
};

const replayOf = (seed: number): string =>
  ['npm run simulate --', options.schedule === undefined ? `--seed ${seed}` : `--schedule ${options.schedule}`]
    .concat(options.steps === undefined ? [] : [`--steps ${options.steps}`])
    .concat(options.sites === undefined ? [] : [`--sites ${options.sites}`])
    .concat(options.faults === undefined ? [] : [`--faults ${[options.faults].flat().join()}`])
    .concat(options.seconds === undefined ? [] : [`--seconds ${options.seconds}`])
    .join(' ');

function tell({ seed, violation }: Pick<RunResult, 'seed' | 'violation'>): void {
  if (violation === undefined) return;
  const { invariant, what, atMs, event } = violation;
  console.log(
    `${invariant} (${INVARIANTS[invariant]}) violated at ${(atMs / 1_000).toFixed(3)} s (event ${event}), commit ${commit()}: ${replayOf(seed)}\n  ${what.replaceAll('\n', '\n  ')}`,
  );
}

/** Lines that this program writes as a process of its own. */
async function runSelf(words: readonly string[], told: (line: string) => void): Promise<boolean> {
  const program = [...process.execArgv, process.argv[1]!, ...words];
  const child = spawn(process.execPath, program, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<boolean>((resolve) => void child.on('close', (code) => resolve(code === 0)));
  for await (const line of createInterface({ input: child.stdout })) told(line);
  return ended;
}

/** Seeds shared out to processes of their own: they know nothing of each other. */
async function runParted(from: number, count: number, jobs: number): Promise<Batch> {
  const batch = emptyBatch();
  const parts = Array.from({ length: jobs }, (_, job) => ({
    from: from + Math.floor((count * job) / jobs),
    count: Math.floor((count * (job + 1)) / jobs) - Math.floor((count * job) / jobs),
  }));
  const own = process.argv
    .slice(2)
    .filter(
      (word, i, all) =>
        !/^--(seed|seeds|jobs|json|report)$/.test(word) && !/^--(seed|seeds|jobs)$/.test(all[i - 1] ?? ''),
    );
  await Promise.all(
    parts.map((part) =>
      runSelf([...own, '--seed', String(part.from), '--seeds', String(part.count), '--json'], (line) => {
        if (line.startsWith('{')) addBatch(batch, JSON.parse(line) as Batch);
        else console.log(line);
      }),
    ),
  );
  return batch;
}

function report(batch: Batch): void {
  const hours = batch.virtualMs / 3_600_000;
  console.log(
    [
      `commit ${commit()}, Node ${process.version}, ${availableParallelism()} cores`,
      `seeds ${batch.seeds}, violations ${batch.violations.length}`,
      `events ${batch.events}, ${Math.round((batch.events / batch.cpuMs) * 1_000)} a second of a core`,
      `virtual hours ${hours.toFixed(2)}, faults ${batch.faults} (${Math.round(batch.faults / hours)} a virtual hour), answered requests ${batch.answered}`,
      `met: ${Object.entries(batch.sometimes)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([point, count]) => `${point} ${count}`)
        .join(' · ')}`,
      `never met: ${unmet(batch).join(', ') || 'nothing'}`,
      `not built, and why (points.ts): ${Object.keys(NOT_BUILT).join(', ')}`,
    ].join('\n'),
  );
}

/** What `--shrink` wrote. */
function readSchedule(file: string): Schedule {
  try {
    const schedule = JSON.parse(readFileSync(file, 'utf8')) as Schedule;
    if (typeof schedule.seed !== 'number' || !Array.isArray(schedule.entries)) throw new Error('no seed, no entries');
    return schedule;
  } catch (error) {
    return program.error(`error: ${file} is not a schedule that --shrink wrote: ${(error as Error).message}`);
  }
}

async function playOne(schedule: Schedule): Promise<boolean> {
  const trace = options.trace === true ? (line: string): void => console.log(line) : undefined;
  const result = await runSchedule(schedule, { trace, until: options.until });
  tell(result);
  console.log(
    `seed ${result.seed}: hash ${result.hash}, ${result.events} events in ${Math.round(result.realMs)} ms, ${(result.virtualMs / 1_000).toFixed(1)} virtual seconds, ${result.faults} faults, ${result.answered} answers`,
  );
  if (result.violation === undefined || options.shrink !== true) return result.violation === undefined;
  const small = await shrink(schedule, result.violation.invariant, {
    withinMs: SHRINK_MS,
    told: (entries, runs) => process.stderr.write(`\r${entries} entries after ${runs} runs `),
  });
  const file = `schedule-${result.seed}.json`;
  writeFileSync(file, JSON.stringify(small.schedule, null, 1));
  console.log(`\n${small.schedule.entries.length} entries are enough: npm run simulate -- --schedule ${file} --trace`);
  return false;
}

/** Every mutant in a process of its own, so many at a time. */
async function checkMutantsParted(jobs: number): Promise<boolean> {
  const names = MUTANTS.map(({ name }) => name);
  const seed = ['--seed', String(options.seed)];
  let isGood = true;
  await Promise.all(
    Array.from({ length: jobs }, async () => {
      for (let name = names.shift(); name !== undefined; name = names.shift()) {
        const lines: string[] = [];
        const isCaught = await runSelf([...seed, '--mutants', name], (line) => void lines.push(line));
        isGood &&= isCaught;
        console.log(lines.join('\n'));
      }
    }),
  );
  return isGood;
}

async function checkMutants(): Promise<boolean> {
  const chosen = MUTANTS.filter(({ name }) => options.mutants === true || name === options.mutants);
  let isGood = chosen.length > 0;
  for (const mutant of chosen) {
    const started = performance.now();
    const batch = await runBatch({
      from: options.seed,
      count: mutant.withinSeeds,
      mutation: () => mutant.mutation(),
      isFirstEnough: true,
      ...(mutant.wishes === undefined ? {} : { wishes: { ...mutant.wishes, operations: options.steps } }),
    });
    const caught = batch.violations[0];
    const isRight = caught !== undefined && mutant.caughtBy.includes(caught.invariant);
    isGood &&= isRight;
    const took = `${((performance.now() - started) / 1_000).toFixed(1)} s`;
    console.log(
      caught === undefined
        ? `NOT caught: ${mutant.name} (${mutant.what}), ${batch.seeds} seeds, ${took}`
        : `${isRight ? 'caught' : `NOT caught by ${mutant.caughtBy.join(' or ')}, but`} by ${caught.invariant} with seed ${caught.seed} of at most ${mutant.withinSeeds}: ${mutant.name}, ${took}\n    ${caught.what.split('\n')[0]!.slice(0, 160)}`,
    );
  }
  return isGood;
}

async function main(): Promise<boolean> {
  if (options.mutants === true && options.jobs > 1) return checkMutantsParted(options.jobs);
  if (options.mutants !== undefined) return checkMutants();
  if (options.schedule !== undefined) return playOne(readSchedule(options.schedule));
  if (options.seeds === 1 && options.report !== true && options.json !== true) {
    return playOne(drawSchedule(options.seed, wishes));
  }
  const batch =
    options.jobs > 1
      ? await runParted(options.seed, options.seeds, options.jobs)
      : await runBatch({ from: options.seed, count: options.seeds, wishes, told: tell });
  if (options.json === true) console.log(JSON.stringify(batch));
  else report(batch);
  // A process that ended early says nothing of the seeds it had left.
  if (batch.seeds !== options.seeds) {
    console.error(`only ${batch.seeds} of ${options.seeds} seeds were run`);
    return false;
  }
  const isComplete = batch.seeds < SEEDS_THAT_MEET_ALL || options.faults !== undefined || unmet(batch).length === 0;
  return batch.violations.length === 0 && isComplete;
}

process.exitCode = (await main()) ? 0 : 1;
