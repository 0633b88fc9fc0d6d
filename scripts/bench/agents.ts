// The machines of a partition, as many as wanted: registered by gRPC, waiting for their allocation. In a process of its own.
import { fork } from 'node:child_process';
import { join } from 'node:path';

export interface AgentsPlan {
  partition: string;
  /** Of the gRPC server. */
  address: string;
  /** ca.pem, agent.pem, agent.key */
  certificates: string;
  url: string;
  editKey: string;
  machines: number;
}

export type AgentsOrder = { do: 'boot'; plan: AgentsPlan } | { do: 'wait again' };
export type AgentsMessage =
  | { is: 'booted'; switchesS: number; registerS: number; eventsS: number; racks: number }
  | { is: 'wait opened'; machines: number }
  | { is: 'failed'; reason: string };

export interface Agents {
  booted: Extract<AgentsMessage, { is: 'booted' }>;
  /** Machines whose allocation came and went boot again and wait. Answers how many. */
  waitAgain(): Promise<number>;
  stop(): void;
}

/** Resolves when all machines are registered and their wait streams are open. */
export function startAgents(plan: AgentsPlan): Promise<Agents> {
  const child = fork(join(import.meta.dirname, 'agents-process.ts'), { execArgv: ['--import', 'tsx'] });
  let hear: (message: AgentsMessage) => void = () => {};
  let fail: (error: Error) => void = () => {};
  const end = (): void => void child.kill('SIGKILL');
  process.once('exit', end);
  child.on('message', (message: AgentsMessage) => hear(message));
  child.once('exit', (code, signal) => fail(new Error(`the machines' process died: ${signal ?? `exit code ${code}`}`)));

  const order = <T extends AgentsMessage['is']>(what: AgentsOrder, answer: T) =>
    new Promise<Extract<AgentsMessage, { is: T }>>((resolve, reject) => {
      fail = reject;
      hear = (message) => {
        if (message.is === 'failed') reject(new Error(message.reason));
        else if (message.is === answer) resolve(message as Extract<AgentsMessage, { is: T }>);
      };
      child.send(what);
    });

  const stop = (): void => {
    fail = () => {};
    process.off('exit', end);
    end();
  };
  return order({ do: 'boot', plan }, 'booted').then(
    (booted) => ({
      booted,
      waitAgain: async () => (await order({ do: 'wait again' }, 'wait opened')).machines,
      stop,
    }),
    (error: unknown) => {
      stop();
      throw error;
    },
  );
}
