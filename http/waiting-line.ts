// Who waits for room: first in, first out for each name, and the names in turn, so that one of which many wait does not keep
// the others waiting. A step costs the same however many wait, but for the look at all of them.

interface Queue<T> {
  readonly length: number;
  readonly first: T | undefined;
  push(one: T): void;
  shift(): T | undefined;
  /** Takes out those of which `isOver` says so, wherever they stand. */
  remove(isOver: (one: T) => boolean): T[];
}

/** So many places in front may be empty before those behind move up, if they are the larger part. */
const MOST_EMPTY = 1_024;

function createQueue<T>(): Queue<T> {
  let places: Array<T | undefined> = [];
  let front = 0;
  return {
    get length() {
      return places.length - front;
    },
    get first() {
      return places[front];
    },
    push: (one) => void places.push(one),
    shift() {
      if (front === places.length) return undefined;
      const one = places[front];
      places[front++] = undefined;
      if (front > MOST_EMPTY && 2 * front > places.length) {
        places = places.slice(front);
        front = 0;
      }
      return one;
    },
    remove(isOver) {
      const over: T[] = [];
      let to = front;
      for (let at = front; at < places.length; at++) {
        const one = places[at]!;
        if (isOver(one)) over.push(one);
        else places[to++] = one;
      }
      places.length = to;
      return over;
    },
  };
}

export interface WaitingLine<T> {
  readonly length: number;
  push(name: string, one: T): void;
  /** The first one of the next name of which `may` says so; of a few names at most is it asked. */
  take(may: (one: T) => boolean): T | undefined;
  /** Removes those of which `isOver` says so; of all is it asked. */
  drop(isOver: (one: T) => boolean): T[];
}

/** Of so many names: some may have used up their share. */
const MOST_ASKED = 8;

export function createWaitingLine<T>(): WaitingLine<T> {
  const byName = new Map<string, Queue<T>>();
  /** Each name of `byName` once. */
  const turns = createQueue<string>();
  let length = 0;
  return {
    get length() {
      return length;
    },
    push(name, one) {
      let queue = byName.get(name);
      if (queue === undefined) {
        byName.set(name, (queue = createQueue()));
        turns.push(name);
      }
      queue.push(one);
      length++;
    },
    take(may) {
      for (let left = Math.min(MOST_ASKED, turns.length); left > 0; left--) {
        const name = turns.shift()!;
        const queue = byName.get(name)!;
        const { first } = queue;
        const taken = first !== undefined && may(first) ? queue.shift() : undefined;
        if (queue.length > 0) turns.push(name);
        else byName.delete(name);
        if (taken === undefined) continue;
        length--;
        return taken;
      }
      return undefined;
    },
    drop(isOver) {
      const over = [...byName.values()].flatMap((queue) => queue.remove(isOver));
      length -= over.length;
      // A name that nobody waits under must not use up a turn, nor stay: names are whatever somebody sends.
      for (const name of turns.remove((one) => byName.get(one)!.length === 0)) byName.delete(name);
      return over;
    },
  };
}
