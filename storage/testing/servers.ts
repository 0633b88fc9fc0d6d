// The servers on which the store is tried: the bundled one, an ordinary PostgreSQL, CockroachDB.
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { serverAccount } from '../engine/account.ts';
import { ensureDatabase } from '../engine/database.ts';
import { startEngine } from '../engine/engine.ts';

export interface TestServer {
  name: string;
  dialect: 'postgres' | 'cockroach';
  /** Why it can't be tried on this machine. */
  skip: string | false;
  /** Starts it, if it has to be started, and answers the URL of a fresh database there. */
  start(): Promise<{ url: string; stop(): Promise<void> }>;
}

const freshName = (): string => `hanse_test_${randomBytes(6).toString('hex')}`;

/** A test run that is cut off must not leave a server behind. */
function endWith(pid: number): () => void {
  const end = (): void => {
    try {
      process.kill(pid, 'SIGQUIT');
    } catch {
      // It is gone already.
    }
  };
  process.once('exit', end);
  return () => void process.off('exit', end);
}

const folderFor = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'hanse-store-'));
  chmodSync(folder, 0o755);
  return folder;
};

const bundled: TestServer = {
  name: 'bundled engine',
  dialect: 'postgres',
  skip: false,
  start: async () => {
    const folder = folderFor();
    const engine = await startEngine({ dataDir: folder, log: () => {} });
    const forget = endWith(engine.pid);
    return {
      url: await ensureDatabase(engine.url('postgres'), freshName()),
      stop: async () => {
        await engine.stop();
        forget();
        rmSync(folder, { recursive: true, force: true });
      },
    };
  },
};

/** A server that runs already: only the database in it is ours, and it stays for whoever looks into a failure. */
const running = (name: string, dialect: TestServer['dialect'], variable: string): TestServer => {
  const url = process.env[variable];
  return {
    name,
    dialect,
    skip: url === undefined ? `${variable} is not set` : false,
    start: async () => ({ url: await ensureDatabase(url!, freshName()), stop: async () => {} }),
  };
};

const DEBIAN = '/usr/lib/postgresql';

const debianBinaries = (): string | undefined => {
  if (!existsSync(DEBIAN)) return undefined;
  const [newest] = readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a));
  const bin = join(DEBIAN, newest ?? '', 'bin');
  return existsSync(join(bin, 'initdb')) ? bin : undefined;
};

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });

const answers = async (url: string): Promise<string> => {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ensureDatabase(url, freshName());
    } catch (error) {
      if (attempt === 200) throw error;
      await wait(50);
    }
  }
};

const debian = (bin: string): TestServer => ({
  name: 'PostgreSQL of this machine',
  dialect: 'postgres',
  skip: false,
  start: async () => {
    const folder = folderFor();
    const account = serverAccount();
    if (account !== undefined) chownSync(folder, account.uid, account.gid);
    const data = join(folder, 'data');
    const environment = { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC' };
    const initdb = ['-D', data, '-U', 'hanse', '-A', 'trust', '--locale=C', '--encoding=UTF8', '--no-sync'];
    execFileSync(join(bin, 'initdb'), initdb, { cwd: folder, env: environment, stdio: 'ignore', ...account });
    const port = await freePort();
    const settings = ['listen_addresses=127.0.0.1', `port=${port}`, 'unix_socket_directories=', 'max_connections=60'];
    const server = spawn(join(bin, 'postgres'), ['-D', data, ...settings.flatMap((setting) => ['-c', setting])], {
      cwd: folder,
      env: environment,
      stdio: 'ignore',
      ...account,
    });
    const forget = endWith(server.pid!);
    const ended = new Promise<void>((resolve) => server.once('exit', () => resolve()));
    return {
      url: await answers(`postgres://hanse@127.0.0.1:${port}/postgres`),
      stop: async () => {
        server.kill('SIGINT');
        await ended;
        forget();
        rmSync(folder, { recursive: true, force: true });
      },
    };
  },
});

const ordinary = (): TestServer => {
  const bin = debianBinaries();
  if (process.env['DATABASE_URL_TEST'] !== undefined || bin === undefined) {
    const server = running('PostgreSQL', 'postgres', 'DATABASE_URL_TEST');
    return server.skip === false ? server : { ...server, skip: `${server.skip} and ${DEBIAN} has no initdb` };
  }
  return debian(bin);
};

export const testServers = (): TestServer[] => [
  bundled,
  ordinary(),
  running('CockroachDB', 'cockroach', 'COCKROACH_URL'),
];
