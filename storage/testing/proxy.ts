// A TCP proxy that cuts a connection at a chosen byte: what a crashed network does to a statement.
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/**
 * - `before`: the bytes never reach the server, both sides are cut;
 * - `half`: the first half of them does, then both sides are cut;
 * - `after`: they do, and the client is cut when the server answers;
 * - `silence`: they never reach the server, and nobody is told;
 * - `late`: the client is cut at once, the server gets them when `deliver` is called.
 */
export type Cut = 'before' | 'half' | 'after' | 'silence' | 'late';

export interface CuttingProxy {
  url: string;
  /** The next request that contains the text is cut like this, once. */
  cutOn(text: string, cut: Cut): void;
  /** Sends what a `late` cut kept back; settles when the server has answered it or closed. */
  deliver(): Promise<void>;
  close(): Promise<void>;
}

export async function startProxy(target: string): Promise<CuttingProxy> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let armed: { text: string; cut: Cut } | undefined;
  let kept: { server: Socket; bytes: Buffer } | undefined;

  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    let silent = false;
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => {});
      socket.on('close', () => sockets.delete(socket));
    }
    client.on('data', (bytes) => {
      if (armed === undefined || !bytes.includes(armed.text)) return void upstream.write(bytes);
      const { cut } = armed;
      armed = undefined;
      silent = true;
      if (cut === 'after') return void upstream.write(bytes);
      if (cut === 'silence') return undefined;
      if (cut === 'late') kept = { server: upstream, bytes };
      else if (cut === 'half') upstream.end(bytes.subarray(0, bytes.length >> 1));
      else upstream.destroy();
      client.destroy();
      return undefined;
    });
    upstream.on('data', (bytes) => {
      if (silent) client.destroy();
      else client.write(bytes);
    });
    client.on('close', () => kept?.server === upstream || upstream.end());
    upstream.on('close', () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = new URL(target);
  url.hostname = '127.0.0.1';
  url.port = String((server.address() as AddressInfo).port);

  return {
    url: url.href,
    cutOn: (text, cut) => {
      armed = { text, cut };
    },
    deliver: () =>
      new Promise((resolve) => {
        const late = kept!;
        late.server.once('data', () => {
          late.server.destroy();
          resolve();
        });
        late.server.once('close', () => resolve());
        late.server.write(late.bytes);
      }),
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
