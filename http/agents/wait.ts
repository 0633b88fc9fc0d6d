// A free machine waits in its boot image for an allocation (machines.md §7). The stream's end with OK says "you are allocated".
import type { ServerWritableStream } from '@grpc/grpc-js';
import { addressOf, partitionScope } from '../../actors/address.ts';
import { isRefusal, unavailable, type Refusal } from '../../actors/refusal.ts';
import type { Site } from '../site.ts';
import { agentOf, asAgent, partitionOfMachine, serviceError, type Agent, type Listening } from './caller.ts';
import type { WaitRequest } from './protos.ts';

export interface WaitTimes {
  /** Between messages to the machine; default 5,000. */
  tickMs: number;
  /** Every how many ticks the machine is looked at, whatever the log said; default 12. */
  lookEvery: number;
}

export type WaitStream = ServerWritableStream<WaitRequest, Record<string, never>>;

export interface WaitRoom {
  open(stream: WaitStream): void;
  /** Streams that are open now. */
  size(): number;
  /** Ends all streams with UNAVAILABLE, so that the machines come back to whoever serves them next. */
  close(reason: string): void;
}

const DEFAULT_TIMES: WaitTimes = { tickMs: 5_000, lookEvery: 12 };

interface Waiter {
  /** The log says that its machine's allocation changed. */
  look(): void;
  refuse(refusal: Refusal): void;
}

/** Several streams may wait for one machine: the older one is half dead, and nobody can tell (W18). */
export const createWaitRoom = (
  site: Site,
  { report, refused }: Pick<Listening, 'report' | 'refused'>,
  times: WaitTimes = DEFAULT_TIMES,
): WaitRoom => {
  const waiters = new Map<string, Set<Waiter>>();
  let closed: Refusal | undefined;

  const stopListening = site.onCommitted((entry) => {
    for (const change of entry.changes) {
      if (change.table !== 'allocation' || change.value === null) continue;
      for (const waiter of waiters.get(change.key) ?? []) waiter.look();
    }
  });

  const attend = (stream: WaitStream, machine: string, partition: string, agent: Agent): void => {
    const to = addressOf(partitionScope(partition), 'machine', machine);
    const as = asAgent(agent, stream);
    let ended = false;
    let accepted = false;
    let looking = false;
    let lookAgain = false;
    let ticks = 0;

    const leave = (): void => {
      ended = true;
      clearInterval(timer);
      const others = waiters.get(machine);
      others?.delete(waiter);
      if (others?.size === 0) waiters.delete(machine);
    };

    const refuse = (refusal: Refusal): void => {
      if (ended) return;
      leave();
      refused(refusal);
      stream.emit('error', serviceError(refusal));
    };

    const succeed = (): void => {
      if (ended) return;
      leave();
      stream.end();
      // Left undone, a free machine that has gone on would still look electable for a while; nothing worse.
      site.ask(to, 'waitEnded', {}, { ...as, asker: undefined }).catch(() => undefined);
    };

    // The log only wakes us. What counts is what GET would answer now: the machine reads its allocation next.
    const look = (): void => {
      if (ended || !accepted) return;
      if (looking) {
        lookAgain = true;
        return;
      }
      looking = true;
      lookAgain = false;
      site.ask(to, 'get', {}, as).then(
        (view) => {
          looking = false;
          if (!isRefusal(view) && view.allocation) succeed();
          else if (isRefusal(view) && view.kind === 'NotFound') refuse(view);
          else if (lookAgain) look();
        },
        (error: unknown) => {
          looking = false;
          report('waiting machine could not be read', { machine, error: String(error) });
        },
      );
    };

    const waiter: Waiter = { look, refuse };
    const timer = setInterval(() => {
      if (!accepted) return;
      stream.write({});
      if (ticks++ % times.lookEvery === 0) look();
    }, times.tickMs);
    timer.unref();

    const others = waiters.get(machine) ?? new Set();
    waiters.set(machine, others.add(waiter));
    stream.on('cancelled', leave);
    stream.on('close', leave);

    // We listen before the machine is said to wait, so no allocation can fall between the two.
    site.ask(to, 'wait', {}, as).then(
      (reply) => {
        if (isRefusal(reply)) return refuse(reply);
        if (reply.allocated) return succeed();
        accepted = true;
        look();
      },
      (error: unknown) => {
        report('wait failed', { machine, error: String(error) });
        refuse(unavailable(`machine "${machine}" could not be reached`));
      },
    );
  };

  return {
    open(stream) {
      const agent = agentOf(stream.getAuthContext());
      const { machineId } = stream.request;
      const partition = isRefusal(agent) ? agent : partitionOfMachine(site, agent, machineId);
      const notLetIn = closed ?? [agent, partition].find(isRefusal);
      if (notLetIn || isRefusal(agent) || isRefusal(partition)) {
        const refusal = notLetIn ?? unavailable('no longer served here');
        refused(refusal);
        report('agent call refused', { rpc: 'Wait', machine: machineId, reason: refusal.message });
        stream.emit('error', serviceError(refusal));
        return;
      }
      attend(stream, machineId, partition, agent);
    },
    size: () => [...waiters.values()].reduce((sum, of) => sum + of.size, 0),
    close(reason) {
      closed = unavailable(reason);
      stopListening();
      for (const of of waiters.values()) for (const waiter of of) waiter.refuse(closed);
    },
  };
};
