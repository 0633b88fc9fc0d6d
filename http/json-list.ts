// Long lists in JSON. Whole, one of a million addresses would keep the thread for seconds that renews the site's lease: it
// is made in portions, between which everybody else has their turn, and leaves as one body, so that it has a length, and
// what fails on the way is still an error.

/** Rows that are made in one turn: of the longest, machines, they take some milliseconds. */
const PORTION = 500;
/** Bytes that are put together in one turn. */
const COPIED = 4 * 1024 * 1024;

const COMMA = 0x2c;
const CLOSE = 0x5d;

const othersTurn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

export const isLong = (body: unknown): body is readonly unknown[] => Array.isArray(body) && body.length > PORTION;

/** Goes through a list in portions, between which everybody else has their turn. */
export async function inPortions<T>(items: readonly T[], each: (portion: readonly T[]) => void): Promise<void> {
  for (let from = 0; from < items.length; from += PORTION) {
    if (from > 0) await othersTurn();
    each(items.length <= PORTION ? items : items.slice(from, from + PORTION));
  }
}

/** A list as the body of an answer. What was added is kept as bytes only. */
export class JsonList {
  readonly #pieces: Buffer[] = [];
  #bytes = 0;

  /** A portion, as a database gives them: it is rendered in this turn. */
  add(items: readonly unknown[]): void {
    if (items.length === 0) return;
    const piece = Buffer.from(JSON.stringify(items));
    if (this.#pieces.length > 0) piece[0] = COMMA;
    // Without its closing bracket.
    this.#pieces.push(piece.subarray(0, -1));
    this.#bytes += piece.length - 1;
  }

  async bytes(): Promise<Uint8Array<ArrayBuffer>> {
    if (this.#pieces.length === 0) return new TextEncoder().encode('[]');
    const whole = Buffer.allocUnsafeSlow(this.#bytes + 1);
    let [at, turnsAt] = [0, COPIED];
    for (const piece of this.#pieces) {
      if (at >= turnsAt) {
        turnsAt = at + COPIED;
        await othersTurn();
      }
      at += piece.copy(whole, at);
    }
    whole[at] = CLOSE;
    return whole;
  }
}

/** The list of what `render` makes of the items. */
export async function jsonList<T>(items: readonly T[], render: (item: T) => unknown): Promise<JsonList> {
  const list = new JsonList();
  await inPortions(items, (portion) => list.add(portion.map(render)));
  return list;
}
