// The processes of the two plants, and how to wait for them.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { callApi, type Credentials } from '../api-client.ts';
import { siteFolder } from '../config.ts';
import type { Endpoint } from '../endpoint.ts';
import { invite, join as joinFederation } from '../federation-client.ts';
import { projectRoot } from '../root.ts';
import { startChild, type Child } from './child.ts';
import { Problem, type Options } from './options.ts';
import type { SeedPlace } from './seed.ts';

export const SITES = [
  { site: 'muc', name: 'Munich', superPrefix: '10.0.0.0/16', underlayPrefix: '10.240.0.0/24' },
  { site: 'fra', name: 'Frankfurt', superPrefix: '10.1.0.0/16', underlayPrefix: '10.240.1.0/24' },
] as const;

/** Machines of a rack, by size. */
const SMALL = 4;
const LARGE = 4;

const WITHIN_MS = 60_000;
const LOOK_MS = 25;

export interface Plant {
  startSites(urlOf: (site: string) => string): void;
  startRouter(): void;
  startRacks(): void;
  sitesReady(): Promise<void>;
  routerReady(): Promise<void>;
  racksReady(): Promise<void>;
  /** Counts the machines; `all`: when every one of them waits for an allocation. */
  machinesWait(all: boolean): Promise<{ machines: number; waiting: number }>;
  /** fra joins muc by the ordinary join. */
  join(): Promise<void>;
  places: SeedPlace[];
  credentials(): Credentials;
  endpoint(): Endpoint;
  /** Racks and router first, so that what they still ask is answered; then the sites. */
  stop(): Promise<void>;
}

export function createPlant(
  options: Options,
  onDeath: (name: string, how: string) => void,
  onProcesses: (pids: number[]) => void,
): Plant {
  const { data, ports } = options;
  const children = new Map<string, Child>();
  // The acceptance lines count on machines of one size.
  const large = options.seed === 'acceptance' ? 0 : LARGE;
  const siteUrl = (i: number): string => `http://127.0.0.1:${ports.http[i]}`;
  const routerUrl = `http://127.0.0.1:${ports.router}`;
  const files = ports.files.map((port) => `127.0.0.1:${port}`);
  const identity = (site: string): string => join(siteFolder(data, site), 'identity');
  const keysOf = (site: string): Endpoint['keys'] =>
    (JSON.parse(readFileSync(join(identity(site), 'hmac.json'), 'utf8')) as { hmac: Endpoint['keys'] }).hmac;
  const adminOf = (site: string): Credentials => ({ user: 'Metal-Admin', key: keysOf(site).admin });

  const onProcess = (): void =>
    onProcesses([...children.values()].flatMap(({ pid }) => (pid === undefined ? [] : [pid])));

  function start(name: string, file: string, env: Record<string, string>): void {
    const logFile = join(data, 'logs', `${name.replace(' ', '-')}.log`);
    children.set(
      name,
      startChild({ name, file: join(projectRoot, 'dist', file), env, logFile, onRestart: onDeath, onProcess }),
    );
    onProcess();
  }

  /** Waits until a probe says yes; says what the process wrote last when it does not come. */
  async function until(name: string, probe: () => Promise<boolean>): Promise<void> {
    const child = children.get(name) as Child;
    const deadline = Date.now() + WITHIN_MS;
    for (;;) {
      if (await probe().catch(() => false)) return;
      if (child.refusal !== undefined) throw new Problem(`${name} does not start: ${child.refusal}`);
      if (Date.now() > deadline || child.restarts > 5) {
        throw new Problem(`${name} did not start. Its last lines:\n${child.lastLines().join('\n')}`);
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  const isReady = async (url: string): Promise<boolean> =>
    (await callApi(url, null, 'GET', '/readyz', undefined, { timeoutMs: 1_000 })).status === 200;

  const expected = SITES.length * (SMALL + large);

  async function count(): Promise<{ machines: number; waiting: number }> {
    const answer = await callApi(routerUrl, adminOf('muc'), 'POST', '/v1/machine/find', {});
    const machines = (JSON.parse(answer.text) as Array<{ events?: { log?: Array<{ event?: string }> } }> | null) ?? [];
    return {
      machines: machines.length,
      waiting: machines.filter(({ events }) => events?.log?.[0]?.event === 'Waiting').length,
    };
  }

  return {
    startSites(urlOf) {
      for (const [i, { site }] of SITES.entries()) {
        start(`site ${site}`, 'partition.js', {
          HANSE_SITE: site,
          HANSE_DATA: data,
          DATABASE_URL: urlOf(site),
          HANSE_HTTP_PORT: String(ports.http[i]),
          HANSE_GRPC_PORT: String(ports.grpc[i]),
          HANSE_LINK_PORT: String(ports.link[i]),
          HANSE_METRICS_PORT: String(ports.metrics[i]),
          HANSE_AGENT_PARTITIONS: site,
          PROBE_ALLOW: [process.env['PROBE_ALLOW'] ?? '', ...files].filter((host) => host !== '').join(','),
        });
      }
    },
    startRouter() {
      start('router', 'router.js', {
        HANSE_ROUTER_PORT: String(ports.router),
        HANSE_ROUTER_HOST: '127.0.0.1',
        HANSE_ROUTER_SITES: ports.link.map((port) => `https://127.0.0.1:${port}`).join(','),
        HANSE_ROUTER_IDENTITY: join(identity('muc'), 'router'),
      });
    },
    startRacks() {
      const keys = keysOf('muc');
      for (const [i, { site }] of SITES.entries()) {
        const certificates = join(identity(site), 'agents', site);
        start(`rack ${site}`, 'rack.js', {
          RACK_PARTITION: site,
          RACK_GRPC: `127.0.0.1:${ports.grpc[i]}`,
          RACK_GRPC_SERVER_NAME: 'localhost',
          RACK_URL: siteUrl(i),
          RACK_CA: join(certificates, 'ca.pem'),
          RACK_CERT: join(certificates, 'agent.pem'),
          RACK_KEY: join(certificates, 'agent.key'),
          RACK_VIEW_KEY: keys.view,
          RACK_EDIT_KEY: keys.edit,
          RACK_SMALL: String(SMALL),
          RACK_LARGE: String(large),
          RACK_FILES_PORT: String(ports.files[i]),
        });
      }
    },
    async sitesReady() {
      await Promise.all(SITES.map(({ site }, i) => until(`site ${site}`, () => isReady(siteUrl(i)))));
    },
    routerReady: () => until('router', () => isReady(routerUrl)),
    async racksReady() {
      const serves = async (host: string): Promise<boolean> =>
        (await callApi(`http://${host}`, null, 'HEAD', '/kernel')).status === 200;
      await Promise.all(SITES.map(({ site }, i) => until(`rack ${site}`, () => serves(files[i] as string))));
    },
    async machinesWait(all) {
      if (all) await until('rack muc', async () => (await count()).waiting >= expected);
      return await count();
    },
    async join() {
      // An interrupted first start may have got this far already: then fra has the keys of muc.
      if (keysOf('fra').admin !== keysOf('muc').admin) {
        const token = await invite(siteUrl(0), adminOf('muc'));
        const refused = await joinFederation(siteUrl(1), adminOf('fra'), token);
        if (refused !== undefined) throw new Problem(`fra could not join muc:\n${refused.join('\n')}`);
      }
      // It starts again with the federation's keys, and is in when its link to muc is up.
      await until('site fra', async () => {
        const answer = await callApi(siteUrl(1), adminOf('muc'), 'GET', '/v2/federation', undefined, {
          timeoutMs: 1_000,
        });
        const { members = [] } = JSON.parse(answer.text) as { members?: Array<{ up: boolean }> };
        return answer.status === 200 && members.some(({ up }) => up);
      });
    },
    places: SITES.map((place, i) => ({
      partition: place.site,
      name: place.name,
      siteUrl: siteUrl(i),
      filesUrl: `http://${files[i]}`,
      superPrefix: place.superPrefix,
      underlayPrefix: place.underlayPrefix,
    })),
    credentials: () => adminOf('muc'),
    endpoint: () => ({
      apiUrl: routerUrl,
      sites: Object.fromEntries(SITES.map(({ site }, i) => [site, siteUrl(i)])),
      keys: keysOf('muc'),
    }),
    async stop() {
      const all = [...children.values()];
      await Promise.all(all.filter(({ name }) => !name.startsWith('site')).map((child) => child.stop()));
      await Promise.all(all.map((child) => child.stop()));
    },
  };
}
