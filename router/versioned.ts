/** Values by key, each with the version of its row: what is older than what is known, or was released, changes nothing. */
export interface Versioned<V> {
  get(key: string): V | undefined;
  /** `undefined`: the row is released. False when it is older than what is known, or another scope's row has the key. */
  put(key: string, scope: string, version: number, value: V | undefined): boolean;
  /** Live keys. */
  readonly size: number;
}

/** So many released keys are remembered, so that an older row that comes late can't bring them back. */
export const MOST_TOMBSTONES = 65_536;

export function createVersioned<V>(): Versioned<V> {
  const live = new Map<string, { scope: string; version: number; value: V }>();
  const released = new Map<string, { scope: string; version: number }>();

  return {
    get: (key) => live.get(key)?.value,
    put(key, scope, version, value) {
      const known = live.get(key);
      // Versions of two scopes can't be compared. Who was first keeps the key, until it is released there.
      if (known !== undefined && (known.scope !== scope || known.version >= version)) return false;
      const gone = released.get(key);
      if (gone !== undefined && gone.scope === scope && gone.version >= version) return false;
      released.delete(key);
      if (value !== undefined) {
        live.set(key, { scope, version, value });
        return true;
      }
      live.delete(key);
      released.set(key, { scope, version });
      if (released.size > MOST_TOMBSTONES) released.delete(released.keys().next().value!);
      return true;
    },
    get size() {
      return live.size;
    },
  };
}
