// How a site is, from outside of its processes: what its database, its address and its folder say.
import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Health } from '../../http/site.ts';
import type { Federation } from '../../router/federation/federation.ts';
import { createInspection, type LeaseView, type MigrationView } from '../../storage/inspection.ts';
import { openForAudit } from '../../storage/audit/index.ts';
import { callApi } from '../api-client.ts';
import { namedAddress, readEndpoint } from '../endpoint.ts';
import { credentialsIn } from '../join.ts';
import type { RestoredView } from './federation-routes.ts';
import { openDatabase, type SitePlace } from './place.ts';
import type { StandbyView } from './standbys.ts';
import { readStandingFile } from './standing.ts';

export interface SiteStatus {
  site: string;
  folder: string;
  /** Address of REST, if known, and what it answers; null: nothing. */
  url: string | null;
  health: Health | null;
  partitions: string[] | null;
  /** Processes that stand by and that the active one can reach; null: it does not say. */
  standbys: StandbyView[] | null;
  members: ReturnType<Federation['status']> | null;
  restored: RestoredView | null;
  database: DatabaseStatus | { problem: string };
  keys: { authority: boolean; certificateUntilMs: number | null };
  standing: { incarnation: number; atMs: number } | null;
}

export interface DatabaseStatus {
  /** Of the server, e.g. `PostgreSQL 18.4`. */
  server: string;
  host: string;
  /** null: no process is active. */
  lease: LeaseView | null;
  migrations: MigrationView[];
  /** Live rows by table, without the log. */
  rows: Record<string, number>;
  log: number;
  lastWriteMs: number | null;
  epochs: Array<{ scope: string; epoch: number }>;
  /** Addresses of REST of the site's processes, as its roster entry has them. */
  urls: string[];
}

async function lookAtDatabase(place: SitePlace): Promise<SiteStatus['database']> {
  const opened = await openDatabase(place).catch((error: Error) => error);
  if (opened instanceof Error) return { problem: opened.message };
  const inspection = createInspection({ url: opened.url, applicationName: 'hanse-status' });
  const sql = openForAudit(opened.url);
  try {
    const [[version], leases, { streams }, migrations, counts, urls] = await Promise.all([
      sql.unsafe<Array<{ server: string }>>('select version() as server'),
      inspection.leases(),
      inspection.log(),
      inspection.migrations(),
      inspection.counts(),
      inspection.urlsOf(place.site),
    ]);
    const { log = 0, ...rows } = counts;
    const open = streams.filter(({ ended }) => !ended);
    const epochs = new Map<string, number>();
    for (const { scope, epoch } of open) epochs.set(scope, Math.max(epochs.get(scope) ?? 0, epoch));
    const writes = open.flatMap(({ lastAtMs }) => (lastAtMs === null ? [] : [lastAtMs]));
    return {
      server: (version?.server ?? '').split(' ').slice(0, 2).join(' '),
      host: new URL(opened.url).host,
      lease: leases.find(({ site, remainingMs }) => site === place.site && remainingMs > 0) ?? null,
      migrations,
      rows,
      log,
      lastWriteMs: writes.length === 0 ? null : Math.max(...writes),
      epochs: [...epochs].map(([scope, epoch]) => ({ scope, epoch })),
      urls,
    };
  } catch (error) {
    return { problem: (error as Error).message };
  } finally {
    await inspection.close();
    await sql.end({ timeout: 1 });
    await opened.close();
  }
}

interface FederationAnswer {
  partitions: string[];
  /** A site of the version before does not say. */
  standbys?: StandbyView[];
  members: NonNullable<SiteStatus['members']>;
  restored: RestoredView;
}

async function lookAtAddress(
  place: SitePlace,
  url: string | undefined,
): Promise<Pick<SiteStatus, 'health' | 'partitions' | 'standbys' | 'members' | 'restored'>> {
  const nothing = { health: null, partitions: null, standbys: null, members: null, restored: null };
  if (url === undefined) return nothing;
  const get = async <T>(path: string, isOpen: boolean): Promise<T | null> => {
    try {
      const answer = await callApi(url, isOpen ? null : credentialsIn(place.folder), 'GET', path, undefined, {
        timeoutMs: 5_000,
      });
      return answer.status === 200 || answer.status === 500 ? (JSON.parse(answer.text) as T) : null;
    } catch {
      return null;
    }
  };
  const [health, federation] = await Promise.all([
    get<Health>('/v1/health', true),
    get<FederationAnswer>('/v2/federation', false),
  ]);
  return {
    health,
    partitions: federation?.partitions ?? null,
    standbys: federation?.standbys ?? null,
    members: federation?.members ?? null,
    restored: federation?.restored ?? null,
  };
}

/** Where nobody tells the address: that of the process that answers, which may be any of the site. */
async function addressIn(database: SiteStatus['database']): Promise<string | undefined> {
  if ('problem' in database) return undefined;
  for (const url of database.urls) {
    const answer = await callApi(url, null, 'GET', '/v1/health', undefined, { timeoutMs: 2_000 }).catch(() => null);
    if (answer?.status === 200 || answer?.status === 500) return url;
  }
  return database.urls[0];
}

function lookAtKeys(folder: string): SiteStatus['keys'] {
  const certificate = join(folder, 'identity', 'site.pem');
  return {
    authority: existsSync(join(folder, 'identity', 'ca.key')),
    certificateUntilMs: existsSync(certificate)
      ? new Date(new X509Certificate(readFileSync(certificate)).validTo).getTime()
      : null,
  };
}

export async function statusOf(place: SitePlace, api?: string): Promise<SiteStatus> {
  const looking = lookAtDatabase(place);
  const told = namedAddress(api, {}) ?? readEndpoint(place.data)?.sites[place.site];
  const url = told ?? (await addressIn(await looking));
  const [database, address] = await Promise.all([looking, lookAtAddress(place, url)]);
  const file = readStandingFile(place.folder);
  return {
    site: place.site,
    folder: place.folder,
    url: url ?? null,
    ...address,
    database,
    keys: lookAtKeys(place.folder),
    standing: file === undefined ? null : { incarnation: file.incarnation, atMs: file.atMs },
  };
}
