// The port of the agents: boot and event services over mutual TLS.
import { Server, ServerCredentials, type ServerOptions } from '@grpc/grpc-js';
import type { Site } from '../site.ts';
import { abortReinstall, boot, dhcp, superUserPassword } from './boot.ts';
import { unary, type Listening, type Report } from './caller.ts';
import { send } from './events.ts';
import { loadAgentServices } from './protos.ts';
import { register } from './register.ts';
import { report as installed } from './report.ts';
import { createWaitRoom, type WaitStream, type WaitTimes } from './wait.ts';

export interface AgentServerOptions {
  host: string;
  /** 0: any free one. */
  port: number;
  /** PEM texts. Clients need a certificate of kind `agent` that `ca` signed. */
  tls: { ca: string; cert: string; key: string };
  /** What is refused or fails; default: nobody is told. */
  report?: Report;
  /** Hears of every answer but those of Wait, a stream that lasts as long as a machine waits; default: nobody. */
  observe?: Listening['observe'];
  /** Hears of every refusal, those of Wait included; default: nobody. */
  refused?: Listening['refused'];
  /** For tests. */
  waitTimes?: WaitTimes;
}

export interface AgentServer {
  port: number;
  /** Streams of waiting machines that are open. */
  waiting(): number;
  /** Ends the waiting streams with UNAVAILABLE, lets running calls finish for at most a second, and closes. */
  stop(): Promise<void>;
}

const GRACE_MS = 1_000;

// Clients ping every 10 s, also without streams: HTTP/2 answers those itself, however often they come. Our own pings find
// dead machines. metal-api gives them a second to answer; on a machine whose cores are all busy that would drop the living.
const LIMITS: ServerOptions = {
  'grpc.keepalive_time_ms': 5_000,
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.keepalive_permit_without_calls': 1,
  // Calls at a time on one connection, Wait included: a proxy in front of us may carry all machines of a partition over one,
  // and who finds no room there is not refused but waits unseen. grpc-js has no limit of its own. Nor has it one of connections:
  // the files that a process may have open are that limit. Who stays connected has a certificate of the plant, and who has died
  // is found by the pings above; clients of REST, who are anybody, can't use those files up (router/connections.ts).
  'grpc.max_concurrent_streams': 65_536,
};

/** Serves the partition's agents (machines.md §5). Rejects when the port can't be had or a certificate can't be read. */
export const serveAgents = async (site: Site, options: AgentServerOptions): Promise<AgentServer> => {
  const { host, port, tls, waitTimes } = options;
  const { report = () => undefined, observe = () => undefined, refused = () => undefined } = options;
  const listening = { report, observe, refused };
  const { BootService, EventService } = loadAgentServices();
  const waitRoom = createWaitRoom(site, { report, refused }, waitTimes);
  const server = new Server(LIMITS);
  server.addService(BootService.service, {
    Dhcp: unary(site, 'Dhcp', dhcp, listening),
    Boot: unary(site, 'Boot', boot, listening),
    SuperUserPassword: unary(site, 'SuperUserPassword', superUserPassword, listening),
    Register: unary(site, 'Register', register, listening),
    Wait: (stream: WaitStream) => waitRoom.open(stream),
    Report: unary(site, 'Report', installed, listening),
    AbortReinstall: unary(site, 'AbortReinstall', abortReinstall, listening),
  });
  server.addService(EventService.service, { Send: unary(site, 'Send', send, listening) });

  const credentials = ServerCredentials.createSsl(
    Buffer.from(tls.ca),
    [{ cert_chain: Buffer.from(tls.cert), private_key: Buffer.from(tls.key) }],
    true,
  );
  const literal = host.includes(':') ? `[${host}]` : host;
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`${literal}:${port}`, credentials, (error, got) => (error ? reject(error) : resolve(got)));
  });

  return {
    port: bound,
    waiting: () => waitRoom.size(),
    async stop() {
      waitRoom.close(`site "${site.id}" stops serving here`);
      await new Promise<void>((resolve) => {
        const force = setTimeout(() => {
          server.forceShutdown();
          resolve();
        }, GRACE_MS);
        server.tryShutdown(() => {
          clearTimeout(force);
          resolve();
        });
      });
    },
  };
};
