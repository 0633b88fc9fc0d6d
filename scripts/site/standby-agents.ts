// The port of the agents while another process is active: every call ends with UNAVAILABLE, so that they come again,
// here or there.
import { Server, ServerCredentials, status, type UntypedHandleCall } from '@grpc/grpc-js';
import { loadAgentServices } from '../../http/agents/protos.ts';
import type { AgentServerOptions } from '../../http/agents/grpc.ts';

/** Serves until it is stopped; then the port is free. */
export async function refuseAgents(
  site: string,
  { host, port, tls }: Pick<AgentServerOptions, 'host' | 'port' | 'tls'>,
): Promise<{ stop(): Promise<void> }> {
  const details = `this process of site "${site}" stands by: another one is active`;
  const refuse = ((call: { emit(event: string, error: unknown): void }, callback?: (error: unknown) => void): void => {
    const error = Object.assign(new Error(details), { code: status.UNAVAILABLE, details });
    // A stream has no callback.
    if (typeof callback === 'function') callback(error);
    else call.emit('error', error);
  }) as UntypedHandleCall;

  const server = new Server();
  for (const { service } of Object.values(loadAgentServices())) {
    server.addService(service, Object.fromEntries(Object.keys(service).map((name) => [name, refuse])));
  }
  const credentials = ServerCredentials.createSsl(
    Buffer.from(tls.ca),
    [{ cert_chain: Buffer.from(tls.cert), private_key: Buffer.from(tls.key) }],
    true,
  );
  const literal = host.includes(':') ? `[${host}]` : host;
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`${literal}:${port}`, credentials, (error) => (error ? reject(error) : resolve()));
  });
  return {
    stop: () =>
      new Promise((resolve) => {
        // Nobody waits for an answer of ours: connections end at once, and the port is bound again.
        server.tryShutdown(() => resolve());
        server.forceShutdown();
      }),
  };
}
