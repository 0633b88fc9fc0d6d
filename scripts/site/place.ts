// Where a site's things lie on this machine: its folder, its database, its address. For commands beside its processes.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { databaseUrl, ensureDatabase } from '../../storage/engine/database.ts';
import { startEngine } from '../../storage/engine/engine.ts';
import { DATABASE_URL_EXPECTED, databaseNameOf, isDatabaseUrl, siteFolder } from '../config.ts';
import { dataFolder } from '../endpoint.ts';

/** One sentence for the person at the terminal; no stack. */
export class Problem extends Error {}

export interface SitePlace {
  site: string;
  /** Everything of all sites of this machine. */
  data: string;
  folder: string;
}

export interface OpenDatabase {
  url: string;
  /** Ends the bundled server if it was started for this. */
  close(): Promise<void>;
}

/** Sites with a folder in the data folder. */
export function sitesIn(data: string): string[] {
  const folder = join(data, 'sites');
  return existsSync(folder)
    ? readdirSync(folder, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map(({ name }) => name)
        .sort()
    : [];
}

const SITE = /^[a-z0-9][a-z0-9-]{0,40}$/;

/** The site that is meant: the one that is named, or the only one there is. */
export function placeOf(
  wish: { site?: string | undefined; data?: string | undefined },
  environment: NodeJS.ProcessEnv = process.env,
): SitePlace {
  const data = dataFolder(wish.data === undefined ? environment : { ...environment, HANSE_DATA: wish.data });
  const site = wish.site ?? environment['HANSE_SITE'];
  if (site !== undefined) {
    if (!SITE.test(site)) throw new Problem(`site "${site}": expected lower-case letters, digits and dashes, e.g. muc`);
    return { site, data, folder: siteFolder(data, site) };
  }
  const known = sitesIn(data);
  const [only] = known;
  if (only === undefined)
    throw new Problem(`no site lies in ${data}: give its folder with --data, its name with --site`);
  if (known.length > 1) throw new Problem(`which site? --site ${known.join(' or --site ')}`);
  return { site: only, data, folder: siteFolder(data, only) };
}

/** Names a server (`postgres://…/` or `…/postgres`) or the site's database itself. */
function urlAt(given: string, site: string): string {
  const { pathname } = new URL(given);
  return pathname === '' || pathname === '/' || pathname === '/postgres'
    ? databaseUrl(given, databaseNameOf(site))
    : given;
}

/**
 * The site's database: DATABASE_URL, or that of the bundled server, which is started if it does not run. `create`: it need
 * not be there.
 */
export async function openDatabase(
  place: SitePlace,
  { create = false }: { create?: boolean } = {},
  environment: NodeJS.ProcessEnv = process.env,
): Promise<OpenDatabase> {
  const external = environment['DATABASE_URL'];
  if (external !== undefined) {
    // Never the text itself: it may hold a password.
    if (!isDatabaseUrl(external)) throw new Problem(`DATABASE_URL: ${DATABASE_URL_EXPECTED}`);
    const url = urlAt(external, place.site);
    if (create) await ensureDatabase(url, new URL(url).pathname.slice(1));
    return { url, close: async () => {} };
  }
  const dataDir = join(place.data, 'database');
  if (!create && !existsSync(dataDir))
    throw new Problem(`no bundled database in ${dataDir}: give --data FOLDER, or the server as DATABASE_URL`);
  const engine = await startEngine({ dataDir, log: () => {} });
  const close = async (): Promise<void> => {
    if (!engine.adopted) await engine.stop();
  };
  try {
    const name = databaseNameOf(place.site);
    const url = create ? await ensureDatabase(engine.url('postgres'), name) : engine.url(name);
    return { url, close };
  } catch (error) {
    await close();
    throw error;
  }
}
