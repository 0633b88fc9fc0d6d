// The PostgreSQL server that both sides of a benchmark run on: this machine's own if it has one, else the bundled one.
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { openPool, type Sql } from '../../storage/driver/open.ts';
import { serverAccount } from '../../storage/engine/account.ts';
import { databaseUrl, ensureDatabase } from '../../storage/engine/database.ts';
import { startEngine } from '../../storage/engine/engine.ts';
import { cpuOf } from './processes.ts';

export interface BenchDatabase {
  /** Kind, version, and the settings that decide whether a commit is durable. */
  about: string;
  pid: number;
  /** CPU time of all its processes. */
  cpuMs(): number;
  /** Creates the database if it isn't there. */
  database(name: string): Promise<string>;
  stop(): Promise<void>;
}

const DEBIAN = '/usr/lib/postgresql';
/** go-ipam opens a connection a client. */
const CONNECTIONS = 200;

function debianBinaries(): string | undefined {
  if (!existsSync(DEBIAN)) return undefined;
  const [newest] = readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a));
  const bin = join(DEBIAN, newest ?? '', 'bin');
  return existsSync(join(bin, 'initdb')) ? bin : undefined;
}

/** A port that was free a moment ago. */
export const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });

/** A folder that the server's account may enter. */
export function benchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'hanse-bench-'));
  chmodSync(folder, 0o755);
  return folder;
}

/** Runs statements of the benchmark's own. */
export async function withDatabase<T>(url: string, timeoutMs: number, run: (sql: Sql) => Promise<T>): Promise<T> {
  const sql = openPool(url, {
    max: 1,
    isolation: 'read committed',
    applicationName: 'hanse bench',
    statementTimeoutMs: timeoutMs,
  });
  try {
    return await run(sql);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

const aboutServer = (kind: string, url: string): Promise<string> =>
  withDatabase(url, 10_000, async (sql) => {
    const [row] = await sql.unsafe<Array<{ version: string; fsync: string; commit: string }>>(
      `select current_setting('server_version') as version, current_setting('fsync') as fsync, current_setting('synchronous_commit') as commit`,
    );
    return `${kind} ${row?.version}, fsync ${row?.fsync}, synchronous_commit ${row?.commit}`;
  });

async function debian(bin: string): Promise<BenchDatabase> {
  const folder = benchFolder();
  const account = serverAccount();
  if (account !== undefined) chownSync(folder, account.uid, account.gid);
  const data = join(folder, 'data');
  const env = { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC' };
  const initdb = ['-D', data, '-U', 'hanse', '-A', 'trust', '--locale=C', '--encoding=UTF8'];
  execFileSync(join(bin, 'initdb'), initdb, { cwd: folder, env, stdio: 'ignore', ...account });
  const port = await freePort();
  const settings = [
    'listen_addresses=127.0.0.1',
    `port=${port}`,
    'unix_socket_directories=',
    `max_connections=${CONNECTIONS}`,
  ];
  const server = spawn(join(bin, 'postgres'), ['-D', data, ...settings.flatMap((setting) => ['-c', setting])], {
    cwd: folder,
    env,
    stdio: 'ignore',
    ...account,
  });
  const ended = new Promise<void>((resolve) => server.once('exit', () => resolve()));
  // A run that is cut off must not leave a server behind.
  const end = (): void => void server.kill('SIGQUIT');
  process.once('exit', end);
  const url = `postgres://hanse@127.0.0.1:${port}/postgres`;
  const stop = async (): Promise<void> => {
    server.kill('SIGINT');
    await ended;
    process.off('exit', end);
    rmSync(folder, { recursive: true, force: true });
  };
  for (let attempt = 1; ; attempt++) {
    try {
      const about = await aboutServer('PostgreSQL of this machine', url);
      return {
        about,
        pid: server.pid!,
        cpuMs: () => cpuOf(server.pid!),
        database: (name) => ensureDatabase(url, name),
        stop,
      };
    } catch (error) {
      if (attempt === 100) {
        await stop();
        throw error;
      }
      await wait(50);
    }
  }
}

async function bundled(): Promise<BenchDatabase> {
  const folder = benchFolder();
  const engine = await startEngine({ dataDir: folder, log: () => {} });
  const end = (): void => void process.kill(engine.pid, 'SIGQUIT');
  process.once('exit', end);
  return {
    about: await aboutServer('bundled PostgreSQL', engine.url('postgres')),
    pid: engine.pid,
    cpuMs: () => cpuOf(engine.pid),
    database: (name) => ensureDatabase(databaseUrl(engine.url('postgres'), 'postgres'), name),
    stop: async () => {
      await engine.stop();
      process.off('exit', end);
      rmSync(engine.folder, { recursive: true, force: true });
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A fresh server of its own with the defaults of PostgreSQL: every commit is on disk before it is answered. */
export const startDatabase = (): Promise<BenchDatabase> => {
  const bin = debianBinaries();
  return bin === undefined ? bundled() : debian(bin);
};
