/**
 * What is open by its id, for ids that are given out in order and are mostly done with soon: a ring, and a map for those
 * few that are still open when the ring has come round.
 *
 * A Map alone would do, but for V8's garbage collector: a hash table that is outgrown, or full of deleted entries, points to
 * its successor, so once one such table is in the old generation, all later ones and what was open in them are kept until the
 * next full collection. With an entry made and deleted for each request that was every request, whole: a quarter of the
 * CPU time of an acquisition (measured).
 */
export class OpenById<V extends object | string> {
  readonly #ids: number[];
  readonly #values: Array<V | undefined>;
  readonly #late = new Map<number, V>();
  readonly #mask: number;

  /** `size`: how many ids in a row the ring has room for; a power of two. */
  constructor(size = 1_024) {
    this.#mask = size - 1;
    this.#ids = Array.from({ length: size }, () => NaN);
    this.#values = Array.from({ length: size }, () => undefined);
  }

  get(id: number): V | undefined {
    const at = id & this.#mask;
    return this.#ids[at] === id ? this.#values[at] : this.#late.get(id);
  }

  /** `id` is a whole number that is not open. */
  open(id: number, value: V): void {
    const at = id & this.#mask;
    const earlier = this.#values[at];
    if (earlier !== undefined) this.#late.set(this.#ids[at] as number, earlier);
    this.#ids[at] = id;
    this.#values[at] = value;
  }

  /** It is open no longer: what it was. */
  close(id: number): V | undefined {
    const at = id & this.#mask;
    if (this.#ids[at] !== id) {
      const late = this.#late.get(id);
      if (late !== undefined) this.#late.delete(id);
      return late;
    }
    const value = this.#values[at];
    this.#ids[at] = NaN;
    this.#values[at] = undefined;
    return value;
  }

  /** All that was open, in the order of ids. */
  closeAll(): V[] {
    const ids = [...this.#late.keys(), ...this.#ids.filter((id) => !Number.isNaN(id))].sort((a, b) => a - b);
    return ids.map((id) => this.close(id) as V);
  }
}
