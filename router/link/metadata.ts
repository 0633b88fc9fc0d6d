/**
 * The three metadata calls that the dependency injection under @peculiar/x509 makes when it is loaded. They are all it
 * needs of the reflect-metadata polyfill, and nothing is defined where a real one is present.
 */
export function installReflectMetadata(): void {
  const reflect = Reflect as Record<string, unknown>;
  if (typeof reflect['getMetadata'] === 'function') return;
  const tables = new WeakMap<object, Map<unknown, unknown>>();
  const own = (key: unknown, target: object): unknown => tables.get(target)?.get(key);
  reflect['getOwnMetadata'] = own;
  reflect['getMetadata'] = (key: unknown, target: object): unknown => {
    for (let at: object | null = target; at !== null; at = Object.getPrototypeOf(at) as object | null) {
      const value = own(key, at);
      if (value !== undefined) return value;
    }
    return undefined;
  };
  reflect['defineMetadata'] = (key: unknown, value: unknown, target: object): void => {
    const table = tables.get(target) ?? new Map<unknown, unknown>();
    table.set(key, value);
    tables.set(target, table);
  };
}
