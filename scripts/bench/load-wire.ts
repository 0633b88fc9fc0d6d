// Requests and answers as bytes, for generators that may not cost as much as what they measure.
import { signedHeaders } from '../api-client.ts';
import type { LoadPlan, LoadRequest } from './load.ts';

/** A signature covers date, method and salt, and lives 30 s: made anew this often, it costs nothing a request. */
const SIGN_EVERY_MS = 10_000;

export type Encode = (request: LoadRequest) => Buffer;

export function createEncoder({ host, port, credentials }: Pick<LoadPlan, 'host' | 'port' | 'credentials'>): Encode {
  const signed = new Map<string, { atMs: number; head: string }>();
  const encoded = new Map<LoadRequest, { head: string; bytes: Buffer }>();
  const headOf = (method: string): string => {
    const known = signed.get(method);
    const atMs = performance.now();
    if (known !== undefined && atMs - known.atMs < SIGN_EVERY_MS) return known.head;
    const headers = Object.entries(signedHeaders(credentials, method)).map(([name, value]) => `${name}: ${value}\r\n`);
    const head = `host: ${host}:${port}\r\naccept: application/json\r\n${headers.join('')}`;
    signed.set(method, { atMs, head });
    return head;
  };
  return (request) => {
    const { method, path, body } = request;
    const head = headOf(method);
    const known = encoded.get(request);
    if (known?.head === head) return known.bytes;
    const text = body === undefined ? '' : JSON.stringify(body);
    const entity =
      body === undefined ? '' : `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n`;
    const bytes = Buffer.from(`${method} ${path} HTTP/1.1\r\n${head}${entity}\r\n${text}`);
    encoded.set(request, { head, bytes });
    return bytes;
  };
}

export interface Answer {
  status: number;
  body: Buffer;
  rest: Buffer;
}

const HEAD_END = Buffer.from('\r\n\r\n');
export const NOTHING = Buffer.alloc(0);

/** One answer from the front of the bytes; undefined: not all of it is there. */
export function readAnswer(bytes: Buffer): Answer | undefined {
  const headEnd = bytes.indexOf(HEAD_END);
  if (headEnd < 0) return undefined;
  const head = bytes.toString('latin1', 0, headEnd);
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  const status = Number(head.slice(9, 12));
  if (length === undefined && status !== 204) throw new Error(`an answer without Content-Length:\n${head}`);
  const from = headEnd + HEAD_END.length;
  const end = from + Number(length ?? 0);
  if (bytes.length < end) return undefined;
  return { status, body: bytes.subarray(from, end), rest: bytes.length === end ? NOTHING : bytes.subarray(end) };
}
