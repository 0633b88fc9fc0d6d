// A process while another one of its site is active: it says how it is itself, passes everything else on, and keeps links
// to the others of its site.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Hono } from 'hono';
import { siteScope } from '../../actors/address.ts';
import type { World } from '../../actors/ports.ts';
import type { EdgeEnv } from '../../http/env.ts';
import type { Health } from '../../http/site.ts';
import { busyResponse } from '../../http/wire-errors.ts';
import type { SiteLinks } from '../../router/federation/site-links.ts';
import { createForwarder } from '../../router/forward.ts';
import { certificateFingerprint } from '../../router/link/certificates.ts';
import { linkFailure } from '../../router/link/failure.ts';
import type { HttpAnswer, HttpRequest } from '../../router/message.ts';
import type { MembersReply } from '../../router/peers.ts';
import { createPlaceIndex } from '../../router/place-index.ts';
import { refusedHeaders } from '../../router/refused.ts';
import type { OpenSiteStore } from '../../storage/site-store.ts';
import type { SiteConfig } from '../config.ts';
import { EXIT_RESTART } from '../exit-codes.ts';
import type { Ground } from './ground.ts';
import type { Lease } from './lease.ts';
import type { Role } from './role.ts';
import { refuseAgents } from './standby-agents.ts';
import { followStanding } from './standing.ts';
import { whenFree } from './when-free.ts';

export interface RolePorts {
  config: SiteConfig;
  links: SiteLinks;
  store: Pick<OpenSiteStore, 'ping'>;
  world: World;
  lease: Pick<Lease, 'holder'>;
  /** What the process plays by now. */
  current(): Role;
  odd(what: string, error?: unknown): void;
}

/** Members are read again so often: soon while nobody is known to be active, its place may be news. */
const LOOK_MS = 250;
const QUIET_LOOK_MS = 5_000;
/** Longest time for the agents' port to become free. */
const FREED_MS = 1_000;

/** A takeover is a pause, not an error: what comes meanwhile waits for whoever is active next. */
const PATIENCE_MS = 3_000;
const PATIENCE_LOOK_MS = 15;
/** These say how this very process is. */
const OWN = /\/(?:healthz|readyz|metrics|v1\/health)\/?$/;

/** What a process plays before it knows that it is active, and after it was. */
export function startingRole({ config, links, store, world, lease, current, odd }: RolePorts): Role {
  const { site, basePath } = config;
  const active = () => links.processes.activeOf(site);
  const nobody = (): Error => linkFailure('LinkDown', 'none is known to be active');
  const forward = createForwarder({
    site,
    basePath,
    places: createPlaceIndex(site),
    peers: {
      members: () => [],
      request: async (_site, head, body, limits) => {
        const link = active();
        if (link === undefined) throw nobody();
        return await link.request(head, body, limits);
      },
      ask: () => Promise.reject(nobody()),
    },
    own: () => Promise.reject(nobody()),
    isActive: () => false,
    monotonicMs: () => world.monotonicMs(),
    odd,
  });

  async function health(): Promise<Health> {
    const failure = await store.ping().then(
      () => undefined,
      (error: Error) => `the database does not answer: ${error.message}`,
    );
    const holder = lease.holder?.process ?? 'nobody that is known';
    const rest = active() === undefined ? `no active process can be reached (${holder})` : undefined;
    const state = (problem: string | undefined): Health['services'][string] =>
      problem === undefined ? { status: 'healthy', message: '' } : { status: 'unhealthy', message: problem };
    const services = { rethinkdb: state(failure), ipam: state(rest), 'masterdata-api': state(rest) };
    const isWell = failure === undefined && rest === undefined;
    return {
      status: isWell ? 'healthy' : 'unhealthy',
      message: failure ?? rest ?? `standing by for ${holder}`,
      services,
    };
  }

  const app = new Hono<EdgeEnv>({ strict: false });
  const below = (path: string): string => basePath + path;
  for (const root of new Set(['/', basePath])) {
    app.get(`${root}healthz`, (c) => c.text('alive'));
    app.get(`${root}readyz`, (c) =>
      active() === undefined
        ? c.text('standby: no active process can be reached', 503, Object.fromEntries(refusedHeaders('standby')))
        : c.text('standby'),
    );
  }
  app.get(below('v1/health'), async (c) => {
    const answer = await health();
    return c.json(answer, answer.status === 'healthy' ? 200 : 500);
  });
  app.notFound(() => busyResponse(`this process of site "${site}" stands by: ask the active one`, 'standby'));

  async function whenSomebodyIsActive(request: HttpRequest): Promise<HttpAnswer | undefined> {
    const deadline = world.monotonicMs() + PATIENCE_MS;
    while (world.monotonicMs() < deadline) {
      const played = current();
      if (played !== role) return await played.beforeApp(request);
      if (active() !== undefined) break;
      await new Promise<void>((resolve) => void world.after(PATIENCE_LOOK_MS, resolve));
    }
    return await forward.beforeApp(request);
  }

  const role: Role = {
    beforeApp: (request) =>
      active() !== undefined || OWN.test(request.path.split('?', 1)[0] ?? '')
        ? forward.beforeApp(request)
        : whenSomebodyIsActive(request),
    app,
  };
  return role;
}

/** Stands by until the lease is ours. */
export async function standBy(ground: Ground): Promise<void> {
  const { config, links, store, world, lease, life, identity, odd } = ground;
  const own = siteScope(config.site);
  let members: MembersReply['members'] = [];
  links.answerMembers(() => ({ site: config.site, active: false, members }));
  const agents = await whenFree(ground.world, () =>
    refuseAgents(config.site, {
      host: config.host,
      port: config.grpcPort,
      tls: { ca: identity.authority.cert, cert: identity.certificate.cert, key: identity.certificate.key },
    }),
  );

  ground.threads.prepare(ground.shards);
  const follow = (): Promise<void> =>
    followStanding(ground.databaseUrl, config.folder, world.wallMs()).catch((error: unknown) =>
      odd('the standing of the site could not be noted', error),
    );
  await follow();

  async function look(): Promise<void> {
    const rows = await store.rows('directory', { scopes: [own], owners: ['member', 'partition'] });
    const entries = rows.map(({ value }) => value).filter(({ entity }) => entity !== null);
    const partitions = entries.filter(({ kind }) => kind === 'partition');
    members = entries.flatMap((entry) =>
      entry.kind === 'member' && entry.entity !== null
        ? [
            {
              site: entry.id,
              partitions: partitions.filter(({ home }) => home === entry.id).map(({ id }) => id),
              links: entry.entity.linkAddresses.map((address) => `https://${address}`),
            },
          ]
        : [],
    );
    const addresses = members.find(({ site }) => site === config.site)?.links ?? [];
    links.dial(
      config.site,
      addresses.map((address) => address.slice('https://'.length)),
    );
    // The active process has joined a federation: its keys are others from then on.
    const authority = certificateFingerprint(readFileSync(join(config.folder, 'identity', 'ca.pem'), 'utf8'));
    if (authority !== identity.authority.fingerprint)
      life.end(EXIT_RESTART, 'the site has joined: starting again with the identity of the federation');
  }

  while (!lease.wasTaken && !life.isEnding) {
    await look().catch((error: unknown) => odd('the members could not be read', error));
    const isQuiet = links.processes.activeOf(config.site) !== undefined;
    if (isQuiet) await follow();
    const pauseMs = isQuiet ? QUIET_LOOK_MS : LOOK_MS;
    await Promise.race([lease.taken, new Promise<void>((resolve) => void world.after(pauseMs, resolve))]);
  }
  await Promise.race([agents.stop(), new Promise<void>((resolve) => void world.after(FREED_MS, resolve))]);
  // A process that ends while it stands by never becomes active.
  if (!lease.wasTaken) await new Promise<never>(() => {});
}
