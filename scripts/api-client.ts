// A small client of the REST API: signs as metalctl does, speaks JSON.
import { createHmac, randomBytes } from 'node:crypto';
import { request } from 'node:http';

export interface Credentials {
  /** HMAC user: Metal-View, Metal-Edit or Metal-Admin. */
  user: string;
  key: string;
}

const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';

/** The three headers of a signed request: HMAC-SHA-256 over date, method and salt (networks.md §6.7). */
export function signedHeaders(credentials: Credentials, method: string, nowMs = Date.now()): Record<string, string> {
  const date = `${new Date(nowMs).toISOString().slice(0, 19)}Z`;
  const salt = [...randomBytes(24)].map((byte) => LETTERS[byte % LETTERS.length]).join('');
  const mac = createHmac('sha256', credentials.key)
    .update(date + method + salt)
    .digest('hex');
  return { authorization: `${credentials.user} ${mac}`, 'x-date': date, 'x-data-salt': salt };
}

export interface ApiAnswer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
}

/**
 * What a person gave as a REST address, by `from`: an option or a variable. Throws a sentence when it is none. `protocols`:
 * what the asking client speaks.
 */
export function restAddress(from: string, text: string, protocols: readonly string[] = ['http:']): string {
  if (URL.canParse(text) && protocols.includes(new URL(text).protocol)) return text;
  throw new Error(`${from}: ${JSON.stringify(text)} is no REST address, expected one such as http://127.0.0.1:8080`);
}

/** One request; rejects only when there is no answer. */
export function callApi(
  baseUrl: string,
  credentials: Credentials | null,
  method: string,
  path: string,
  body?: unknown,
  options: { timeoutMs?: number; headers?: Record<string, string> } = {},
): Promise<ApiAnswer> {
  const url = new URL(path.replace(/^\//, ''), baseUrl.endsWith('/') ? baseUrl : `${baseUrl}/`);
  const bytes = body === undefined ? undefined : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  return new Promise((resolve, reject) => {
    const outgoing = request(
      url,
      {
        method,
        headers: {
          accept: 'application/json',
          ...(credentials === null ? {} : signedHeaders(credentials, method)),
          ...(bytes === undefined ? {} : { 'content-type': 'application/json', 'content-length': bytes.length }),
          ...options.headers,
        },
        timeout: options.timeoutMs ?? 30_000,
      },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.on('end', () =>
          resolve({
            status: incoming.statusCode ?? 0,
            headers: incoming.headers,
            text: Buffer.concat(chunks).toString('utf8'),
          }),
        );
        incoming.on('error', reject);
      },
    );
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer from ${url.href} within the time-out`)));
    outgoing.on('error', reject);
    outgoing.end(bytes);
  });
}

/** The message of an error answer; metal-api's errors are a JSON string that contains JSON (machines.md §1.3). */
export function errorMessage(text: string): string {
  try {
    const outer: unknown = JSON.parse(text);
    const inner: unknown = typeof outer === 'string' && outer.startsWith('{') ? JSON.parse(outer) : outer;
    if (typeof inner === 'string') return inner;
    const { message } = inner as { message?: unknown };
    return typeof message === 'string' ? message : text;
  } catch {
    return text;
  }
}
