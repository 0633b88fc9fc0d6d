// What a partition's image cache serves: kernel, initrd, operating system images. The bytes are made up.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface FileServer {
  port: number;
  stop(): Promise<void>;
}

const KIB = 1024;
const PATHS: [RegExp, number][] = [
  [/^\/kernel$/, 64 * KIB],
  [/^\/initrd$/, 256 * KIB],
  [/^\/images\/[A-Za-z0-9._-]+\/img\.tar\.lz4$/, 256 * KIB],
  [/^\/images\/[A-Za-z0-9._-]+\/(kernel|initrd)$/, 64 * KIB],
];
const CHUNK = Buffer.alloc(64 * KIB, 'hanse ');

/** `/kernel`, `/initrd`, `/images/<id>/img.tar.lz4`, by GET and HEAD. Port 0: any free one. */
export const serveFiles = async (host: string, port: number): Promise<FileServer> => {
  const server: Server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://rack').pathname;
    const size = PATHS.find(([pattern]) => pattern.test(path))?.[1];
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(405).end();
    } else if (size === undefined) {
      response.writeHead(404).end(`no file at ${path}\n`);
    } else {
      response.writeHead(200, {
        'content-type': 'application/octet-stream',
        'content-length': size,
        'last-modified': new Date(0).toUTCString(),
      });
      const chunks = request.method === 'HEAD' ? 0 : size / CHUNK.length;
      for (let i = 0; i < chunks; i++) response.write(CHUNK);
      response.end();
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return {
    port: (server.address() as AddressInfo).port,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
};
