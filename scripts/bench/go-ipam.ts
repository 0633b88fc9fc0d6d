// The other side: metal-stack's go-ipam on the same server, each run on a fresh prefix.
import { execFile, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { databaseUrl } from '../../storage/engine/database.ts';
import { peerPath, peerSkipReason } from '../peers.ts';

export interface GoIpamResult {
  clients: number;
  acquired: number;
  perSecond: number;
  failures: number;
  /** Addresses that it gave out twice. */
  twice: number;
  p50Ms: number;
  p99Ms: number;
}

/** Acquisitions by one client while so many addresses and a few more are held. */
export interface GoIpamMark {
  held: number;
  /** Of one acquisition, as are the others. */
  ms: number;
  cpuUs: number;
  databaseCpuUs: number;
}

/** The program and the flags that name the database; `url` names one that may be written to. */
function program(url: string): { path: string; flags: string[] } {
  const path = peerPath('goipam-bench');
  if (path === undefined) throw new Error(String(peerSkipReason('goipam-bench')));
  const { hostname, port, username, password, pathname } = new URL(databaseUrl(url, new URL(url).pathname.slice(1)));
  const options = {
    host: hostname,
    port,
    user: decodeURIComponent(username),
    // It insists on one, even where the server asks for none.
    password: decodeURIComponent(password) || 'none',
    db: pathname.slice(1),
  };
  return { path, flags: Object.entries(options).flatMap(([name, value]) => [`-${name}`, value]) };
}

/** Runs the Go program for a time. */
export async function runGoIpam(url: string, clients: number, seconds: number): Promise<GoIpamResult> {
  const { path, flags } = program(url);
  const run = await promisify(execFile)(path, [...flags, '-clients', String(clients), '-seconds', String(seconds)]);
  const said = JSON.parse(run.stdout) as Record<string, number>;
  return {
    clients,
    acquired: said['acquired'] ?? 0,
    perSecond: said['per_second'] ?? 0,
    failures: said['failures'] ?? 0,
    twice: said['twice'] ?? 0,
    p50Ms: said['p50_ms'] ?? NaN,
    p99Ms: said['p99_ms'] ?? NaN,
  };
}

/** Runs the Go program until so many addresses are held; `databaseCpuMs` reads what the server has used so far. */
export async function runGoIpamTo(
  url: string,
  marks: readonly number[],
  window: number,
  databaseCpuMs: () => number,
): Promise<GoIpamMark[]> {
  const { path, flags } = program(url);
  const child = spawn(path, [...flags, '-marks', marks.join(), '-window', String(window)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code));
  });
  const end = (): void => void child.kill('SIGKILL');
  process.once('exit', end);
  let wrong = '';
  child.stderr.on('data', (chunk: Buffer) => (wrong += chunk.toString('utf8')));
  const measured: GoIpamMark[] = [];
  let beganMs = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    const said = JSON.parse(line) as { is: 'begin' | 'end'; mark: number; count: number; ms: number; cpu_ms: number };
    if (said.is === 'begin') {
      beganMs = databaseCpuMs();
      continue;
    }
    measured.push({
      held: said.mark,
      ms: said.ms / said.count,
      cpuUs: (1_000 * said.cpu_ms) / said.count,
      databaseCpuUs: (1_000 * (databaseCpuMs() - beganMs)) / said.count,
    });
  }
  const code = await ended;
  process.off('exit', end);
  if (code !== 0) throw new Error(`goipam-bench ended with ${code}: ${wrong}`);
  return measured;
}

/** Why it can't run here, or false if it can. */
export const goIpamObstacle = (): string | false => peerSkipReason('goipam-bench');
