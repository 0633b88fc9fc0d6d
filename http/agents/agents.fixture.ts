// An agent's side of the wire: a client made from our protos, over real TLS sockets.
import { credentials, type Client, type ClientReadableStream, type ServiceError } from '@grpc/grpc-js';
import {
  createAuthority,
  issueCertificate,
  type Authority,
  type CertificateKind,
} from '../../router/link/certificates.ts';
import { serveAgents, type AgentServer } from './grpc.ts';
import { loadAgentServices, type BootRpcs, type EventRpcs } from './protos.ts';
import type { WaitTimes } from './wait.ts';
import type { Refusal } from '../../actors/refusal.ts';
import type { Site } from '../site.ts';

export const authority: Authority = await createAuthority('agents test');

export const startAgentServer = async (
  site: Site,
  waitTimes?: WaitTimes,
  refused?: (refusal: Refusal) => void,
): Promise<AgentServer> => {
  const certificate = await issueCertificate(authority, {
    commonName: 'grpc',
    kind: 'server',
    ipAddresses: ['127.0.0.1'],
  });
  return serveAgents(site, {
    host: '127.0.0.1',
    port: 0,
    tls: { ca: authority.cert, ...certificate },
    ...(waitTimes && { waitTimes }),
    ...(refused && { refused }),
  });
};

/** What an agent's certificate says, and who signed it. */
export interface Credentials {
  partitions?: string[];
  kind?: CertificateKind;
  signedBy?: Authority;
}

export interface AgentClient {
  boot<N extends keyof BootRpcs>(name: N, ask: unknown, limits?: CallLimits): Promise<BootRpcs[N]['reply']>;
  send(ask: unknown): Promise<EventRpcs['Send']['reply']>;
  wait(machine: string): WaitCall;
  close(): void;
}

export interface CallLimits {
  /** Milliseconds that the call may take. */
  withinMs?: number;
  /** Cancels it. */
  signal?: AbortSignal;
}

export interface WaitCall {
  messages(): number;
  /** How the stream ended: 0 is OK. */
  ended: Promise<{ code: number; details: string }>;
  cancel(): void;
}

type Unary = (
  ask: unknown,
  options: { deadline?: number },
  done: (error: ServiceError | null, reply: unknown) => void,
) => { cancel(): void };
type Streaming = (ask: unknown) => ClientReadableStream<unknown>;

const call = (client: Client, name: string, ask: unknown, { withinMs, signal }: CallLimits = {}): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const method = (client as unknown as Record<string, Unary>)[name]!;
    const options = withinMs === undefined ? {} : { deadline: Date.now() + withinMs };
    const running = method.call(client, ask, options, (error, reply) => (error ? reject(error) : resolve(reply)));
    signal?.addEventListener('abort', () => running.cancel());
  });

export const connectAgent = async (port: number, as: Credentials = {}): Promise<AgentClient> => {
  const certificate = await issueCertificate(as.signedBy ?? authority, {
    commonName: 'metal-hammer',
    kind: as.kind ?? 'agent',
    partitionIds: as.partitions ?? ['p1'],
  });
  const secure = credentials.createSsl(
    Buffer.from(authority.cert),
    Buffer.from(certificate.key),
    Buffer.from(certificate.cert),
  );
  const { BootService, EventService } = loadAgentServices();
  const options = { 'grpc.use_local_subchannel_pool': 1 };
  const boot = new BootService(`127.0.0.1:${port}`, secure, options);
  const event = new EventService(`127.0.0.1:${port}`, secure, options);
  return {
    boot: (name, ask, limits) => call(boot, name, ask, limits) as never,
    send: (ask) => call(event, 'Send', ask) as never,
    wait(machine) {
      const stream = (boot as unknown as { Wait: Streaming }).Wait({ machineId: machine });
      let messages = 0;
      stream.on('data', () => messages++);
      const ended = new Promise<{ code: number; details: string }>((resolve) => {
        stream.on('error', (error: ServiceError) => resolve({ code: error.code, details: error.details }));
        stream.on('status', ({ code, details }: { code: number; details: string }) => resolve({ code, details }));
      });
      return { messages: () => messages, ended, cancel: () => stream.cancel() };
    },
    close() {
      boot.close();
      event.close();
    },
  };
};
