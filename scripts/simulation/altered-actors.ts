// Actors that a mutation check puts in the place of sound ones: with another command, or with a memory that lacks something.
import type { Change } from '../../actors/records.ts';
import type { AnyBehaviour } from '../../actors/runtime/behaviour.ts';

type Handler = (state: unknown, body: unknown, context: unknown) => unknown;

/** Replaces one command of a kind of actor, given the sound one. */
export const command =
  (kind: string, name: string, change: (sound: Handler) => Handler) =>
  (all: AnyBehaviour[]): AnyBehaviour[] =>
    all.map((sound) => {
      if (sound.kind !== kind) return sound;
      const commands = sound.commands as Record<string, Handler>;
      return { ...sound, commands: { ...commands, [name]: change(commands[name] as Handler) } };
    });

/** Forgets addresses that it gave out: the check of the actor itself is gone. */
export const forgetful = (all: AnyBehaviour[]): AnyBehaviour[] =>
  all.map((sound) => {
    if (sound.kind !== 'network' && sound.kind !== 'block') return sound;
    return {
      ...sound,
      evolve(state: unknown, change: Change) {
        if (change.table !== 'ip' || change.value === null) sound.evolve(state, change);
      },
    };
  });

/** What an operation reserved is known to the state in which it was reserved, and to none that is loaded later. */
export const holdingOnce = (all: AnyBehaviour[]): AnyBehaviour[] => {
  const heldIn = new WeakMap<Change, unknown>();
  return all.map((sound) => ({
    ...sound,
    hold(state: unknown, operation: string, changes: Change[]) {
      const known = changes.filter((change) => !heldIn.has(change) || heldIn.get(change) === state);
      for (const change of known) heldIn.set(change, state);
      sound.hold(state, operation, known);
    },
    unhold(state: unknown, operation: string, changes: Change[]) {
      sound.unhold(
        state,
        operation,
        changes.filter((change) => heldIn.get(change) === state),
      );
    },
  }));
};
