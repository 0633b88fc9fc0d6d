// What must be right before anything is started: the data folder, the ports, the database server.
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { ensureDatabase } from '../../storage/engine/database.ts';
import { startEngine } from '../../storage/engine/engine.ts';
import { DATABASE_URL_EXPECTED, databaseNameOf, isDatabaseUrl } from '../config.ts';
import { keepEngine } from './database.ts';
import { Problem, type Options, type Ports } from './options.ts';
import type { Progress } from './screen.ts';

export const databaseFolder = (data: string): string => join(data, 'database');

/** Step by step: Node's own recursive way never ends below /proc. */
function makeFolder(path: string): void {
  if (existsSync(path)) return;
  makeFolder(dirname(path));
  mkdirSync(path, { mode: 0o755 });
}

export function openDataFolder(data: string): void {
  try {
    makeFolder(data);
    writeFileSync(join(data, '.writable'), '');
    rmSync(join(data, '.writable'));
    makeFolder(join(data, 'logs'));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Problem(`the data folder ${data} can't be written (${code}): give another with --data FOLDER`);
  }
}

async function requireFree(port: number, what: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const probe = createServer();
    probe.once('error', () =>
      reject(
        new Problem(`port ${port} (${what}) is in use: end what listens there, or give another with --port NUMBER`),
      ),
    );
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve()));
  });
}

export async function requireFreePorts(ports: Ports, sites: readonly string[]): Promise<void> {
  await requireFree(ports.router, 'router');
  for (const [i, site] of sites.entries()) {
    await requireFree(ports.http[i] as number, `REST of ${site}`);
    await requireFree(ports.grpc[i] as number, `gRPC of ${site}`);
    await requireFree(ports.link[i] as number, `peer link of ${site}`);
    await requireFree(ports.files[i] as number, `files of the rack of ${site}`);
  }
}

export interface Databases {
  /** URL of a site's database. */
  urlOf(site: string): string;
  stop(): Promise<void>;
}

/** The server of DATABASE_URL, or the bundled one under our eyes; with a database for each site. */
export async function openDatabases(
  options: Options,
  sites: readonly string[],
  progress: Progress,
): Promise<Databases> {
  const external = process.env['DATABASE_URL'];
  if (external !== undefined && !isDatabaseUrl(external)) throw new Problem(`DATABASE_URL: ${DATABASE_URL_EXPECTED}`);
  const keeper =
    external === undefined
      ? await keepEngine({
          dataDir: databaseFolder(options.data),
          onDeath: () => progress.note('the database died and is started again'),
          // At the start the step says enough; afterwards only what keeps it from running.
          log: (line) => {
            if (line.startsWith('the database can')) progress.note(line);
          },
        })
      : undefined;
  const server = external ?? (keeper as NonNullable<typeof keeper>).url('postgres');
  const urls = new Map<string, string>();
  try {
    for (const site of sites) urls.set(site, await ensureDatabase(server, databaseNameOf(site)));
  } catch (error) {
    await keeper?.stop();
    // Never the URL itself: it has the password.
    const where = external === undefined ? 'the bundled database' : `DATABASE_URL: ${new URL(external).host}`;
    throw new Problem(`${where} says: ${(error as Error).message}`);
  }
  return {
    urlOf: (site) => urls.get(site) as string,
    stop: async () => await keeper?.stop(),
  };
}

/** Forgets everything that an earlier start left. */
export async function forget(data: string): Promise<void> {
  if (process.env['DATABASE_URL'] !== undefined) {
    throw new Problem(
      '--fresh does not drop databases of a server of yours: drop hanse_muc and hanse_fra there, then start without it',
    );
  }
  // Only the server knows where its files are: as root they may lie elsewhere.
  if (existsSync(databaseFolder(data))) {
    const engine = await startEngine({ dataDir: databaseFolder(data), log: () => {} }).catch(() => undefined);
    await engine?.stop();
    if (engine !== undefined) rmSync(engine.folder, { recursive: true, force: true });
  }
  for (const name of ['database', 'sites', 'logs', 'endpoint.json']) {
    rmSync(join(data, name), { recursive: true, force: true });
  }
}
