// What every 429 and 503 carries, whoever sends it: when to come again, and why, for programs (reliability.md §10).

/** A word of `Because` (actors/refusal.ts), or of the edge's gate: `share`, `limit`. */
export const REASON_HEADER = 'x-refused-because';

const SPREAD_S = 3;

/** Refusals are made everywhere, so their chance is not handed through; the simulation puts its own in this place. */
export const chance = { random: (): number => Math.random() };

/** Whole seconds, at least 1: spread, so that those who are refused together don't come back together. */
export const spread = (leastS: number, random: () => number = chance.random): number =>
  Math.max(1, Math.ceil(leastS)) + Math.floor(random() * SPREAD_S);

/** The headers of a refusal. `afterS`: see `spread`. */
export const refusedHeaders = (because: string, afterS = spread(1)): Array<[name: string, value: string]> => [
  ['retry-after', String(afterS)],
  [REASON_HEADER, because],
];
