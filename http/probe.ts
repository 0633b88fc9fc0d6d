// Does a URL answer? The edge asks on behalf of a caller, so it goes only where a caller may send it: to public
// addresses, and to hosts that the operator names (design.md §11, machines.md W46).
import { lookup } from 'node:dns';
import { request as requestHttp, type RequestOptions } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';

const PROBE_MS = 5_000;
const MOST_REDIRECTS = 5;

/** Unicast addresses of the Internet; loopback, private, link-local, mapped and reserved ranges are none. */
export const isPublicAddress = (text: string): boolean => {
  if (!ipaddr.isValid(text)) return false;
  const address = ipaddr.process(text);
  return address.range() === 'unicast';
};

const bareHost = (url: URL): string => url.hostname.replace(/^\[|\]$/g, '');

const isAllowed = (url: URL, allow: readonly string[]): boolean => {
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  return allow.some((entry) => [url.hostname, bareHost(url), `${url.hostname}:${port}`].includes(entry.toLowerCase()));
};

// The address is checked where it is used: a name must not answer differently between the check and the connection.
const publicLookup: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error !== null) return callback(error, '');
    const usable = addresses.filter(({ address }) => isPublicAddress(address));
    const first = usable[0];
    if (first === undefined) {
      return callback(Object.assign(new Error(`${hostname} has no public address`), { code: 'EACCES' }), '');
    }
    return options.all === true ? callback(null, usable) : callback(null, first.address, first.family);
  });
};

type Head = { status: number; location: string | undefined } | { problem: string };

const head = (url: URL, allowed: boolean, timeoutMs: number): Promise<Head> =>
  new Promise((resolve) => {
    const options: RequestOptions = {
      method: 'HEAD',
      // A pooled connection would skip the look-up.
      agent: false,
      ...(allowed ? {} : { lookup: publicLookup }),
    };
    const probe = url.protocol === 'https:' ? requestHttps : requestHttp;
    const outgoing = probe(url, options, (response) => {
      response.resume();
      clearTimeout(late);
      resolve({ status: response.statusCode ?? 0, location: response.headers.location });
    });
    const late = setTimeout(() => outgoing.destroy(new Error('it took too long')), timeoutMs);
    outgoing.on('error', (error) => {
      clearTimeout(late);
      resolve({ problem: error.message });
    });
    outgoing.end();
  });

/**
 * HEAD within 5 s in all; `undefined`: the URL answers with a status below 400, else what is wrong. Redirects are
 * followed, each checked like the first.
 */
export async function probeUrl(text: string, allow: readonly string[]): Promise<string | undefined> {
  const untilMs = performance.now() + PROBE_MS;
  let next = text;
  for (let hop = 0; hop <= MOST_REDIRECTS; hop++) {
    if (!URL.canParse(next)) return `"${next}" is not a URL`;
    const url = new URL(next);
    if (url.protocol !== 'http:' && url.protocol !== 'https:') return `expected http or https, not ${url.protocol}`;
    const allowed = isAllowed(url, allow);
    // An address in the URL is connected to without any look-up.
    if (!allowed && isIP(bareHost(url)) !== 0 && !isPublicAddress(bareHost(url))) {
      return `${bareHost(url)} is not a public address, and not named by PROBE_ALLOW`;
    }
    const answer = await head(url, allowed, Math.max(1, untilMs - performance.now()));
    if ('problem' in answer) return answer.problem;
    const { status, location } = answer;
    if (status < 300 || status === 304) return undefined;
    if (status >= 400) return `it answers with status ${status}`;
    if (location === undefined) return undefined;
    if (!URL.canParse(location, url.href)) return `it redirects to "${location}", which is not a URL`;
    next = new URL(location, url).href;
  }
  return `it redirects more than ${MOST_REDIRECTS} times`;
}
