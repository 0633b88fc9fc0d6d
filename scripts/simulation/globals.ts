// What would leak real time or real chance into a run is replaced by what throws, so that a leak is found on its first use
// (reliability.md §6.7).
import { webcrypto } from 'node:crypto';
import { chance } from '../../router/refused.ts';

const forbidden = (name: string) => (): never => {
  throw new Error(`${name} was used inside the simulation: the run would not be the same twice`);
};

export interface StandIns {
  /** For setImmediate, which the tree of actors uses for crashes. */
  defer(run: () => void): void;
  /** For the chance of refusals. */
  random(): number;
}

/** Runs `work` without the globals. */
export async function withoutGlobals<T>({ defer, random }: StandIns, work: () => Promise<T>): Promise<T> {
  const kept = {
    chance: chance.random,
    now: Date.now,
    random: Math.random,
    setTimeout: globalThis.setTimeout,
    setInterval: globalThis.setInterval,
    setImmediate: globalThis.setImmediate,
    randomUUID: webcrypto.randomUUID.bind(webcrypto),
  };
  Date.now = forbidden('Date.now');
  Math.random = forbidden('Math.random');
  chance.random = random;
  Object.assign(globalThis, {
    setTimeout: forbidden('setTimeout'),
    setInterval: forbidden('setInterval'),
    setImmediate: (run: (...values: unknown[]) => void, ...values: unknown[]) => defer(() => run(...values)),
  });
  globalThis.crypto.randomUUID = forbidden('crypto.randomUUID');
  try {
    return await work();
  } finally {
    Date.now = kept.now;
    Math.random = kept.random;
    chance.random = kept.chance;
    globalThis.crypto.randomUUID = kept.randomUUID;
    const { setTimeout, setInterval, setImmediate } = kept;
    Object.assign(globalThis, { setTimeout, setInterval, setImmediate });
  }
}
