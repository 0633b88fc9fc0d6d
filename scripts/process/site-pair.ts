// One site of two processes behind a router: one is active, the other stands by, and either may be killed or stopped.
import { performance } from 'node:perf_hooks';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { siteFolder } from '../config.ts';
import { callApi, errorMessage } from '../api-client.ts';
import { freePort, until, type Child } from './child.ts';
import { withPlant, type Plant, type PlantOptions, type PlantSite } from './plant.ts';

export interface SiteProcess {
  readonly name: string;
  readonly url: string;
  readonly grpcPort: number;
  readonly metricsPort: number;
  readonly child: Child;
  /** `active`, `standby`, or why neither. */
  role(): Promise<string>;
  /** Starts it, unless it runs, and waits until it is active or stands by. */
  start(): Promise<void>;
}

export interface SitePair {
  readonly plant: Plant;
  readonly processes: readonly [SiteProcess, SiteProcess];
  /** The site as clients see it: through the router. */
  readonly site: PlantSite;
  active(): Promise<SiteProcess>;
  other(than: SiteProcess): SiteProcess;
  /** Until one is active and the other stands by. */
  untilBoth(): Promise<void>;
}

interface ReadyLine {
  msg?: string;
  link?: number;
}

const HOST = '127.0.0.1';

async function roleAt(url: string): Promise<string> {
  try {
    const { status, text } = await callApi(url, null, 'GET', '/readyz', undefined, { timeoutMs: 2_000 });
    if (status === 200) return text === 'ready' ? 'active' : text;
    return `${status} ${text}`;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Port of the peer links that a process said in its log. */
function linkPortOf(child: Child): number {
  for (const line of child.log().split('\n')) {
    if (!line.startsWith('{')) continue;
    const said = JSON.parse(line) as ReadyLine;
    if (said.msg === 'ready' && said.link !== undefined) return said.link;
  }
  throw new Error(`${child.name} did not say where its links arrive`);
}

export async function withSitePair(options: PlantOptions, run: (pair: SitePair) => Promise<void>): Promise<void> {
  const [firstMetrics, secondMetrics] = [await freePort(), await freePort()];
  const env = { HANSE_METRICS_PORT: String(firstMetrics), ...options.env };
  await withPlant({ ...options, env }, async (plant) => {
    const first = plant.first;
    const [httpPort, grpcPort, linkPort, routerPort] = [
      await freePort(),
      await freePort(),
      await freePort(),
      await freePort(),
    ];
    const second = plant.child(`site ${first.id} (second)`, 'partition.js', {
      HANSE_SITE: first.id,
      HANSE_DATA: plant.folder,
      DATABASE_URL: first.databaseUrl,
      HANSE_HOST: HOST,
      HANSE_HTTP_PORT: String(httpPort),
      HANSE_GRPC_PORT: String(grpcPort),
      HANSE_LINK_PORT: String(linkPort),
      HANSE_ADVERTISE: HOST,
      HANSE_SHARDS: String(options.shards ?? 2),
      HANSE_GROUP_LIMIT: String(options.groupLimit ?? 3),
      HANSE_METRICS_PORT: String(secondMetrics),
      PROBE_ALLOW: plant.files.host,
      ...options.env,
    });
    const processOf = (name: string, child: Child, url: string, grpc: number, metricsPort: number): SiteProcess => ({
      name,
      url,
      grpcPort: grpc,
      metricsPort,
      child,
      role: () => roleAt(url),
      async start() {
        if (!child.isRunning) child.start();
        await until(`${name} is active or stands by`, async () => {
          // A machine that is busy enough takes its lease, or its database, from it; a launcher would start it again.
          if (!child.isRunning) {
            const { ended } = child;
            child.start();
            throw new Error(`it ended: ${ended}\n${child.lastLines()}`);
          }
          const role = await roleAt(url);
          return role === 'active' || role === 'standby';
        });
      },
    });
    const processes = [
      processOf('the first process', first.process, first.url, first.grpcPort, firstMetrics),
      processOf('the second process', second, `http://${HOST}:${httpPort}`, grpcPort, secondMetrics),
    ] as const;
    await processes[1].start();

    const router = plant.child('router', 'router.js', {
      HANSE_ROUTER_HOST: HOST,
      HANSE_ROUTER_PORT: String(routerPort),
      HANSE_ROUTER_SITES: [linkPortOf(first.process), linkPort].map((port) => `https://${HOST}:${port}`).join(','),
      HANSE_ROUTER_IDENTITY: join(siteFolder(plant.folder, first.id), 'identity', 'router'),
    });
    router.start();
    const routerUrl = `http://${HOST}:${routerPort}`;
    await until('the router answers', async () => (await roleAt(routerUrl)).startsWith('active'));

    const ask: PlantSite['ask'] = (method, path, body, timeoutMs = 35_000) =>
      callApi(routerUrl, first.credentials(), method, path, body, { timeoutMs });
    const site: PlantSite = {
      ...first,
      url: routerUrl,
      ask,
      async call<T>(method: string, path: string, body?: unknown): Promise<T> {
        // A takeover may be under way: what was not answered is asked again, so only for what may be done twice.
        for (const deadline = performance.now() + 20_000; ;) {
          const answer = await ask(method, path, body);
          if (answer.status === 200 || answer.status === 201) return JSON.parse(answer.text) as T;
          if (answer.status !== 503 || performance.now() > deadline)
            throw new Error(`${method} ${path}: ${answer.status} ${errorMessage(answer.text)}`);
          await wait(50);
        }
      },
    };
    const active = async (): Promise<SiteProcess> => {
      let found: SiteProcess | undefined;
      await until('one process is active', async () => {
        for (const process of processes) if ((await process.role()) === 'active') found = process;
        return found !== undefined;
      });
      return found!;
    };
    try {
      await run({
        plant,
        processes,
        site,
        active,
        other: (than) => processes.find((process) => process !== than)!,
        async untilBoth() {
          await until('one process is active, the other stands by', async () => {
            // Whoever lost its lease to a slow machine has ended; a launcher would start it again.
            for (const process of processes) if (!process.child.isRunning) process.child.start();
            const roles = await Promise.all(processes.map((process) => process.role()));
            return roles.includes('active') && roles.includes('standby');
          });
        },
      });
    } catch (error) {
      for (const child of [second, router])
        console.error(`---- last lines of ${child.name} ----\n${child.lastLines()}`);
      throw error;
    }
  });
}
