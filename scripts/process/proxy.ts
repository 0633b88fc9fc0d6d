// A TCP proxy whose wire can be cut or made long, in one direction or both. What is sent into a cut waits, as in the buffers of TCP;
// when it is healed it goes on, unless the ends gave up meanwhile.
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export type Direction = 'toServer' | 'toClient';

export interface Proxy {
  readonly host: string;
  readonly port: number;
  cut(...directions: Direction[]): void;
  heal(): void;
  /** What is sent from now on in these directions arrives so much later; 0: at once. */
  delay(ms: number, ...directions: Direction[]): void;
  /** Ends all connections now; new ones pass. */
  reset(): void;
  readonly connections: number;
  close(): Promise<void>;
}

export async function startProxy(options: {
  target: { host: string; port: number };
  host?: string;
  port?: number;
}): Promise<Proxy> {
  const { target, host = '127.0.0.1' } = options;
  const isCut: Record<Direction, boolean> = { toServer: false, toClient: false };
  const delayMs: Record<Direction, number> = { toServer: 0, toClient: 0 };
  const pairs = new Set<{ client: Socket; server: Socket | undefined; flow(): void }>();

  const listener = createServer({ pauseOnConnect: true }, (client) => {
    const pair = {
      client,
      server: undefined as Socket | undefined,
      flow(): void {
        // Either end of a handshake needs both directions.
        if (pair.server === undefined && !isCut.toServer && !isCut.toClient) dial();
        if (isCut.toServer || pair.server === undefined) client.pause();
        else client.resume();
        if (isCut.toClient) pair.server?.pause();
        else pair.server?.resume();
      },
    };
    const dial = (): void => {
      const server = connect(target.port, target.host);
      pair.server = server;
      server.setNoDelay(true);
      pipe(server, client, 'toClient');
      pipe(client, server, 'toServer');
    };
    const end = (): void => {
      pairs.delete(pair);
      client.destroy();
      pair.server?.destroy();
    };
    const pipe = (from: Socket, to: Socket, direction: Direction): void => {
      let lastAt = 0;
      /** In order, also when the wire becomes shorter. */
      const carry = (run: () => void): void => {
        const now = performance.now();
        lastAt = Math.max(lastAt, now + delayMs[direction]);
        if (lastAt <= now) run();
        else setTimeout(run, lastAt - now);
      };
      from.on('data', (bytes) => carry(() => to.destroyed || to.write(bytes)));
      // An end that left is news as well, which a cut wire does not bring.
      from.on('end', () => carry(() => to.end()));
      from.on('error', end);
      from.on('close', () => {
        if (!isCut.toServer && !isCut.toClient) end();
      });
    };
    client.setNoDelay(true);
    client.on('error', end);
    pairs.add(pair);
    pair.flow();
  });
  await new Promise<void>((resolve, reject) => {
    listener.once('error', reject);
    listener.listen(options.port ?? 0, host, resolve);
  });
  const flowAll = (): void => {
    for (const pair of pairs) pair.flow();
  };
  const reset = (): void => {
    for (const { client, server } of pairs) {
      client.destroy();
      server?.destroy();
    }
    pairs.clear();
  };
  return {
    host,
    port: (listener.address() as AddressInfo).port,
    cut(...directions) {
      for (const direction of directions) isCut[direction] = true;
      flowAll();
    },
    heal() {
      isCut.toServer = false;
      isCut.toClient = false;
      for (const { client, server } of pairs) {
        // Who closed during the cut is heard of now.
        if (client.destroyed || server?.destroyed === true) {
          client.destroy();
          server?.destroy();
        }
      }
      for (const pair of pairs) if (pair.client.destroyed) pairs.delete(pair);
      flowAll();
    },
    delay(ms, ...directions) {
      for (const direction of directions) delayMs[direction] = ms;
    },
    reset,
    get connections() {
      return pairs.size;
    },
    async close() {
      reset();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}
