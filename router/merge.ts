// One answer from the parts of several sites (networks.md §10.2).
import { keyOf, readBodyObject } from './hints.ts';
import type { Merge } from './where.ts';

const QUOTED_NULL = 'null';
const OPEN = 0x5b;
const CLOSE = 0x5d;
const COMMA = Buffer.from(',');

const isBlank = (byte: number | undefined): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

/** What stands between the brackets of an array, without parsing it; empty for `null`. Throws for anything else. */
function insideOf(bytes: Uint8Array): Uint8Array {
  let from = 0;
  let to = bytes.byteLength;
  while (from < to && isBlank(bytes[from])) from += 1;
  while (to > from && isBlank(bytes[to - 1])) to -= 1;
  if (to - from === QUOTED_NULL.length && Buffer.from(bytes.subarray(from, to)).toString() === QUOTED_NULL) {
    return bytes.subarray(0, 0);
  }
  if (to - from < 2 || bytes[from] !== OPEN || bytes[to - 1] !== CLOSE) throw new TypeError('a list was expected');
  from += 1;
  to -= 1;
  while (from < to && isBlank(bytes[from])) from += 1;
  return bytes.subarray(from, to);
}

/** Whether a part can be merged: everything but a project is a list. */
export function isMergeable(merge: Merge, part: Uint8Array): boolean {
  try {
    if (merge === 'project') return readBodyObject(part) !== undefined;
    insideOf(part);
    return true;
  } catch {
    return false;
  }
}

/** Lists can be long: they are spliced, not parsed. */
function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const full = parts.map(insideOf).filter((inside) => inside.byteLength > 0);
  // Nothing found: as the first one says it, `null` or `[]`, which differs by operation.
  if (full.length === 0) return parts[0]!;
  const pieces = full.flatMap((inside, i) => (i === 0 ? [inside] : [COMMA, inside]));
  return Buffer.concat([Buffer.from('['), ...pieces, Buffer.from(']')]);
}

type Json = Record<string, unknown>;

const rowsOf = (part: Uint8Array): Json[] =>
  (JSON.parse(Buffer.from(part.buffer, part.byteOffset, part.byteLength).toString()) as Json[] | null) ?? [];
const textAt = (row: Json, key: string): string => (typeof row[key] === 'string' ? (row[key] as string) : '');
const encoded = (json: unknown): Uint8Array => Buffer.from(JSON.stringify(json));
const compareTexts = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function issues(parts: readonly Uint8Array[]): Uint8Array {
  const rows = parts.flatMap(rowsOf);
  if (rows.length === 0) return parts[0]!;
  return encoded(rows.sort((a, b) => compareTexts(textAt(a, 'machineid'), textAt(b, 'machineid'))));
}

/** Every site knows all images, and the machines that use them in its own partitions. */
function images(parts: readonly Uint8Array[]): Uint8Array {
  const byId = new Map<string, Json>();
  for (const row of parts.flatMap(rowsOf)) {
    const known = byId.get(textAt(row, 'id'));
    if (known === undefined) byId.set(textAt(row, 'id'), row);
    else if (Array.isArray(row['usedby'])) {
      known['usedby'] = [...(Array.isArray(known['usedby']) ? (known['usedby'] as unknown[]) : []), ...row['usedby']];
    }
  }
  return byId.size === 0 ? parts[0]! : encoded([...byId.values()]);
}

/** What is used of each quota is counted by each site for itself. */
function project(parts: readonly Uint8Array[]): Uint8Array {
  const [first, ...others] = parts.map((part) => readBodyObject(part)!);
  const quotas = first!['quotas'] as Record<string, Json> | null | undefined;
  for (const other of others) {
    for (const [name, quota] of Object.entries((other['quotas'] ?? {}) as Record<string, Json | null>)) {
      const own = quotas?.[name];
      if (typeof quota?.['used'] !== 'number' || !own) continue;
      own['used'] = (typeof own['used'] === 'number' ? own['used'] : 0) + quota['used'];
    }
  }
  return encoded(first);
}

/** Ascending by time; a limit keeps the newest, as each site does (networks.md N50). */
function audit(parts: readonly Uint8Array[], body: Uint8Array): Uint8Array {
  const rows = parts.flatMap(rowsOf);
  if (rows.length === 0) return parts[0]!;
  const timed = rows.map((row) => ({ row, atMs: Date.parse(textAt(row, 'timestamp')) || 0 }));
  const sorted = timed.sort((a, b) => a.atMs - b.atMs).map(({ row }) => row);
  const limit = keyOf(readBodyObject(body) ?? {}, 'limit');
  return encoded(typeof limit === 'number' && limit > 0 ? sorted.slice(-limit) : sorted);
}

const MERGES: Record<Merge, (parts: readonly Uint8Array[], requestBody: Uint8Array) => Uint8Array> = {
  concatenate,
  issues,
  images,
  project,
  audit,
};

/** Merges successful answers, the receiving site's first; there is at least one, and each `isMergeable`. */
export const mergeParts = (merge: Merge, parts: readonly Uint8Array[], requestBody: Uint8Array): Uint8Array =>
  parts.length === 1 ? parts[0]! : MERGES[merge](parts, requestBody);
