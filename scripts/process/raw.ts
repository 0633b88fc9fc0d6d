// Requests as bytes on a socket, for what no HTTP client would send.
import { connect } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';

export interface RawAnswer {
  /** 0: the connection ended without an answer. */
  status: number;
  headers: Map<string, string>;
  body: string;
  /** Whether the server closed the connection. */
  isClosed: boolean;
  tookMs: number;
}

/** Sends the pieces one after another, and reads until an answer is complete or the connection ends. */
export async function sendRaw(
  url: string,
  pieces: Iterable<string | Uint8Array>,
  options: { withinMs?: number; pauseMs?: number } = {},
): Promise<RawAnswer> {
  const { withinMs = 20_000, pauseMs = 0 } = options;
  const { hostname, port } = new URL(url);
  const from = performance.now();
  const socket = connect(Number(port), hostname);
  let seen = Buffer.alloc(0);
  let isClosed = false;
  let isDone = (): void => {};
  const done = new Promise<void>((resolve) => (isDone = resolve));
  socket.on('error', () => {});
  socket.on('close', () => {
    isClosed = true;
    isDone();
  });
  socket.on('data', (bytes: Buffer) => {
    seen = Buffer.concat([seen, bytes]);
    if (isComplete(seen)) isDone();
  });
  const late = setTimeout(isDone, withinMs);
  await new Promise<void>((resolve) => {
    socket.once('connect', resolve);
    socket.once('close', () => resolve());
  });
  for (const piece of pieces) {
    if (isClosed || isComplete(seen)) break;
    const isTaken = socket.write(piece);
    if (!isTaken) await Promise.race([new Promise((resolve) => socket.once('drain', resolve)), done]);
    if (pauseMs > 0) await Promise.race([wait(pauseMs), done]);
  }
  await done;
  clearTimeout(late);
  socket.destroy();
  return { ...parsed(seen), isClosed, tookMs: performance.now() - from };
}

const END = '\r\n\r\n';

function parsed(bytes: Buffer): Pick<RawAnswer, 'status' | 'headers' | 'body'> {
  const text = bytes.toString('utf8');
  const end = text.indexOf(END);
  const [first = '', ...lines] = text.slice(0, end < 0 ? text.length : end).split('\r\n');
  const headers = new Map(
    lines.map((line): [string, string] => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  return { status: Number(first.split(' ')[1] ?? 0), headers, body: end < 0 ? '' : text.slice(end + END.length) };
}

function isComplete(bytes: Buffer): boolean {
  if (!bytes.includes(END)) return false;
  const { headers, body } = parsed(bytes);
  if (headers.get('transfer-encoding') === 'chunked') return body.endsWith('0\r\n\r\n');
  return Buffer.byteLength(body) >= Number(headers.get('content-length') ?? 0);
}

/** A head with its blank line. */
export const head = (method: string, path: string, headers: Readonly<Record<string, string>>): string =>
  `${method} ${path} HTTP/1.1\r\n${Object.entries({ host: 'hanse', ...headers })
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')}\r\n`;
