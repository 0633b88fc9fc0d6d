// Configuration of the processes: environment variables, each with a default that works on one machine.
import { accessSync, constants } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { projectRoot } from './root.ts';

const port = z.coerce.number().int().min(0).max(65_535);
const list = z
  .string()
  .default('')
  .transform((text) =>
    text
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== ''),
  );

const SITE_EXPECTED = 'expected lower-case letters, digits and dashes, e.g. muc';

const isReadable = (path: string): boolean => {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
};

export const DATABASE_URL_EXPECTED = 'expected postgres://user:password@host:port/database';
export const isDatabaseUrl = (text: string): boolean => /^postgres(ql)?:\/\//.test(text) && URL.canParse(text);

const shape = z.object({
  HANSE_SITE: z.string({ error: SITE_EXPECTED }).regex(/^[a-z0-9][a-z0-9-]{0,40}$/, SITE_EXPECTED),
  HANSE_DATA: z.string().default(join(projectRoot, 'data')),
  /** Absent: the bundled server in the data folder, which this process starts or finds running. */
  DATABASE_URL: z.string().refine(isDatabaseUrl, DATABASE_URL_EXPECTED).optional(),
  HANSE_HOST: z.string().default('127.0.0.1'),
  HANSE_HTTP_PORT: port.default(8080),
  HANSE_GRPC_PORT: port.default(50_051),
  HANSE_LINK_PORT: port.default(8443),
  /** Host names and addresses under which others reach this process; go into its certificate and the roster. */
  HANSE_ADVERTISE: list,
  /** Partitions to come, whose agents get their certificates before the partition is created. */
  HANSE_AGENT_PARTITIONS: list,
  HANSE_SHARDS: z.coerce.number().int().min(0).max(64).default(0),
  /** Heap of each worker thread in MiB; beyond it the thread is replaced, not the process. */
  HANSE_SHARD_HEAP_MB: z.coerce.number().int().min(64).max(65_536).default(1_024),
  /**
   * Heap of the thread of an audit in MiB; beyond it the audit is refused. All rows lie there: by default four times what
   * 100,000 machines and the newest 20,000 log entries take.
   */
  HANSE_AUDIT_HEAP_MB: z.coerce.number().int().min(64).max(65_536).default(1_024),
  /**
   * Below 50 ms the parts of a lease (renewed after 27 %, a database that answers within 17 % counts as fast: lease.ts) are
   * shorter than an honest commit: nobody could hold one. So short a one changes hands for nothing; only tests want it.
   */
  HANSE_LEASE_MS: z.coerce.number().int().min(50).max(60_000).default(1_500),
  HANSE_PROVIDER_TENANT: z.string().min(1).default('metal-stack'),
  HANSE_BASE_PATH: z
    .string()
    .regex(/^\/(.*\/)?$/, 'expected a path with a slash at both ends')
    .default('/'),
  HANSE_PASSWORD_REASON_MIN_LENGTH: z.coerce.number().int().min(0).default(0),
  HANSE_SUPERUSER_PASSWORD_FILE: z
    .string()
    .refine((path) => path === '' || isReadable(path), {
      error: ({ input }) => `expected a file that can be read, got ${String(input)}`,
    })
    .default(''),
  /** Hosts (`host` or `host:port`) that URL probes may reach besides public addresses. */
  PROBE_ALLOW: list,
  /** host:port of nsqd's TCP listener; without it the bus is served as GET /v2/bus/{topic}. */
  NSQD_TCP_ADDR: z.string().default(''),
  /** Whether refused requests are kept, and the audit trail can be searched. */
  HANSE_AUDIT: z.enum(['on', 'off']).default('on'),
  /** Where metrics are scraped, without keys, so on this machine only unless told otherwise; port 0: nowhere. */
  HANSE_METRICS_HOST: z.string().default('127.0.0.1'),
  HANSE_METRICS_PORT: port.default(2112),
  /** Longest commit group in operations; tests make it small. */
  HANSE_GROUP_LIMIT: z.coerce.number().int().min(1).max(512).default(512),
});

export interface SiteConfig {
  site: string;
  /** Folder of this site: identity, certificates of agents. */
  folder: string;
  /** Folder of the bundled database server. */
  databaseFolder: string;
  /** null: the bundled server. */
  databaseUrl: string | null;
  host: string;
  httpPort: number;
  grpcPort: number;
  linkPort: number;
  advertise: string[];
  agentPartitions: string[];
  /** 0: by the number of cores. */
  shards: number;
  shardHeapMb: number;
  auditHeapMb: number;
  leaseMs: number;
  providerTenant: string;
  basePath: string;
  passwordReasonMinLength: number;
  superUserPasswordFile: string;
  probeAllow: string[];
  nsqd: { host: string; port: number } | null;
  groupLimit: number;
  metrics: { host: string; port: number };
  audit: boolean;
}

/** Reads the configuration of a site's process; every problem is named with its variable. */
export function readSiteConfig(environment: NodeJS.ProcessEnv): SiteConfig | { problems: string[] } {
  const parsed = shape.safeParse(environment);
  if (!parsed.success) {
    return { problems: parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`) };
  }
  const env = parsed.data;
  const [nsqdHost, nsqdPort] = env.NSQD_TCP_ADDR.split(':');
  return {
    site: env.HANSE_SITE,
    folder: siteFolder(resolve(env.HANSE_DATA), env.HANSE_SITE),
    databaseFolder: join(resolve(env.HANSE_DATA), 'database'),
    databaseUrl: env.DATABASE_URL ?? null,
    host: env.HANSE_HOST,
    httpPort: env.HANSE_HTTP_PORT,
    grpcPort: env.HANSE_GRPC_PORT,
    linkPort: env.HANSE_LINK_PORT,
    advertise: env.HANSE_ADVERTISE.length > 0 ? env.HANSE_ADVERTISE : [env.HANSE_HOST],
    agentPartitions: env.HANSE_AGENT_PARTITIONS,
    shards: env.HANSE_SHARDS,
    shardHeapMb: env.HANSE_SHARD_HEAP_MB,
    auditHeapMb: env.HANSE_AUDIT_HEAP_MB,
    leaseMs: env.HANSE_LEASE_MS,
    providerTenant: env.HANSE_PROVIDER_TENANT,
    basePath: env.HANSE_BASE_PATH,
    passwordReasonMinLength: env.HANSE_PASSWORD_REASON_MIN_LENGTH,
    superUserPasswordFile: env.HANSE_SUPERUSER_PASSWORD_FILE,
    probeAllow: env.PROBE_ALLOW,
    nsqd: nsqdHost === undefined || nsqdHost === '' ? null : { host: nsqdHost, port: Number(nsqdPort ?? 4150) },
    groupLimit: env.HANSE_GROUP_LIMIT,
    audit: env.HANSE_AUDIT === 'on',
    metrics: { host: env.HANSE_METRICS_HOST, port: env.HANSE_METRICS_PORT },
  };
}

/** Dashes are for people; a database's name has none. */
export const databaseNameOf = (site: string): string => `hanse_${site.replaceAll('-', '_')}`;

export const siteFolder = (data: string, site: string): string => join(data, 'sites', site);

/** One shard on 2 cores, else one less than there are, at most 4 (design.md §2). */
export const shardsFor = (configured: number, cores: number): number =>
  configured > 0 ? configured : cores <= 2 ? 1 : Math.min(4, cores - 1);
