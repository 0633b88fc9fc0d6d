// From `npm start` to the first answered request, on nothing and on what was there before; and what everything weighs idle.
import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { callApi } from '../api-client.ts';
import { projectRoot } from '../root.ts';
import { benchFolder } from './database.ts';
import { commandOf, processTree, pssOf } from './processes.ts';
import { atMost, median, number, type Bench, type Report } from './report.ts';

const LATEST_MS = 120_000;
const IDLE_MS = 8_000;
const POLL_MS = 10;
const MIB = 2 ** 20;

interface Started {
  /** From the command to the first request that the router answered. */
  answeredMs: number;
  /** To the summary: seeded, and machines of both racks wait. */
  upMs: number;
  launcher: ChildProcess;
}

/** Parts of the plant by what their command lines name; the first that fits. */
const PARTS: ReadonlyArray<[part: string, mark: RegExp]> = [
  ['sites', /dist\/partition\.js/],
  ['router', /dist\/router\.js/],
  ['rack simulator', /dist\/rack\.js/],
  ['launcher', /dist\/(start|database)\.js/],
  ['npm (not counted)', /^(npm|sh -c|\/bin\/sh|node .*npm)/],
  ['database', /postgres/],
];

/** All processes of a plant: below the launcher, or started with its data folder, and what is below those. */
function plantProcesses(root: number, data: string): number[] {
  const named = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && commandOf(pid).includes(data));
  return [...new Set([root, ...named].flatMap((pid) => processTree(pid).map((seen) => seen.pid)))];
}

function memoryOf(root: number, data: string): Map<string, number> {
  const parts = new Map<string, number>(PARTS.map(([part]) => [part, 0]));
  for (const pid of plantProcesses(root, data)) {
    const command = commandOf(pid);
    const part = PARTS.find(([, mark]) => mark.test(command))?.[0] ?? 'other';
    parts.set(part, (parts.get(part) ?? 0) + pssOf(pid));
  }
  return parts;
}

const endOf = (child: ChildProcess): Promise<void> =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve()
    : new Promise((resolve) => child.once('exit', () => resolve()));

async function start(data: string, port: number, fresh: boolean): Promise<Started> {
  const options = ['--data', data, '--port', String(port), ...(fresh ? ['--fresh'] : [])];
  const fromMs = performance.now();
  // A group of its own, so that ending it reaches npm and the launcher alike, as Ctrl-C would.
  const launcher = spawn('npm', ['start', '--', ...options], {
    cwd: projectRoot,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  const up: { ms?: number } = {};
  const hear = (chunk: Buffer): void => {
    said += chunk.toString('utf8');
    if (up.ms === undefined && said.includes('Both plants are up')) up.ms = performance.now() - fromMs;
  };
  launcher.stdout.on('data', hear);
  launcher.stderr.on('data', hear);
  const late = (): boolean => performance.now() - fromMs > LATEST_MS || launcher.exitCode !== null;
  const fail = async (): Promise<never> => {
    await stop(launcher, data);
    throw new Error(`npm start did not come up:\n${said.slice(-2_000)}`);
  };
  let answeredMs: number | undefined;
  while (answeredMs === undefined) {
    const answer = await callApi(`http://127.0.0.1:${port}`, null, 'GET', '/v1/version', undefined, {
      timeoutMs: 2_000,
    }).catch(() => undefined);
    if (answer?.status === 200) answeredMs = performance.now() - fromMs;
    else if (late()) await fail();
    else await pause(POLL_MS);
  }
  while (up.ms === undefined) {
    if (late()) await fail();
    await pause(POLL_MS);
  }
  return { answeredMs, upMs: up.ms, launcher };
}

async function stop(launcher: ChildProcess, data: string): Promise<void> {
  if (launcher.pid === undefined) return;
  const all = plantProcesses(launcher.pid, data);
  try {
    process.kill(-launcher.pid, 'SIGINT');
  } catch {
    // It ended by itself.
  }
  const late = setTimeout(() => launcher.kill('SIGKILL'), 30_000);
  await endOf(launcher);
  clearTimeout(late);
  // npm may go before what it started.
  const deadline = performance.now() + 30_000;
  const left = (): number[] => all.filter((pid) => commandOf(pid) !== '');
  while (left().length > 0 && performance.now() < deadline) await pause(50);
  for (const pid of left()) process.kill(pid, 'SIGKILL');
}

/** Three neighbours and those far from them that the launcher derives. */
const portOf = (round: number): number => 21_090 + 40 * round + (process.pid % 20);

/** The database may lie elsewhere: as root the launcher moves it to where `nobody` can reach it. */
function databaseFolders(root: number): string[] {
  return processTree(root)
    .map(({ pid }) => /-D (\S+)/.exec(commandOf(pid))?.[1])
    .filter((folder) => folder !== undefined);
}

async function run({ quick, progress }: Parameters<Bench['run']>[0]): Promise<Report> {
  const rounds = quick ? 1 : 3;
  const cold: Started[] = [];
  const warm: Started[] = [];
  const memory: Array<Map<string, number>> = [];
  for (let round = 1; round <= rounds; round++) {
    const data = benchFolder();
    const port = portOf(round);
    let launcher: ChildProcess | undefined;
    const end = (): void => {
      if (launcher?.pid !== undefined) process.kill(-launcher.pid, 'SIGINT');
    };
    process.once('exit', end);
    try {
      progress(`cold start ${round} of ${rounds}`);
      const first = await start(data, port, true);
      launcher = first.launcher;
      cold.push(first);
      await pause(IDLE_MS);
      memory.push(memoryOf(launcher.pid!, data));
      const folders = databaseFolders(launcher.pid!);
      await stop(launcher, data);
      launcher = undefined;
      progress(`warm start ${round} of ${rounds}`);
      const second = await start(data, port, false);
      launcher = second.launcher;
      warm.push(second);
      await stop(launcher, data);
      launcher = undefined;
      for (const folder of folders) rmSync(join(folder, '..'), { recursive: true, force: true });
    } finally {
      if (launcher !== undefined) await stop(launcher, data);
      process.off('exit', end);
      rmSync(data, { recursive: true, force: true });
    }
  }
  const seconds = (list: readonly Started[], pick: (one: Started) => number): number => median(list.map(pick)) / 1_000;
  const mib = (part: string): number => median(memory.map((parts) => (parts.get(part) ?? 0) / MIB));
  const total = median(
    memory.map(
      (parts) => [...parts].reduce((sum, [part, bytes]) => sum + (part.startsWith('npm') ? 0 : bytes), 0) / MIB,
    ),
  );
  const parts = [...new Set(memory.flatMap((each) => [...each.keys()]))];
  const figures = {
    coldS: seconds(cold, ({ answeredMs }) => answeredMs),
    coldUpS: seconds(cold, ({ upMs }) => upMs),
    warmS: seconds(warm, ({ answeredMs }) => answeredMs),
    warmUpS: seconds(warm, ({ upMs }) => upMs),
    idlePssMib: total,
  };
  return {
    name: 'start-up',
    title: `npm start: two sites, router, two simulated racks, bundled database, median of ${rounds}`,
    columns: ['', 'first answer', 'everything up'],
    rows: [
      ['cold: no data', `${number(figures.coldS)} s`, `${number(figures.coldUpS)} s`],
      ['warm: data of the last start', `${number(figures.warmS)} s`, `${number(figures.warmUpS)} s`],
    ],
    verdicts: [
      atMost('cold start to the first answer', figures.coldS, 10, ' s'),
      atMost('warm start to the first answer', figures.warmS, 3, ' s'),
      atMost('memory of everything idle (PSS)', total, 600, ' MiB'),
    ],
    notes: [
      'First answer: GET /v1/version through the router. Everything up: joined, seeded, machines of the racks wait.',
      'From the command on, so npm itself and the look whether the build is fresh are in it; the build (if stale) too.',
      `Memory ${IDLE_MS / 1_000} s after that: ${parts.map((part) => `${part} ${number(mib(part))} MiB`).join(', ')}.`,
    ],
    figures: { ...figures, ...Object.fromEntries(parts.map((part) => [`pssMib ${part}`, mib(part)])) },
  };
}

export const startUp: Bench = {
  name: 'start-up',
  about: 'npm start, cold and warm, and the memory of everything idle',
  run,
};
