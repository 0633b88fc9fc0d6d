// A digest of a set, whatever the order: 64 bits are mixed of each thing that is in it, in two halves, and summed up. Two sets
// that differ have the same one by a chance of 2^-64, or if somebody wants them to: it is for mistakes, not against enemies.

export interface Digest {
  a: number;
  b: number;
}

export const emptyDigest = (): Digest => ({ a: 0, b: 0 });

const SEED_A = 0x9e3779b9;
const SEED_B = 0x6a09e667;
const PLACE = 0x9e3779b1;

/** MurmurHash3's finalizer: each bit of the number turns about half of the others. */
function mix(number: number): number {
  let mixed = Math.imul(number ^ (number >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}

/**
 * Adds the set bits of a word of 64, each as its place in the word and that of the word: the `width` numbers that begin at
 * `at`. Nothing is allocated, a million of them pass here.
 */
export function addBits(
  digest: Digest,
  low: number,
  high: number,
  index: Uint32Array,
  at: number,
  width: number,
): void {
  let a = SEED_A;
  let b = SEED_B;
  for (let i = at; i < at + width; i++) {
    a = mix(a ^ index[i]!);
    b = mix(b + Math.imul(index[i]!, PLACE));
  }
  for (let from = 0; from < 64; from += 32) {
    for (let bits = from === 0 ? low : high; bits !== 0; bits &= bits - 1) {
      const place = Math.imul(from + 32 - Math.clz32(bits & -bits), PLACE);
      digest.a = (digest.a + mix(a + place)) | 0;
      digest.b = (digest.b + mix(b ^ place)) | 0;
    }
  }
}

/** Adds a text. */
export function addText(digest: Digest, text: string): void {
  let a = SEED_A;
  let b = SEED_B;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    a = mix(a ^ code);
    b = mix(b + Math.imul(code + 1, PLACE));
  }
  digest.a = (digest.a + a) | 0;
  digest.b = (digest.b + b) | 0;
}

const hex = (half: number): string => (half >>> 0).toString(16).padStart(8, '0');

/** For comparing, and for people. */
export const digestText = ({ a, b }: Digest): string => hex(a) + hex(b);
