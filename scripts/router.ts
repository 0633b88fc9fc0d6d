// The router process: one HTTP address for all sites of a federation. Stateless; run as many as you like.
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { sayLinkChanges } from '../router/link/link-log.ts';
import { createPeering, type LinkIdentity } from '../router/link/peering.ts';
import { serveProxy } from '../router/serve-proxy.ts';
import { connectSites } from '../router/sites.ts';
import { EXIT_CONFIGURATION } from './exit-codes.ts';
import { createLogger, type Logger } from './log.ts';
import { realWorld } from './world.ts';

/** Longest time for ending what was accepted. */
const STOP_MS = 10_000;
const IDENTITY_LOOK_MS = 1_000;

const links = z
  .string({ error: 'expected the link addresses of the sites, e.g. https://muc.example:8443,https://fra.example:8443' })
  .transform((text) =>
    text
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== ''),
  )
  .pipe(
    z
      .array(z.string().regex(/^https:\/\/[^/?#]+\/?$/, 'expected https://host:port of the peer link of a site'))
      .min(1, 'expected at least one link address, e.g. https://muc.example:8443'),
  );

const shape = z.object({
  HANSE_ROUTER_HOST: z.string().default('127.0.0.1'),
  HANSE_ROUTER_PORT: z.coerce.number().int().min(0).max(65_535).default(8090),
  /** Peer links of the sites, in the order of preference; further ones are learnt from them. */
  HANSE_ROUTER_SITES: links,
  /** Folder with ca.pem, router.pem, router.key, as a site issues it. */
  HANSE_ROUTER_IDENTITY: z.string({ error: 'expected the folder with ca.pem, router.pem and router.key' }).min(1),
  HANSE_BASE_PATH: z
    .string()
    .regex(/^\/(.*\/)?$/, 'expected a path with a slash at both ends')
    .default('/'),
});

function refuse(problems: readonly string[]): never {
  console.error(
    `the configuration of the router is not right:\n${problems.map((problem) => `  ${problem}`).join('\n')}`,
  );
  process.exit(EXIT_CONFIGURATION);
}

/** Read at every connection, so that renewed files are used without a restart. */
function readIdentity(folder: string, name: string): LinkIdentity {
  const read = (file: string): string => readFileSync(join(folder, file), 'utf8');
  return {
    site: 'router',
    process: name,
    certificate: { cert: read('router.pem'), key: read('router.key') },
    authority: read('ca.pem'),
  };
}

/** A site issues the files when it starts for the first time, which may be later than this process. */
async function untilIssued(folder: string, name: string, log: Logger): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      readIdentity(folder, name);
      if (tries > 0) log.info({ folder }, 'the certificate files are there');
      return;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT') refuse([`HANSE_ROUTER_IDENTITY: ${message}`]);
      if (tries === 0)
        log.info(
          { folder, why: message },
          'HANSE_ROUTER_IDENTITY: waiting for ca.pem, router.pem and router.key there',
        );
    }
    await new Promise((resolve) => setTimeout(resolve, IDENTITY_LOOK_MS));
  }
}

async function main(): Promise<void> {
  const parsed = shape.safeParse(process.env);
  if (!parsed.success) refuse(parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`));
  const env = parsed.data;
  const folder = resolve(env.HANSE_ROUTER_IDENTITY);
  const name = `${hostname()}-${process.pid}-${randomUUID().slice(0, 8)}`;
  const log = createLogger('router');
  await untilIssued(folder, name, log);

  const odd = (what: string, error?: unknown): void =>
    log.warn({ error: error instanceof Error ? error.message : error }, what);
  const peering = createPeering({
    identity: () => readIdentity(folder, name),
    incarnation: randomUUID(),
    world: realWorld,
    odd,
    onLink: sayLinkChanges({ monotonicMs: realWorld.monotonicMs, say: (what, fields) => log.info(fields, what) }),
  });
  const sites = connectSites({ peering, links: env.HANSE_ROUTER_SITES, odd });
  const proxy = await serveProxy({
    host: env.HANSE_ROUTER_HOST,
    port: env.HANSE_ROUTER_PORT,
    sites,
    basePath: env.HANSE_BASE_PATH,
    monotonicMs: () => performance.now(),
    odd,
  });
  log.info({ port: proxy.port, sites: env.HANSE_ROUTER_SITES }, `http://${env.HANSE_ROUTER_HOST}:${proxy.port}`);
  // For a launcher that starts it as a child, also under PM2.
  process.send?.('ready');

  let isStopping = false;
  const stop = async (signal: string): Promise<void> => {
    if (isStopping) return;
    isStopping = true;
    log.info({ signal }, 'stopping');
    setTimeout(() => process.exit(1), STOP_MS).unref();
    await proxy.stop();
    sites.close();
    peering.close();
    log.info('stopped');
    process.exit(0);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void stop(signal));
}

await main().catch((error: unknown) => {
  console.error('the router could not start:', error instanceof Error ? error.message : error);
  process.exit(1);
});
