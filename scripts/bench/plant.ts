// One site as it runs in production: the built process on a PostgreSQL server, filled over its own interfaces.
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { createServer as createFileServer } from 'node:http';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { callApi, errorMessage, type Credentials } from '../api-client.ts';
import { siteFolder } from '../config.ts';
import { NODE_FLAGS } from '../node-flags.ts';
import { projectRoot } from '../root.ts';
import { benchFolder, type BenchDatabase } from './database.ts';
import { cpuOf } from './processes.ts';

export const SITE = 'bench';
export const PARTITION = 'bench';

export interface PlantOptions {
  database: BenchDatabase;
  /** Folder for `node --cpu-prof`; default: not profiled. BENCH_PROFILE names one as well. */
  profile?: string | undefined;
  /** What runs instead of the built program of production. */
  program?: string[] | undefined;
  /** What an earlier plant left: its folder and database. */
  remains?: Remains | undefined;
}

/** Of a plant that was stopped. */
export interface Remains {
  folder: string;
  databaseUrl: string;
}

/** CPU time in ms of all that a request costs on our side. */
export interface PlantCpu {
  siteMs: number;
  databaseMs: number;
}

export interface Plant {
  host: string;
  httpPort: number;
  grpcPort: number;
  url: string;
  /** Where boot files and images lie that the partition's URLs name. */
  filesUrl: string;
  admin: Credentials;
  /** HMAC key of Metal-Edit. */
  editKey: string;
  /** Certificates of the agents of the partition; it exists when the partition does. */
  agentFolder: string;
  pid: number;
  cpu(): PlantCpu;
  /** The JSON of an answer of the wanted status; rejects otherwise. */
  call<T = unknown>(method: string, path: string, body?: unknown): Promise<T>;
  databaseUrl: string;
  stop(): Promise<void>;
  /** Stops, and leaves folder and database for another plant. */
  leave(): Promise<Remains>;
}

const HOST = '127.0.0.1';
const READY_MS = 30_000;
const STOP_MS = 15_000;

async function freePorts(count: number): Promise<number[]> {
  const probes = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve, reject) => {
          const probe = createServer().once('error', reject);
          probe.listen(0, HOST, () => resolve(probe));
        }),
    ),
  );
  const ports = probes.map((probe) => (probe.address() as AddressInfo).port);
  await Promise.all(probes.map((probe) => new Promise((resolve) => probe.close(resolve))));
  return ports;
}

/** Answers every path with a few bytes: what URL probes ask for. */
async function serveProbes(): Promise<{ host: string; stop(): void }> {
  const server = createFileServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': 6 }).end('hanse\n');
  });
  await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
  return {
    host: `${HOST}:${(server.address() as AddressInfo).port}`,
    stop: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

const endOf = (child: ChildProcess): Promise<void> =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve()
    : new Promise((resolve) => child.once('exit', () => resolve()));

/** Starts a site that hosts nothing yet. */
export async function startPlant({ database, profile, program, remains }: PlantOptions): Promise<Plant> {
  const folder = remains?.folder ?? benchFolder();
  const files = await serveProbes();
  const [httpPort = 0, grpcPort = 0, linkPort = 0] = await freePorts(3);
  const logPath = join(folder, 'site.log');
  const logFile = openSync(logPath, 'a', 0o600);
  const profileFolder = profile ?? process.env['BENCH_PROFILE'];
  if (profileFolder !== undefined) mkdirSync(profileFolder, { recursive: true });
  const profiling = profileFolder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileFolder}`];
  const databaseUrl = remains?.databaseUrl ?? (await database.database(`hanse_${SITE}_${process.pid}_${httpPort}`));
  const child = spawn(
    process.execPath,
    [...profiling, ...(program ?? [...NODE_FLAGS, join(projectRoot, 'dist', 'partition.js')])],
    {
      cwd: projectRoot,
      env: {
        ...process.env,
        HANSE_SITE: SITE,
        HANSE_DATA: folder,
        DATABASE_URL: databaseUrl,
        HANSE_HOST: HOST,
        HANSE_HTTP_PORT: String(httpPort),
        HANSE_GRPC_PORT: String(grpcPort),
        HANSE_LINK_PORT: String(linkPort),
        PROBE_ALLOW: files.host,
      },
      stdio: ['ignore', logFile, logFile],
    },
  );
  closeSync(logFile);
  const end = (): void => void child.kill('SIGKILL');
  process.once('exit', end);
  const lastLines = (): string => readFileSync(logPath, 'utf8').split('\n').slice(-20).join('\n');

  const leave = async (): Promise<Remains> => {
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    await endOf(child);
    clearTimeout(late);
    process.off('exit', end);
    files.stop();
    return { folder, databaseUrl };
  };
  const stop = async (): Promise<void> => {
    await leave();
    rmSync(folder, { recursive: true, force: true });
  };

  const url = `http://${HOST}:${httpPort}`;
  const deadline = performance.now() + READY_MS;
  const isReady = async (): Promise<boolean> =>
    (await callApi(url, null, 'GET', '/readyz', undefined, { timeoutMs: 1_000 })).status === 200;
  while (!(await isReady().catch(() => false))) {
    if (performance.now() > deadline || child.exitCode !== null) {
      const said = lastLines();
      await stop();
      throw new Error(`the site did not start; its last lines:\n${said}`);
    }
    await wait(20);
  }
  const identity = join(siteFolder(folder, SITE), 'identity');
  const { hmac } = JSON.parse(readFileSync(join(identity, 'hmac.json'), 'utf8')) as {
    hmac: { admin: string; edit: string };
  };
  const admin: Credentials = { user: 'Metal-Admin', key: hmac.admin };

  return {
    host: HOST,
    httpPort,
    grpcPort,
    url,
    filesUrl: `http://${files.host}`,
    admin,
    editKey: hmac.edit,
    agentFolder: join(identity, 'agents', PARTITION),
    pid: child.pid!,
    databaseUrl,
    cpu: () => ({ siteMs: cpuOf(child.pid!), databaseMs: database.cpuMs() }),
    async call<T>(method: string, path: string, body?: unknown): Promise<T> {
      const answer = await callApi(url, admin, method, path, body);
      if (answer.status !== 200 && answer.status !== 201) {
        throw new Error(`${method} ${path}: ${answer.status} ${errorMessage(answer.text)}\n${lastLines()}`);
      }
      return JSON.parse(answer.text) as T;
    },
    stop,
    leave,
  };
}

/** A partition with one tenant's project in it; answers the project's id. */
export async function makePartition(plant: Plant): Promise<{ project: string }> {
  await plant.call('PUT', '/v1/partition', {
    id: PARTITION,
    name: PARTITION,
    description: 'benchmark',
    bootconfig: {
      imageurl: `${plant.filesUrl}/boot/initrd.img`,
      kernelurl: `${plant.filesUrl}/boot/kernel`,
      commandline: 'console=ttyS1',
    },
    mgmtserviceaddress: '127.0.0.1:3333',
  });
  await plant.call('PUT', '/v1/tenant', { meta: { id: 'bench' }, name: 'bench' });
  const { meta } = await plant.call<{ meta: { id: string } }>('PUT', '/v1/project', {
    name: 'bench',
    tenant_id: 'bench',
  });
  return { project: meta.id };
}

/** A network of the partition that gives out addresses of one prefix. */
export async function makeNetwork(
  plant: Plant,
  { id, project, prefix }: { id: string; project: string; prefix: string },
): Promise<void> {
  await plant.call('PUT', '/v1/network', {
    id,
    name: id,
    partitionid: PARTITION,
    projectid: project,
    prefixes: [prefix],
    destinationprefixes: [],
    privatesuper: false,
    nat: false,
    underlay: false,
  });
}
