// `npm start`: two plants on this machine, joined, with a simulated rack each and one address for all of it.
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureDatabase } from '../storage/engine/database.ts';
import { startEngine } from '../storage/engine/engine.ts';
import { callApi, type Credentials } from './api-client.ts';
import { databaseNameOf, siteFolder } from './config.ts';
import { dataFolder, endpointFile, type Endpoint } from './endpoint.ts';
import { invite, join as joinFederation } from './federation-client.ts';
import { projectRoot } from './root.ts';
import { startChild, type Child } from './start/child.ts';
import { keepEngine } from './start/database.ts';
import { bold, createProgress, cyan, dim, green, table } from './start/screen.ts';
import { createSeeder, SEEDS, type Seed, type SeedPlace } from './start/seed.ts';

const USAGE = `usage: npm start -- [options]

Starts two plants (muc and fra) on this machine, joined as one, each with a simulated rack, and one address for both.
Ctrl-C ends everything; the next start goes on with the same data.

  --fresh              forget all data and begin anew
  --seed demo          what to create at the first start: demo (default), acceptance or none
  --port 8090          port of the router; the sites use this port - 10 and - 9, agents and links ports above it
  --data FOLDER        where everything lies (default: data, or HANSE_DATA)
  --help

DATABASE_URL names a PostgreSQL or CockroachDB server to use instead of the bundled one.`;

const SITES = [
  { site: 'muc', name: 'Munich', superPrefix: '10.0.0.0/16', underlayPrefix: '10.240.0.0/24' },
  { site: 'fra', name: 'Frankfurt', superPrefix: '10.1.0.0/16', underlayPrefix: '10.240.1.0/24' },
] as const;

interface Options {
  fresh: boolean;
  seed: Seed;
  port: number;
  data: string;
}

/** One clear sentence for the person at the terminal; no stack. */
class Problem extends Error {}

function readOptions(): Options | 'help' {
  const { values } = parseArgs({
    options: {
      fresh: { type: 'boolean', default: false },
      seed: { type: 'string', default: 'demo' },
      port: { type: 'string', default: String(DEFAULT_PORT) },
      data: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return 'help';
  const port = Number(values.port);
  if (!SEEDS.includes(values.seed as Seed)) throw new Problem(`--seed ${values.seed}: expected ${SEEDS.join(', ')}`);
  if (!Number.isInteger(port) || port < 1_024 || port > 65_000) {
    throw new Problem(`--port ${values.port}: expected a number from 1024 to 65000`);
  }
  const data = values.data ?? dataFolder();
  return { fresh: values.fresh, seed: values.seed as Seed, port, data };
}

function openDataFolder(data: string): void {
  try {
    mkdirSync(data, { recursive: true, mode: 0o755 });
    writeFileSync(join(data, '.writable'), '');
    rmSync(join(data, '.writable'));
  } catch (error) {
    throw new Problem(
      `the data folder ${data} can't be written (${(error as NodeJS.ErrnoException).code}): give another with --data FOLDER`,
    );
  }
}

async function requireFree(port: number, what: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const probe = createServer();
    probe.once('error', () =>
      reject(
        new Problem(`port ${port} (${what}) is in use: end what listens there, or choose others with --port NUMBER`),
      ),
    );
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve()));
  });
}

interface Ports {
  router: number;
  http: [number, number];
  grpc: [number, number];
  link: [number, number];
  files: [number, number];
}

const DEFAULT_PORT = 8090;

/** The ports that people know for the default; for another router port its neighbours, below what systems give out. */
const portsFrom = (router: number): Ports => ({
  router,
  http: [router - 10, router - 9],
  grpc: router === DEFAULT_PORT ? [50_051, 50_052] : [router + 10, router + 11],
  link: router === DEFAULT_PORT ? [8_443, 8_444] : [router + 20, router + 21],
  files: [router + 2, router + 3],
});

async function until(what: string, child: Child, probe: () => Promise<boolean>, withinMs = 60_000): Promise<void> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    if (await probe().catch(() => false)) return;
    if (Date.now() > deadline || child.restarts > 5) {
      throw new Problem(`${what} did not start. Its last lines:\n${child.lastLines().join('\n')}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

const isReady = async (url: string): Promise<boolean> =>
  (await callApi(url, null, 'GET', '/readyz', undefined, { timeoutMs: 1_000 })).status === 200;

async function main(): Promise<void> {
  const options = readOptions();
  if (options === 'help') {
    console.log(USAGE);
    return;
  }
  const startedMs = performance.now();
  const ports = portsFrom(options.port);
  const { data } = options;
  const databaseFolder = join(data, 'database');
  const progress = createProgress();
  const children: Child[] = [];
  let endDatabase = async (): Promise<void> => {};
  let stopping: Promise<void> | undefined;

  console.log(`\n${bold('Hanse')} ${dim('one control plane per plant, together one')}\n`);

  const stopAll = (): Promise<void> =>
    (stopping ??= (async () => {
      // Racks and router first: what they still ask is answered; then the sites, then what they write to.
      const first = children.filter((child) => !child.name.startsWith('site'));
      await Promise.all(first.map((child) => child.stop()));
      await Promise.all(children.map((child) => child.stop()));
      await endDatabase();
    })());

  let interrupted = false;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (interrupted) return;
      interrupted = true;
      console.log(`\n  ${dim('ending everything …')}`);
      void stopAll().then(() => {
        console.log(`  ${green('✓')} ended; \`npm start\` goes on where this was left\n`);
        process.exit(0);
      });
    });
  }

  try {
    openDataFolder(data);
    await Promise.all([
      requireFree(ports.router, 'router'),
      ...SITES.flatMap(({ site }, i) => [
        requireFree(ports.http[i] as number, `REST of ${site}`),
        requireFree(ports.grpc[i] as number, `gRPC of ${site}`),
        requireFree(ports.link[i] as number, `peer link of ${site}`),
        requireFree(ports.files[i] as number, `files of the rack of ${site}`),
      ]),
    ]);

    progress.step(process.env['DATABASE_URL'] === undefined ? 'bundled database' : 'database server');
    const external = process.env['DATABASE_URL'];
    if (options.fresh) await forget(data, databaseFolder, external);
    const isFirst = !existsSync(endpointFile(data));
    let serverUrl = external;
    if (serverUrl === undefined) {
      const keeper = await keepEngine({
        dataDir: databaseFolder,
        onDeath: () => progress.note('the database died and is started again'),
      });
      endDatabase = () => keeper.stop();
      serverUrl = keeper.url('postgres');
    }
    const databases = new Map<string, string>();
    for (const { site } of SITES) databases.set(site, await ensureDatabase(serverUrl, databaseNameOf(site)));
    mkdirSync(join(data, 'logs'), { recursive: true });

    const start = (name: string, file: string, env: Record<string, string>): Child => {
      const child = startChild({
        name,
        file: join(projectRoot, 'dist', file),
        env,
        logFile: join(data, 'logs', `${name.replace(' ', '-')}.log`),
        onRestart: (who, how) => {
          if (!interrupted) progress.note(`${who} died (${how}) and is started again`);
        },
      });
      children.push(child);
      return child;
    };

    const files = ports.files.map((port) => `127.0.0.1:${port}`);
    const siteUrl = (i: number): string => `http://127.0.0.1:${ports.http[i]}`;

    progress.step('sites muc and fra');
    const sites = SITES.map(({ site }, i) =>
      start(`site ${site}`, 'partition.js', {
        HANSE_SITE: site,
        HANSE_DATA: data,
        DATABASE_URL: databases.get(site) as string,
        HANSE_HTTP_PORT: String(ports.http[i]),
        HANSE_GRPC_PORT: String(ports.grpc[i]),
        HANSE_LINK_PORT: String(ports.link[i]),
        HANSE_AGENT_PARTITIONS: site,
        PROBE_ALLOW: [process.env['PROBE_ALLOW'] ?? '', ...files].filter((host) => host !== '').join(','),
      }),
    );
    await Promise.all(sites.map((child, i) => until(child.name, child, () => isReady(siteUrl(i)))));

    const credentialsOf = (site: string): Credentials => {
      const stored = JSON.parse(readFileSync(join(siteFolder(data, site), 'identity', 'hmac.json'), 'utf8')) as {
        hmac: { admin: string };
      };
      return { user: 'Metal-Admin', key: stored.hmac.admin };
    };

    if (isFirst) {
      progress.step('fra joins muc');
      const token = await invite(siteUrl(0), credentialsOf('muc'));
      const joined = await joinFederation(siteUrl(1), credentialsOf('fra'), token);
      if (joined !== undefined) throw new Problem(`fra could not join muc:\n${joined.join('\n')}`);
      const fra = sites[1] as Child;
      await until(fra.name, fra, async () => {
        const answer = await callApi(siteUrl(1), credentialsOf('muc'), 'GET', '/v2/federation', undefined, {
          timeoutMs: 1_000,
        });
        const { members = [] } = JSON.parse(answer.text) as { members?: Array<{ up: boolean }> };
        return answer.status === 200 && members.some(({ up }) => up);
      });
    }
    const credentials = credentialsOf('muc');

    progress.step('router');
    const routerUrl = `http://127.0.0.1:${ports.router}`;
    const router = start('router', 'router.js', {
      HANSE_ROUTER_PORT: String(ports.router),
      HANSE_ROUTER_HOST: '127.0.0.1',
      HANSE_ROUTER_SITES: ports.link.map((port) => `https://127.0.0.1:${port}`).join(','),
      HANSE_ROUTER_IDENTITY: join(siteFolder(data, 'muc'), 'identity', 'router'),
    });
    const keys = (
      JSON.parse(readFileSync(join(siteFolder(data, 'muc'), 'identity', 'hmac.json'), 'utf8')) as {
        hmac: Endpoint['keys'];
      }
    ).hmac;
    const racks = SITES.map(({ site }, i) => {
      const certificates = join(siteFolder(data, site), 'identity', 'agents', site);
      return start(`rack ${site}`, 'rack.js', {
        RACK_PARTITION: site,
        RACK_GRPC: `127.0.0.1:${ports.grpc[i]}`,
        RACK_GRPC_SERVER_NAME: 'localhost',
        RACK_URL: siteUrl(i),
        RACK_CA: join(certificates, 'ca.pem'),
        RACK_CERT: join(certificates, 'agent.pem'),
        RACK_KEY: join(certificates, 'agent.key'),
        RACK_VIEW_KEY: keys.view,
        RACK_EDIT_KEY: keys.edit,
        RACK_SMALL: '4',
        // The acceptance lines count on machines of one size.
        RACK_LARGE: options.seed === 'acceptance' ? '0' : '4',
        RACK_FILES_PORT: String(ports.files[i]),
      });
    });
    const rack = racks[0] as Child;
    await until('the router', router, () => isReady(routerUrl));

    const places: SeedPlace[] = SITES.map((place, i) => ({
      partition: place.site,
      name: place.name,
      siteUrl: siteUrl(i),
      filesUrl: `http://${files[i]}`,
      superPrefix: place.superPrefix,
      underlayPrefix: place.underlayPrefix,
    }));
    if (isFirst) {
      progress.step(`seed ${options.seed}`);
      await until('the simulated rack', rack, async () => {
        const answers = await Promise.all(places.map(({ filesUrl }) => callApi(filesUrl, null, 'HEAD', '/kernel')));
        return answers.every(({ status }) => status === 200);
      });
      const seeder = createSeeder({ routerUrl, credentials, places, note: (text) => progress.note(text) });
      await seeder.catalogue(options.seed);
      await seeder.partitions();
      await seeder.networks(options.seed);
    }

    const endpoint: Endpoint = {
      apiUrl: routerUrl,
      sites: Object.fromEntries(SITES.map(({ site }, i) => [site, siteUrl(i)])),
      keys,
    };
    writeFileSync(endpointFile(data), JSON.stringify(endpoint, null, 2), { mode: 0o600 });
    chmodSync(endpointFile(data), 0o600);

    if (options.seed !== 'none') {
      progress.step('machines boot');
      await until('the machines', rack, async () => (await waiting(routerUrl, credentials)) >= 2, 60_000);
    }
    progress.done();
    summary(endpoint, data, performance.now() - startedMs, await waiting(routerUrl, credentials).catch(() => 0));
  } catch (error) {
    if (interrupted) return;
    progress.fail(error instanceof Error ? error.message : String(error));
    await stopAll();
    process.exit(1);
  }
}

async function waiting(url: string, credentials: Credentials): Promise<number> {
  const answer = await callApi(url, credentials, 'POST', '/v1/machine/find', {});
  const machines = JSON.parse(answer.text) as Array<{ events?: { log?: Array<{ event?: string }> } }> | null;
  return (machines ?? []).filter(({ events }) => events?.log?.[0]?.event === 'Waiting').length;
}

async function forget(data: string, databaseFolder: string, external: string | undefined): Promise<void> {
  if (external !== undefined) {
    throw new Problem(
      '--fresh does not drop databases of a server of yours: drop hanse_muc and hanse_fra there, then start without it',
    );
  }
  const running = existsSync(databaseFolder)
    ? await startEngine({ dataDir: databaseFolder, log: () => {} }).catch(() => undefined)
    : undefined;
  const folder = running?.folder;
  await running?.stop();
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  for (const name of ['database', 'sites', 'logs', 'endpoint.json'])
    rmSync(join(data, name), { recursive: true, force: true });
}

function summary(endpoint: Endpoint, data: string, tookMs: number, machines: number): void {
  const sites = Object.entries(endpoint.sites).map(([site, url]): [string, string] => [`site ${site}`, url]);
  console.log(`
${bold('Both plants are up')} ${dim(`after ${(tookMs / 1_000).toFixed(1)} s, ${machines} machines wait`)}

${table([['router', bold(endpoint.apiUrl)], ...sites, ['data, keys, logs', data]])}

${bold('Sign in')}   ${cyan('eval "$(npm run -s env)"')}   ${dim('then metalctl works as it is')}

${bold('Try')}       ${dim('a project, a network and a machine in the other plant, through one address')}
  ${cyan(`npm run -s api -- PUT /v1/project '{"meta":{"id":"demo"},"name":"demo","tenant_id":"metal-stack"}'`)}
  ${cyan(`N=$(npm run -s api -- POST /v1/network/allocate '{"projectid":"demo","partitionid":"fra","name":"n1"}' --get id)`)}
  ${cyan(`npm run -s api -- POST /v1/machine/allocate '{"projectid":"demo","partitionid":"fra","sizeid":"c1-small",`)}
    ${cyan(`"imageid":"ubuntu-24.4","networks":[{"networkid":"'$N'"},{"networkid":"internet"}]}' --get allocation.networks`)}

${dim('Ctrl-C ends everything; the next start goes on with the same data; --fresh begins anew.')}
`);
}

await main().catch((error: unknown) => {
  console.error(error instanceof Problem ? `error: ${error.message}` : error);
  process.exit(1);
});
