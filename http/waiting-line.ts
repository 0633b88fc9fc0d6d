/** First in, first out; some near the front may leave before it. A step costs the same however many wait. */
export interface WaitingLine<T> {
  readonly length: number;
  push(one: T): void;
  /** Counted from the front. */
  at(index: number): T | undefined;
  /** What it costs grows with the index. */
  remove(index: number): void;
}

/** So many places in front may be empty before those behind move up, if they are the larger part. */
const MOST_EMPTY = 1_024;

export function createWaitingLine<T>(): WaitingLine<T> {
  let places: Array<T | undefined> = [];
  let front = 0;
  return {
    get length() {
      return places.length - front;
    },
    push(one) {
      places.push(one);
    },
    at: (index) => places[front + index],
    remove(index) {
      for (let i = front + index; i > front; i--) places[i] = places[i - 1];
      places[front++] = undefined;
      if (front > MOST_EMPTY && 2 * front > places.length) {
        places = places.slice(front);
        front = 0;
      }
    },
  };
}
