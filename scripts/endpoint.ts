// Where `npm start` of this checkout listens and which keys it made, for the commands that talk to it.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { restAddress, type Credentials } from './api-client.ts';
import { projectRoot } from './root.ts';

/** Written by the launcher when everything is up; mode 0600. */
export interface Endpoint {
  /** Base URL of the router. */
  apiUrl: string;
  /** Base URLs of the sites, by id. */
  sites: Record<string, string>;
  keys: { view: string; edit: string; admin: string };
}

export const dataFolder = (environment: NodeJS.ProcessEnv = process.env): string =>
  resolve(environment['HANSE_DATA'] ?? join(projectRoot, 'data'));
export const endpointFile = (data: string): string => join(data, 'endpoint.json');

export function readEndpoint(data: string = dataFolder()): Endpoint | undefined {
  try {
    return JSON.parse(readFileSync(endpointFile(data), 'utf8')) as Endpoint;
  } catch {
    return undefined;
  }
}

/** The REST address that an option or metalctl's variable names, if one does. Throws a sentence when it is none. */
export function namedAddress(api: string | undefined, environment: NodeJS.ProcessEnv): string | undefined {
  if (api !== undefined) return restAddress('--api', api);
  const variable = environment['METALCTL_API_URL'];
  return variable === undefined ? undefined : restAddress('METALCTL_API_URL', variable);
}

export interface Target {
  url: string;
  credentials: Credentials;
}

/** metalctl's own variables win, so that the commands also talk to another plant; else what `npm start` wrote. */
export function targetOf(environment: NodeJS.ProcessEnv = process.env): Target | undefined {
  const endpoint = readEndpoint(dataFolder(environment));
  const url = namedAddress(undefined, environment) ?? endpoint?.apiUrl;
  const key = environment['METALCTL_HMAC'] ?? endpoint?.keys.admin;
  if (url === undefined || key === undefined) return undefined;
  return { url, credentials: { user: environment['METALCTL_HMAC_AUTH_TYPE'] ?? 'Metal-Admin', key } };
}
