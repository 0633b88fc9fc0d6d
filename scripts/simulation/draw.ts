// Named random streams: each purpose draws from its own, so that removing one thing from a run does not shift the luck of
// all others (reliability.md §6.3).
import { seededRandom } from '../../actors/runtime/virtual-world.ts';

/** FNV-1a over a text, 32 bits. */
export function hashText(text: string, from = 0x811c9dc5): number {
  let hash = from;
  for (let i = 0; i < text.length; i++) {
    hash ^= text.charCodeAt(i);
    hash = Math.imul(hash, 0x01000193);
  }
  return hash >>> 0;
}

export type Random = () => number;

/** The stream of that name in a run. */
export const streamOf = (seed: number, name: string): Random => seededRandom(hashText(name, hashText(String(seed))));

export const pick = <T>(random: Random, from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
export const between = (random: Random, low: number, high: number): number => low + random() * (high - low);
export const chance = (random: Random, p: number): boolean => random() < p;
/** Spread over orders of magnitude: small values are as likely as large ones. */
export const scaled = (random: Random, low: number, high: number): number =>
  Math.exp(between(random, Math.log(low), Math.log(high)));
