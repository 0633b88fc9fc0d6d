// Who hears of what goes on, in the order in which they came.

export interface Listeners<T> {
  /** Answers how to stop listening. */
  add(listener: (heard: T) => void): () => void;
  tell(heard: T): void;
}

export function createListeners<T>(): Listeners<T> {
  const listeners = new Set<(heard: T) => void>();
  return {
    add(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    tell(heard) {
      for (const listener of listeners) listener(heard);
    },
  };
}
