// What would leak real time or real chance into a run is replaced by what throws, so that a leak is found on its first use
// (reliability.md §6.7).
import { webcrypto } from 'node:crypto';

const forbidden = (name: string) => (): never => {
  throw new Error(`${name} was used inside the simulation: the run would not be the same twice`);
};

/** Runs `work` without the globals; `defer` stands in for setImmediate, which the tree of actors uses for crashes. */
export async function withoutGlobals<T>(defer: (run: () => void) => void, work: () => Promise<T>): Promise<T> {
  const kept = {
    now: Date.now,
    random: Math.random,
    setTimeout: globalThis.setTimeout,
    setInterval: globalThis.setInterval,
    setImmediate: globalThis.setImmediate,
    randomUUID: webcrypto.randomUUID.bind(webcrypto),
  };
  Date.now = forbidden('Date.now');
  Math.random = forbidden('Math.random');
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
    globalThis.crypto.randomUUID = kept.randomUUID;
    const { setTimeout, setInterval, setImmediate } = kept;
    Object.assign(globalThis, { setTimeout, setInterval, setImmediate });
  }
}
