// Hono's router of routes, but that what it finds for a declared path without parameters is found once: most requests have
// such a path, and taking it apart segment by segment costs as much as checking who asks.
import type { Result, Router } from 'hono/router';
import { TrieRouter } from 'hono/router/trie-router';

export function createLiteralRouter<T>(): Router<T> {
  const trie = new TrieRouter<T>();
  const literals = new Set<string>();
  /** By method and path. */
  const found = new Map<string, Map<string, Result<T>>>();
  return {
    name: 'LiteralRouter',
    add(method, path, handler) {
      trie.add(method, path, handler);
      if (!/[:*{}?]/.test(path)) literals.add(path);
      // The new one may match as well.
      found.clear();
    },
    match(method, path) {
      const known = found.get(method)?.get(path);
      if (known !== undefined) return known;
      const result = trie.match(method, path);
      if (literals.has(path)) found.set(method, (found.get(method) ?? new Map<string, Result<T>>()).set(path, result));
      return result;
    },
  };
}
