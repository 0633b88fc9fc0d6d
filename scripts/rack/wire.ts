// gRPC as the agents speak it: one client certificate for the whole partition, deadlines of ten seconds.
import { credentials, status, type Client, type ClientReadableStream, type ServiceError } from '@grpc/grpc-js';
import { loadAgentServices, type BootRpcs, type EventRpcs } from '../../http/agents/protos.ts';

/** Requests as a client writes them: what is left out is empty. */
type Sparse<T> = T extends object ? { [K in keyof T]?: Sparse<T[K]> } : T;

export interface Wire {
  boot<N extends keyof BootRpcs>(
    name: N,
    ask: Sparse<BootRpcs[N]['ask']>,
    signal: AbortSignal,
  ): Promise<BootRpcs[N]['reply']>;
  send(
    events: Record<string, { event: string; message: string }>,
    signal: AbortSignal,
  ): Promise<EventRpcs['Send']['reply']>;
  /** `allocated`: the stream ended with OK. Anything else: connect again. */
  wait(machine: string, signal: AbortSignal): Promise<{ allocated: true } | { allocated: false; reason: string }>;
  close(): void;
}

export interface WireOptions {
  addresses: string[];
  serverName: string;
  tls: { ca: string; cert: string; key: string };
}

const DEADLINE_MS = 10_000;
const OK: number = status.OK;

type Unary = (
  ask: unknown,
  options: { deadline: Date },
  done: (error: ServiceError | null, reply: unknown) => void,
) => { cancel(): void };
type Streaming = (ask: unknown) => ClientReadableStream<unknown>;
interface Clients {
  boot: Client;
  event: Client;
}

export const createWire = ({ addresses, serverName, tls }: WireOptions): Wire => {
  const { BootService, EventService } = loadAgentServices();
  const secure = credentials.createSsl(Buffer.from(tls.ca), Buffer.from(tls.key), Buffer.from(tls.cert));
  const options = {
    'grpc.keepalive_time_ms': 10_000,
    'grpc.keepalive_timeout_ms': 5_000,
    'grpc.keepalive_permit_without_calls': 1,
    'grpc.initial_reconnect_backoff_ms': 500,
    'grpc.max_reconnect_backoff_ms': 3_000,
    ...(serverName === '' ? {} : { 'grpc.ssl_target_name_override': serverName }),
  };
  const clients = addresses.map((address): Clients => ({
    boot: new BootService(address, secure, options),
    event: new EventService(address, secure, options),
  }));
  let current = 0;
  // A site has several processes, one of which serves.
  const failed = (at: number, error: ServiceError): void => {
    if (error.code === status.UNAVAILABLE && at === current) current = (at + 1) % clients.length;
  };

  const call = (service: keyof Clients, name: string, ask: unknown, signal: AbortSignal): Promise<unknown> =>
    new Promise((resolve, reject) => {
      if (signal.aborted) return reject(new Error('stopped'));
      const at = current;
      const client = clients[at]![service];
      const method = (client as unknown as Record<string, Unary>)[name]!;
      const cancel = (): void => running.cancel();
      const running = method.call(client, ask, { deadline: new Date(Date.now() + DEADLINE_MS) }, (error, reply) => {
        signal.removeEventListener('abort', cancel);
        if (!error) return resolve(reply);
        failed(at, error);
        reject(new Error(`${name}: ${error.message}`));
      });
      signal.addEventListener('abort', cancel, { once: true });
    });

  return {
    boot: (name, ask, signal) => call('boot', name, ask, signal) as never,
    send: (events, signal) => {
      const time = { seconds: Math.floor(Date.now() / 1000), nanos: 0 };
      const stamped = Object.fromEntries(Object.entries(events).map(([id, told]) => [id, { ...told, time }]));
      return call('event', 'Send', { events: stamped }, signal) as Promise<EventRpcs['Send']['reply']>;
    },
    wait: (machine, signal) =>
      new Promise((resolve) => {
        if (signal.aborted) return resolve({ allocated: false, reason: 'stopped' });
        const at = current;
        const client = clients[at]!.boot;
        const stream = (client as unknown as { Wait: Streaming }).Wait({ machineId: machine });
        const cancel = (): void => stream.cancel();
        signal.addEventListener('abort', cancel, { once: true });
        stream.on('data', () => undefined);
        stream.on('error', (error: ServiceError) => failed(at, error));
        stream.on('status', ({ code, details }: { code: number; details: string }) => {
          signal.removeEventListener('abort', cancel);
          resolve(code === OK ? { allocated: true } : { allocated: false, reason: details });
        });
      }),
    close() {
      for (const { boot, event } of clients) {
        boot.close();
        event.close();
      }
    },
  };
};
