// Who speaks: the client certificate binds an agent to partitions, and an agent may act only for machines of those (W35).
import { Metadata, status, type ServerUnaryCall, type ServiceError, type sendUnaryData } from '@grpc/grpc-js';
import { createAsker, type Asker } from '../../actors/asker.ts';
import { forbidden, invalid, isRefusal, unavailable, type Refusal } from '../../actors/refusal.ts';
import { peerIdentity } from '../../router/link/certificates.ts';
import { refuseId } from '../../router/naming.ts';
import type { AskOptions, Site } from '../site.ts';

export interface Agent {
  /** Common name of its certificate; goes into the log. */
  name: string;
  /** Partitions that its certificate names. */
  partitions: readonly string[];
}

/**
 * Milliseconds that an agent waits for an answer before it crashes or gives up (clients.md §5.2). A call that has less time
 * says so itself.
 */
export const AGENT_DEADLINE_MS = 10_000;

type AuthContext = ReturnType<ServerUnaryCall<unknown, unknown>['getAuthContext']>;

/** The agent behind a verified connection; Forbidden when its certificate is for something else. */
export const agentOf = (context: AuthContext): Agent | Refusal => {
  const certificate = context?.sslPeerCertificate;
  const identity = peerIdentity(certificate);
  if (identity?.kind !== 'agent' || identity.partitions.length === 0) {
    return forbidden(
      'the client certificate names no partition, expected one of kind agent with the URI hanse:partition/<id>',
    );
  }
  const name = certificate?.subject?.CN;
  return { name: typeof name === 'string' && name !== '' ? name : 'agent', partitions: identity.partitions };
};

/** May the agent act for the partition, and is it at home here? */
export const refusePartition = (site: Site, agent: Agent, partition: string): Refusal | undefined => {
  if (!agent.partitions.includes(partition)) {
    return forbidden(`partition "${partition}" is not one of the client certificate's: ${agent.partitions.join(', ')}`);
  }
  if (!site.places.hosted().includes(partition)) {
    return unavailable(`partition "${partition}" is not served by this process of site "${site.id}"`);
  }
  return undefined;
};

/** The machine's partition, or for one that nobody knows yet the agent's own, if the agent may act for it. */
export const partitionOfMachine = (site: Site, agent: Agent, machine: string): string | Refusal => {
  if (machine === '') return invalid('uuid is empty, expected the id of a machine');
  const own = agent.partitions.find((partition) => site.places.hosted().includes(partition)) ?? agent.partitions[0]!;
  const known = site.places.machine(machine);
  const unnamed = known === undefined ? refuseId('/v1/machine', machine) : undefined;
  if (unnamed !== undefined) return unnamed;
  const partition = known ?? own;
  const refused = refusePartition(site, agent, partition);
  return refused?.kind === 'Forbidden'
    ? forbidden(`machine "${machine}" belongs to partition "${partition}": ${refused.message}`)
    : (refused ?? partition);
};

const codeOf = (refusal: Refusal): status => {
  switch (refusal.kind) {
    case 'Unavailable':
    case 'Overloaded':
      return status.UNAVAILABLE;
    case 'Forbidden':
      return status.PERMISSION_DENIED;
    // metal-api: an error of a handler carries no code of its own.
    default:
      return status.UNKNOWN;
  }
};

/** The refusal as gRPC says it. Agents read the text only; both codes besides Unknown make them try again. */
export const serviceError = (refusal: Refusal): ServiceError =>
  Object.assign(new Error(refusal.message), {
    code: codeOf(refusal),
    details: refusal.message,
    metadata: new Metadata(),
  });

/** `as`: the options of an ask in the agent's name, within the time of its call. */
export type Rpc<A, R> = (site: Site, asked: A, agent: Agent, as: AskOptions) => Promise<R | Refusal>;

/** As far as grpc-js has it; Infinity: the caller set none. */
interface Call {
  getDeadline(): Date | number;
  on(event: 'cancelled', listener: () => void): unknown;
}

/** Who waits for the answer to a call: until its deadline, or until it is cancelled or its connection is gone. */
export function askerOfCall(call: Call): Asker {
  const untilMs = Number(call.getDeadline());
  const asker = createAsker(() => untilMs - Date.now());
  call.on('cancelled', asker.leave);
  return asker;
}

/** Options of an ask in the name of an agent. */
export const asAgent = (agent: Agent, call: Call): AskOptions => ({
  who: agent.name,
  withinMs: AGENT_DEADLINE_MS,
  asker: askerOfCall(call),
});

/** What was refused or broke, for the process's log. */
export type Report = (what: string, fields: Record<string, unknown>) => void;

/** Who hears of calls. */
export interface Listening {
  report: Report;
  /** Of every answer: the full name of the method, and the milliseconds it took. */
  observe(method: string, ms: number): void;
  /** Of every refusal. */
  refused(refusal: Refusal): void;
}

/** A handler of grpc-js around an rpc that answers or refuses. */
export const unary =
  <A, R>(site: Site, name: string, rpc: Rpc<A, R>, { report, observe, refused }: Listening) =>
  (call: ServerUnaryCall<A, R>, send: sendUnaryData<R>): void => {
    const startMs = performance.now();
    const answer: sendUnaryData<R> = (...answered) => {
      observe(call.getPath(), performance.now() - startMs);
      send(...answered);
    };
    const agent = agentOf(call.getAuthContext());
    const work = isRefusal(agent) ? Promise.resolve(agent) : rpc(site, call.request, agent, asAgent(agent, call));
    work.then(
      (reply) => {
        if (!isRefusal(reply)) return answer(null, reply);
        report('agent call refused', { rpc: name, agent: isRefusal(agent) ? '' : agent.name, reason: reply.message });
        refused(reply);
        answer(serviceError(reply));
      },
      (error: unknown) => {
        report('agent call failed', { rpc: name, error: String(error) });
        answer({ code: status.INTERNAL, details: 'the control plane failed, its log says why' });
      },
    );
  };
