// V8 hashes a bigint by its lowest 64 bits alone: keys that share them make each look-up a walk over all of them.
import { mock } from 'node:test';

const hashedBits = (key: unknown): string | undefined =>
  typeof key === 'bigint' ? String(BigInt.asUintN(64, key)) : undefined;

/** How many bigints that V8 hashes alike one set or map was given meanwhile, at most. 0: no bigint; 1: none that are alike. */
export function mostHashedAlike(run: () => void): number {
  const [set, add] = [mock.method(Map.prototype, 'set'), mock.method(Set.prototype, 'add')];
  try {
    run();
  } finally {
    set.mock.restore();
    add.mock.restore();
  }
  const alike = new Map<unknown, Map<string, Set<unknown>>>();
  for (const call of [...set.mock.calls, ...add.mock.calls]) {
    const [key] = call.arguments;
    const bits = hashedBits(key);
    if (bits === undefined) continue;
    const byBits = alike.get(call.this) ?? new Map<string, Set<unknown>>();
    alike.set(call.this, byBits.set(bits, (byBits.get(bits) ?? new Set()).add(key)));
  }
  return Math.max(0, ...[...alike.values()].flatMap((byBits) => Array.from(byBits.values(), ({ size }) => size)));
}
