// What can't be read as a request: answered in the encoding of v1, too, naming the limit, and the connection ends.
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { v1ErrorText } from './v1-error.ts';

/** Request line and headers together may be as long as this. */
export const HEADER_LIMIT_BYTES = 16_384;

const BY_CODE: Readonly<Record<string, readonly [status: number, reason: string, message: string]>> = {
  HPE_HEADER_OVERFLOW: [
    431,
    'Request Header Fields Too Large',
    `the headers are larger than ${HEADER_LIMIT_BYTES} bytes`,
  ],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'Request Timeout', 'the request did not come in time'],
};
/** So long the rest of what can't be read is read away. */
const LINGER_MS = 500;
const NO_REQUEST = [400, 'Bad Request', 'the request is not HTTP/1.1'] as const;

interface Exchange {
  request: IncomingMessage;
  response: ServerResponse;
}

function refuse(last: Exchange | undefined, error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  // It is the rest of a request that was answered already: a second answer would be taken for the next request's.
  if (last !== undefined && !last.request.complete && last.response.headersSent) return void socket.end();
  const [status, reason, message] = BY_CODE[error.code ?? ''] ?? NO_REQUEST;
  const body = v1ErrorText(status, message);
  socket.end(
    `HTTP/1.1 ${status} ${reason}\r\ncontent-type: application/json\r\nconnection: close\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
  // Closed at once, the connection would take the answer with it before a client that is still sending has read it.
  setTimeout(() => socket.destroy(), LINGER_MS).unref();
}

export function answerUnreadable(server: Server): void {
  /** The newest exchange of each connection. */
  const lastOn = new WeakMap<Socket, Exchange>();
  /** What still comes on these can be read no more than what came. */
  const refused = new WeakSet<Socket>();
  server.on('request', (request, response) => {
    const { socket } = request;
    lastOn.set(socket, { request, response });
    // Kept for longer, all of it would lie in memory until the connection's next request: 7 KiB of each that is idle.
    response.once('close', () => {
      if (request.complete && lastOn.get(socket)?.request === request) lastOn.delete(socket);
    });
  });
  server.on('clientError', (error, duplex) => {
    const socket = duplex as Socket;
    if (refused.has(socket)) return;
    refused.add(socket);
    refuse(lastOn.get(socket), error, socket);
  });
}
