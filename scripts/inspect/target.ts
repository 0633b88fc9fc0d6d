// Which sites are asked, and with which key.
import { callApi, errorMessage, type Credentials } from '../api-client.ts';
import { ROUTER_NAME } from '../../router/message.ts';
import { credentialsIn } from '../join.ts';
import { dataFolder, namedAddress, readEndpoint } from '../endpoint.ts';

const ASK_MS = 60_000;

/** One sentence for the person at the terminal; no stack. */
export class Problem extends Error {}

export interface Wish {
  site?: string | undefined;
  api?: string | undefined;
  /** Folder of a site, with its admin key. */
  data?: string | undefined;
}

export interface Target {
  /** As known before asking; the answers say it themselves. */
  name: string;
  url: string;
  credentials: Credentials;
}

export const NO_PLANT =
  'no running plant is known here: run `npm start` first, set METALCTL_API_URL and METALCTL_HMAC, or give --data FOLDER and --api URL';

/** Every known site, unless one is named. */
export function targetsOf(wish: Wish, environment: NodeJS.ProcessEnv = process.env): Target[] {
  const endpoint = readEndpoint(dataFolder(environment));
  const user = environment['METALCTL_HMAC_AUTH_TYPE'] ?? 'Metal-Admin';
  const key = environment['METALCTL_HMAC'] ?? endpoint?.keys.admin;
  const credentials =
    wish.data !== undefined ? credentialsIn(wish.data) : key === undefined ? undefined : { user, key };
  if (credentials === undefined) throw new Problem(NO_PLANT);
  const url = namedAddress(wish.api, wish.site === undefined ? environment : {});
  if (url !== undefined) return [{ name: wish.site ?? url, url, credentials }];
  const known = Object.entries(endpoint?.sites ?? {});
  if (known.length === 0) throw new Problem(NO_PLANT);
  const asked = known.filter(([site]) => wish.site === undefined || site === wish.site);
  if (asked.length === 0)
    throw new Problem(
      `site ${wish.site} is not known here, only ${known.map(([site]) => site).join(', ')}; --api URL names any other`,
    );
  return asked.map(([name, siteUrl]) => ({ name, url: siteUrl, credentials }));
}

const routersSaid = new Set<string>();

/** Who asks a router sees the first of its sites, and might take it for all. */
function sayRouter(url: string, answer: unknown): void {
  if (routersSaid.has(url)) return;
  routersSaid.add(url);
  const { site } = answer as { site?: unknown };
  console.error(
    `note: ${url} is a router: this is what one of its sites says${typeof site === 'string' ? `, ${site}` : ''}; --api of each site shows the others`,
  );
}

/** What a site answers, to a GET unless said otherwise; rejects with a sentence. */
export async function askSite<T>({ name, url, credentials }: Target, path: string, method = 'GET'): Promise<T> {
  const answer = await callApi(url, credentials, method, path, undefined, { timeoutMs: ASK_MS }).catch(
    (error: Error) => {
      throw new Problem(`site ${name} does not answer at ${url} (${error.message}): is it running?`);
    },
  );
  if (answer.status === 200) {
    const value = JSON.parse(answer.text) as T;
    if (String(answer.headers['via'] ?? '').includes(ROUTER_NAME)) sayRouter(url, value);
    return value;
  }
  const message = errorMessage(answer.text);
  if (answer.status === 403)
    throw new Problem(
      `site ${name} refuses (403 ${message}): inspection needs the admin key, see METALCTL_HMAC and --data`,
    );
  throw new Problem(`site ${name} answers ${answer.status}: ${message}`);
}
