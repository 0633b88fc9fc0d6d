// One or two sites as they run in production: built processes, real sockets, the bundled database. For tests that kill.
import { chmodSync, existsSync, mkdtempSync, mkdirSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { databaseUrl, ensureDatabase } from '../../storage/engine/database.ts';
import { startEngine, type Engine } from '../../storage/engine/engine.ts';
import { callApi, errorMessage, type ApiAnswer, type Credentials } from '../api-client.ts';
import { siteFolder } from '../config.ts';
import { invite, join as joinFederation } from '../federation-client.ts';
import { createChild, freePort, until, type Child } from './child.ts';
import { startProxy, type Proxy } from './proxy.ts';
import { reaper } from './reaper.ts';

export interface PlantOptions {
  sites?: readonly string[];
  /** Worker threads a site; default 2, so that what spans shards is exercised. */
  shards?: number;
  /** Operations a group; default 3, so that groups are split. */
  groupLimit?: number;
  /** Peer links and the way to the database go through proxies that can be cut. */
  proxies?: boolean;
  env?: Record<string, string>;
  /** Another way to the database, e.g. through a proxy of the test's own: from its URL to the one that the sites use. */
  reachDatabase?: (url: string) => Promise<string>;
  /** Where the database lies, e.g. on a small disk; default: in the plant's own folder. */
  databaseFolder?: string;
}

export interface PlantSite {
  readonly id: string;
  readonly url: string;
  readonly grpcPort: number;
  readonly databaseUrl: string;
  readonly process: Child;
  /** Between others and this site's peer link, where the plant has proxies. */
  readonly linkProxy: Proxy | undefined;
  readonly databaseProxy: Proxy | undefined;
  credentials(): Credentials;
  keys(): { view: string; edit: string; admin: string };
  /** Certificates of the agents of a partition that the site hosts. */
  agentFolder(partition: string): string;
  ask(method: string, path: string, body?: unknown, timeoutMs?: number): Promise<ApiAnswer>;
  /** The JSON of an answer of status 200 or 201; rejects otherwise. */
  call<T = unknown>(method: string, path: string, body?: unknown): Promise<T>;
  isReady(): Promise<boolean>;
  /** Starts it, unless it runs, and waits for /readyz. `more`: environment of this start only. */
  start(more?: Record<string, string>): Promise<void>;
  kill(): Promise<void>;
}

export interface Plant {
  readonly folder: string;
  /** `host:port` and base URL of a server that answers every path: what partition and image URLs name. */
  readonly files: { host: string; url: string };
  readonly sites: readonly PlantSite[];
  readonly first: PlantSite;
  site(id: string): PlantSite;
  database: {
    readonly pid: number;
    kill(): void;
    /** Starts it again, or adopts it. */
    start(): Promise<void>;
  };
  /** A program of its own beside the sites: a router, a rack. Not started yet. */
  child(name: string, program: string, env: Record<string, string>): Child;
  /** Lets the site join the first one's federation and waits until both see each other. */
  joinFirst(id: string): Promise<void>;
  stop(): Promise<void>;
}

const HOST = '127.0.0.1';
/** Sites with proxies are known to each other under this address, where the proxies listen on the sites' own ports. */
const PROXY_HOST = '127.0.0.2';

async function serveFiles(): Promise<Server> {
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': 6 }).end('hanse\n');
  });
  await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
  return server;
}

async function openSite(plant: {
  id: string;
  folder: string;
  files: string;
  serverUrl: string;
  options: PlantOptions;
}): Promise<PlantSite> {
  const { id, folder, files, serverUrl, options } = plant;
  const { shards = 2, groupLimit = 3, proxies = false } = options;
  const direct = await ensureDatabase(serverUrl, `hanse_${id}`);
  const [httpPort, grpcPort, linkPort] = [await freePort(), await freePort(), await freePort()];
  const url = `http://${HOST}:${httpPort}`;
  let linkProxy: Proxy | undefined;
  let databaseProxy: Proxy | undefined;
  const reached = new URL((await options.reachDatabase?.(direct)) ?? direct);
  if (proxies) {
    linkProxy = await startProxy({ target: { host: HOST, port: linkPort }, host: PROXY_HOST, port: linkPort });
    databaseProxy = await startProxy({ target: { host: HOST, port: Number(reached.port) } });
    reached.host = `${HOST}:${databaseProxy.port}`;
  }
  const identity = join(siteFolder(folder, id), 'identity');
  const child = createChild({
    name: `site ${id}`,
    program: 'partition.js',
    logFile: join(folder, `${id}.log`),
    env: {
      HANSE_SITE: id,
      HANSE_DATA: folder,
      DATABASE_URL: reached.href,
      HANSE_HOST: HOST,
      HANSE_HTTP_PORT: String(httpPort),
      HANSE_GRPC_PORT: String(grpcPort),
      HANSE_LINK_PORT: String(linkPort),
      HANSE_METRICS_PORT: '0',
      HANSE_ADVERTISE: proxies ? PROXY_HOST : HOST,
      HANSE_SHARDS: String(shards),
      HANSE_GROUP_LIMIT: String(groupLimit),
      PROBE_ALLOW: files,
      ...options.env,
    },
  });

  const isReady = async (): Promise<boolean> =>
    (await callApi(url, null, 'GET', '/readyz', undefined, { timeoutMs: 2_000 })).status === 200;
  // A join replaces them, so they are read whenever they are used.
  const keys = () =>
    (JSON.parse(readFileSync(join(identity, 'hmac.json'), 'utf8')) as { hmac: ReturnType<PlantSite['keys']> }).hmac;
  const credentials = (): Credentials => ({ user: 'Metal-Admin', key: keys().admin });

  return {
    id,
    url,
    grpcPort,
    databaseUrl: direct,
    process: child,
    linkProxy,
    databaseProxy,
    credentials,
    keys,
    agentFolder: (partition) => join(identity, 'agents', partition),
    isReady,
    ask: (method, path, body, timeoutMs = 35_000) => callApi(url, credentials(), method, path, body, { timeoutMs }),
    async call<T>(method: string, path: string, body?: unknown): Promise<T> {
      const answer = await callApi(url, credentials(), method, path, body);
      if (answer.status !== 200 && answer.status !== 201) {
        throw new Error(
          `${method} ${path}: ${answer.status} ${errorMessage(answer.text)}\nthe site's last lines:\n${child.lastLines()}`,
        );
      }
      return JSON.parse(answer.text) as T;
    },
    async start(more) {
      if (!child.isRunning) child.start(more);
      try {
        await until(`${child.name} is ready`, async () => {
          if (!child.isRunning) throw new Error(`it ended: ${child.ended}`);
          return isReady();
        });
      } catch (error) {
        throw new Error(`${String(error)}\nits last lines:\n${child.lastLines()}`, { cause: error });
      }
    },
    kill: () => child.end('SIGKILL'),
  };
}

/** Starts database and sites. End it with `stop`, or use `withPlant`. */
export async function startPlant(options: PlantOptions = {}): Promise<Plant> {
  const folder = mkdtempSync(join(tmpdir(), 'hanse-plant-'));
  // The database may run as another user, who has to get through.
  chmodSync(folder, 0o755);
  reaper().folder(folder);
  const dataDir = options.databaseFolder ?? join(folder, 'database');
  mkdirSync(dataDir, { mode: 0o755, recursive: true });
  const children: Child[] = [];
  const sites: PlantSite[] = [];
  let server: Server | undefined;
  let engine: Engine | undefined;

  const begin = async (): Promise<Engine> => {
    const before = engine?.pid;
    const started = await startEngine({ dataDir, log: () => {} });
    if (before !== undefined && before !== started.pid) reaper().forget(before);
    reaper().watch(started.pid);
    if (started.folder !== dataDir) reaper().folder(started.folder);
    return (engine = started);
  };

  const stop = async (): Promise<void> => {
    await Promise.all(children.map((child) => child.end('SIGKILL')));
    await Promise.all(sites.map(({ process: child }) => child.end('SIGKILL')));
    for (const { linkProxy, databaseProxy } of sites) {
      await linkProxy?.close();
      await databaseProxy?.close();
    }
    if (engine !== undefined) {
      await engine.stop();
      reaper().forget(engine.pid);
    }
    server?.closeAllConnections();
    server?.close();
    for (const path of [folder, engine?.folder])
      if (path !== undefined) await rm(path, { recursive: true, force: true });
  };

  try {
    const files = await serveFiles();
    server = files;
    const filesHost = `${HOST}:${(files.address() as AddressInfo).port}`;
    engine = await begin();
    const serverUrl = databaseUrl(engine.url('postgres'), 'postgres');
    for (const id of options.sites ?? ['muc'])
      sites.push(await openSite({ id, folder, files: filesHost, serverUrl, options }));
    await Promise.all(sites.map((site) => site.start()));

    const siteOf = (id: string): PlantSite => {
      const found = sites.find((site) => site.id === id);
      if (found === undefined)
        throw new Error(`the plant has no site ${id}, only ${sites.map((site) => site.id).join(', ')}`);
      return found;
    };
    const first = sites[0]!;
    return {
      folder,
      files: { host: filesHost, url: `http://${filesHost}` },
      sites,
      first,
      site: siteOf,
      database: {
        get pid() {
          return engine!.pid;
        },
        kill: () => void process.kill(engine!.pid, 'SIGKILL'),
        async start() {
          await begin();
        },
      },
      child(name, program, env) {
        const child = createChild({ name, program, env, logFile: join(folder, `${name.replaceAll(' ', '-')}.log`) });
        children.push(child);
        return child;
      },
      async joinFirst(id) {
        const joiner = siteOf(id);
        const token = await invite(first.url, first.credentials());
        const reasons = await joinFederation(joiner.url, joiner.credentials(), token);
        if (reasons !== undefined) throw new Error(`${id} could not join ${first.id}:\n${reasons.join('\n')}`);
        // It ends to start again with its new identity.
        await joiner.process.untilEnded();
        await joiner.start();
        await until(`${first.id} and ${id} see each other`, async () => (await isUp(first)) && (await isUp(joiner)));
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Whether every other member is up, as the site sees it, and there is one. */
export async function isUp(site: PlantSite): Promise<boolean> {
  const answer = await site.ask('GET', '/v2/federation', undefined, 2_000);
  const { members = [] } = JSON.parse(answer.text) as { members?: Array<{ up: boolean }> };
  return answer.status === 200 && members.length > 0 && members.every(({ up }) => up);
}

/** The plant's life around a test; on a failure, the last lines of its processes go with it. */
export async function withPlant(options: PlantOptions, run: (plant: Plant) => Promise<void>): Promise<void> {
  const plant = await startPlant(options);
  try {
    await run(plant);
  } catch (error) {
    const kept = process.env['KEEP_LOGS'];
    for (const { process: child } of plant.sites) {
      console.error(`---- last lines of ${child.name} ----\n${child.lastLines()}`);
      if (kept !== undefined && existsSync(kept)) {
        const { writeFileSync } = await import('node:fs');
        writeFileSync(join(kept, `${child.name.replaceAll(' ', '-')}.log`), child.log());
      }
    }
    throw error;
  } finally {
    await plant.stop();
  }
}
