// For tests of the processes: messages whose `name` is one of these bring their actor's thread down, or their actor, as
// a mistake of ours would. Nobody hears them without HANSE_FAULT=poison.
import type { AnyBehaviour } from '../../actors/runtime/behaviour.ts';

export const POISON = 'poison';

const FAULTS: Readonly<Record<string, () => void>> = {
  'poison: throw'() {
    throw new Error('poisoned');
  },
  'poison: reject'() {
    queueMicrotask(() => {
      throw new Error('poisoned outside of every turn');
    });
  },
  'poison: exit'() {
    process.exit(7);
  },
  'poison: fill'() {
    const kept: number[][] = [];
    for (;;) kept.push(Array.from({ length: 100_000 }, () => kept.length));
  },
  'poison: spin'() {
    for (;;);
  },
};

/** Stands for a text that no column holds: the edge refuses those, the database has to, too. */
export const UNSTORABLE = 'poison: rule';

type Handler = (state: never, body: unknown, context: never) => unknown;

function nameOf(body: unknown): string {
  const name = typeof body === 'object' && body !== null && 'name' in body ? body.name : '';
  return typeof name === 'string' ? name : '';
}

/** The behaviour, which is hurt by poisonous commands before it decides them. */
export function poisonable(behaviour: AnyBehaviour): AnyBehaviour {
  const commands = Object.entries(behaviour.commands as Record<string, Handler>);
  const hurt = commands.map(([command, decide]): [string, Handler] => [
    command,
    (state, body, context) => {
      const name = nameOf(body);
      FAULTS[name]?.();
      return decide(state, name === UNSTORABLE ? { ...(body as object), name: 'a\0b' } : body, context);
    },
  ]);
  return { ...behaviour, commands: Object.fromEntries(hurt) as AnyBehaviour['commands'] };
}
