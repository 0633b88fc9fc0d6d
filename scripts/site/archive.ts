// The file of a backup: gzipped lines of JSON, the last of which proves that none is missing or changed.
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, fsyncSync, openSync, closeSync, renameSync, rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { finished } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { z } from 'zod';
import { isScope, type Scope } from '../../actors/address.ts';

const scope = z.custom<Scope>((value) => typeof value === 'string' && isScope(value));
const standing = z.object({
  epochs: z.array(z.object({ scope, epoch: z.number() })),
  ends: z.array(z.object({ scope, shard: z.number(), epoch: z.number(), n: z.number() })),
});

export const manifestSchema = z.object({
  hanse: z.literal('backup'),
  format: z.literal(1),
  site: z.string(),
  atMs: z.number(),
  /** Of the program that made it. */
  version: z.string(),
  server: z.string(),
  migrations: z.array(z.string()),
  standing,
});
export type Manifest = z.infer<typeof manifestSchema>;

const tableLine = z.object({ table: z.string(), columns: z.array(z.tuple([z.string(), z.string()])) });
const fileLine = z.object({ file: z.string(), mode: z.number(), content: z.string() });
const rowLine = z.array(z.string().nullable());
const endLine = z.object({
  end: z.literal(true),
  rows: z.record(z.string(), z.number()),
  files: z.number(),
  sha256: z.string(),
});
export type End = z.infer<typeof endLine>;

export type Line =
  | { kind: 'manifest'; manifest: Manifest }
  | { kind: 'table'; table: z.infer<typeof tableLine> }
  | { kind: 'row'; row: Array<string | null> }
  | { kind: 'file'; file: z.infer<typeof fileLine> };

/** What is wrong with the file, in a sentence. */
export class DamagedArchive extends Error {}

export interface ArchiveWriter {
  line(value: Manifest | z.infer<typeof tableLine> | z.infer<typeof fileLine> | Array<string | null>): Promise<void>;
  /** Writes the last line and gives the file its name; before, it is `<path>.part`. */
  finish(): Promise<End>;
  /** Removes what was written. */
  discard(): Promise<void>;
}

/** Readers of lines take these two for ends of lines, JSON does not escape them. */
const oneLine = (json: string): string =>
  json.replace(/[\u2028\u2029]/g, (end) => (end === '\u2028' ? '\\u2028' : '\\u2029'));

/** Opens an archive of mode 0600: it holds keys. */
export function createArchive(path: string): ArchiveWriter {
  const part = `${path}.part`;
  const gzip = createGzip();
  const file = createWriteStream(part, { mode: 0o600 });
  const written = finished(gzip.pipe(file));
  written.catch(() => {});
  const hash = createHash('sha256');
  const rows: Record<string, number> = {};
  let files = 0;
  let table = '';

  async function write(text: string): Promise<void> {
    if (!gzip.write(text)) await Promise.race([new Promise((resolve) => gzip.once('drain', resolve)), written]);
  }

  return {
    async line(value) {
      if (Array.isArray(value)) rows[table] = (rows[table] ?? 0) + 1;
      else if ('table' in value) rows[(table = value.table)] = 0;
      else if ('file' in value) files++;
      const text = `${oneLine(JSON.stringify(value))}\n`;
      hash.update(text);
      await write(text);
    },
    async finish() {
      const end: End = { end: true, rows, files, sha256: hash.digest('hex') };
      gzip.end(`${JSON.stringify(end)}\n`);
      await written;
      const handle = openSync(part, 'r');
      fsyncSync(handle);
      closeSync(handle);
      renameSync(part, path);
      return end;
    },
    async discard() {
      gzip.destroy();
      file.destroy();
      await written.catch(() => {});
      rmSync(part, { force: true });
    },
  };
}

/** The lines of an archive but the last, which is checked: a damaged file ends in a `DamagedArchive`. Answers the last. */
export async function* readArchive(path: string): AsyncGenerator<Line, End> {
  const source = createReadStream(path);
  const gunzip = source.pipe(createGunzip());
  source.on('error', (error) => gunzip.destroy(error));
  const hash = createHash('sha256');
  const rows: Record<string, number> = {};
  let [files, number, table] = [0, 0, ''];
  try {
    for await (const text of createInterface({ input: gunzip, crlfDelay: Infinity })) {
      number++;
      const value: unknown = JSON.parse(text);
      if (endLine.safeParse(value).success) {
        const end = endLine.parse(value);
        if (end.sha256 !== hash.digest('hex'))
          throw new DamagedArchive('its content was changed: the checksum is wrong');
        if (JSON.stringify(end.rows) !== JSON.stringify(rows) || end.files !== files)
          throw new DamagedArchive('it lacks some of its rows');
        return end;
      }
      hash.update(`${text}\n`);
      if (number === 1) yield { kind: 'manifest', manifest: manifestSchema.parse(value) };
      else if (Array.isArray(value)) {
        rows[table] = (rows[table] ?? 0) + 1;
        yield { kind: 'row', row: rowLine.parse(value) };
      } else if (value !== null && typeof value === 'object' && 'table' in value) {
        const shape = tableLine.parse(value);
        rows[(table = shape.table)] = 0;
        yield { kind: 'table', table: shape };
      } else {
        files++;
        yield { kind: 'file', file: fileLine.parse(value) };
      }
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (error instanceof DamagedArchive || code === 'ENOENT' || code === 'EACCES') throw error;
    if (number === 0 && code !== 'Z_BUF_ERROR') throw new DamagedArchive('it is no backup of Hanse');
    if (number <= 1 && error instanceof z.ZodError)
      throw new DamagedArchive('it is no backup of Hanse, or one of a newer format');
    throw new DamagedArchive(`it is damaged after line ${number} (${(error as Error).message})`);
  } finally {
    source.destroy();
  }
  throw new DamagedArchive(`it ends after ${number} lines without its last one: it was cut off`);
}
