// A REST client as the agents have one: signed with HMAC, JSON, a deadline.
import { createHmac, randomBytes } from 'node:crypto';

export interface RestRequest {
  as: 'view' | 'edit';
  body?: unknown;
  signal: AbortSignal;
}

export interface Rest {
  /** The JSON of a 200 or 201; rejects with a RestFailure otherwise. */
  call(method: 'GET' | 'POST', path: string, request: RestRequest): Promise<unknown>;
  /** A response that is read by the caller, without a deadline. */
  open(path: string, request: RestRequest & { headers?: Record<string, string> }): Promise<Response>;
}

export class RestFailure extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const USERS = { view: 'Metal-View', edit: 'Metal-Edit' } as const;
const DEADLINE_MS = 15_000;
const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';

/** Headers of a request signed over date, method and salt (networks.md §6.7). */
export const sign = (
  user: 'view' | 'edit',
  key: string,
  method: string,
  now: Date = new Date(),
  salt: string = Array.from(randomBytes(24), (byte) => LETTERS[byte % LETTERS.length]).join(''),
): Record<string, string> => {
  const date = `${now.toISOString().slice(0, 19)}Z`;
  const mac = createHmac('sha256', key)
    .update(date + method + salt)
    .digest('hex');
  return { authorization: `${USERS[user]} ${mac}`, 'x-date': date, 'x-data-salt': salt };
};

/** Errors are a JSON string that contains an object, once more as JSON (machines.md §1.3). */
const messageOf = (text: string): string => {
  try {
    const outer: unknown = JSON.parse(text);
    const inner: unknown = typeof outer === 'string' && outer.startsWith('{') ? JSON.parse(outer) : outer;
    return typeof inner === 'object' && inner !== null && 'message' in inner ? String(inner.message) : String(inner);
  } catch {
    return text;
  }
};

/** `urls`: where one can't be reached, the next is taken from then on. */
export const createRest = (urls: string[], keys: { view: string; edit: string }): Rest => {
  let current = 0;

  const send = async (method: 'GET' | 'POST', path: string, request: RestRequest, headers: Record<string, string>) => {
    const { as, body, signal } = request;
    const at = current;
    try {
      return await fetch(`${urls[at]}${path}`, {
        method,
        headers: {
          ...sign(as, keys[as], method),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal,
      });
    } catch (error) {
      if (at === current && !signal.aborted) current = (at + 1) % urls.length;
      const cause = error instanceof Error ? (error.cause ?? error) : error;
      throw new RestFailure(0, `${method} ${path}: ${String(cause)}`);
    }
  };

  const refused = async (response: Response, method: string, path: string): Promise<RestFailure> =>
    new RestFailure(response.status, `${method} ${path}: ${response.status} ${messageOf(await response.text())}`);

  return {
    async call(method, path, request) {
      const signal = AbortSignal.any([request.signal, AbortSignal.timeout(DEADLINE_MS)]);
      const response = await send(method, path, { ...request, signal }, {});
      if (response.status !== 200 && response.status !== 201) throw await refused(response, method, path);
      return await response.json();
    },
    async open(path, request) {
      const response = await send('GET', path, request, request.headers ?? {});
      if (response.status !== 200) throw await refused(response, 'GET', path);
      return response;
    },
  };
};
