/**
 * Which ask a thread is working on, in memory that its host can still read when the thread is dead or caught in a loop.
 * Written with every message: a plain store, since who reads it reads after the fact.
 */
export interface InHand {
  /** Id of an ask of the main thread; 0: none. */
  ask: number;
}

export const inHandMemory = (): SharedArrayBuffer => new SharedArrayBuffer(Float64Array.BYTES_PER_ELEMENT);

export function inHandIn(memory: SharedArrayBuffer): InHand {
  const place = new Float64Array(memory);
  return {
    get ask() {
      return place[0] as number;
    },
    set ask(id) {
      place[0] = id;
    },
  };
}
