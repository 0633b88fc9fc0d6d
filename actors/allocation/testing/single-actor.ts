// One behaviour by hand: what it decides is applied at once, as if every commit succeeded.
import type { Kind, Scope } from '../../address.ts';
import type { Ask, CommandName, Reply, ReservationAsk, ReservationName, ReservationReply } from '../../protocol.ts';
import { isRefusal, type Refusal } from '../../refusal.ts';
import type { Behaviour, Context, Decision, Granting, Hint, Waiting } from '../../runtime/behaviour.ts';
import type { BusMessage } from '../../ports.ts';

export const singleActor = <K extends Kind, S>(
  behaviour: Behaviour<K, S>,
  id: string,
  scope: Scope = 'partition:p',
) => {
  const state = behaviour.create(id, scope);
  let versions = 0;
  let nowMs = 1_767_225_600_000;
  const messages: BusMessage[] = [];
  const hints: Hint[] = [];
  const context = (): Context => ({
    scope,
    id,
    nowMs,
    who: 'u@x',
    random: () => 0,
    uuid: () => `uuid-${++versions}`,
    version: () => ++versions,
    row: () => undefined,
  });
  const operations = new Map<string, Granting<unknown>>();
  const handlers = behaviour as {
    commands: Record<string, (state: S, body: unknown, context: Context) => Decision<unknown>>;
    reservations: Record<string, (state: S, body: unknown, context: Context) => Refusal | Waiting | Granting<unknown>>;
  };
  const apply = ({ changes = [], messages: said = [], hints: told = [] }: Partial<Granting<unknown>>): void => {
    for (const change of changes) behaviour.evolve(state, change);
    messages.push(...said);
    hints.push(...told);
  };
  return {
    state,
    messages,
    hints,
    pass(ms: number) {
      nowMs += ms;
    },
    ask<C extends CommandName<K>>(name: C, body: Ask<K, C>): Reply<K, C> | Refusal | Waiting {
      const decision = handlers.commands[name]!(state, body, context());
      if (isRefusal(decision) || 'wait' in decision) return decision;
      if ('coordinate' in decision) throw new Error(`${name} needs more than one actor`);
      apply(decision);
      return decision.reply as Reply<K, C>;
    },
    reserve<C extends ReservationName<K>>(
      operation: string,
      name: C,
      body: ReservationAsk<K, C>,
    ): ReservationReply<K, C> | Refusal | Waiting {
      const granted = handlers.reservations[name]!(state, body, context());
      if (isRefusal(granted) || 'wait' in granted) return granted;
      behaviour.hold(state, operation, granted.changes);
      operations.set(operation, granted);
      return granted.reply as ReservationReply<K, C>;
    },
    end(operation: string, how: 'committed' | 'cancelled') {
      const granted = operations.get(operation)!;
      operations.delete(operation);
      behaviour.unhold(state, operation, granted.changes);
      if (how === 'committed') apply(granted);
    },
  };
};
