// Reads a site's whole database in one read-only transaction that is serializable: what a backup holds was once true.
import { openPool } from '../driver/open.ts';
import { readShapes, refuseType, type TableShape } from './catalogue.ts';
import { readStanding, type Standing } from './standing.ts';

export interface DumpHead {
  atMs: number;
  /** Of the database server, e.g. `PostgreSQL 18.4`. */
  server: string;
  migrations: string[];
  standing: Standing;
}

/** Every column as text, null as null. */
export type DumpRow = Array<string | null>;

export interface DumpTo {
  head(head: DumpHead): Promise<void>;
  table(shape: TableShape): Promise<void>;
  rows(rows: DumpRow[]): Promise<void>;
}

const PORTION = 500;
const LONGEST_MS = 3_600_000;

const openForBackup = (url: string) =>
  openPool(url, {
    max: 1,
    isolation: 'serializable',
    applicationName: 'hanse backup',
    statementTimeoutMs: LONGEST_MS,
    // Writing to a slow disk must not end the transaction.
    idleInTransactionMs: LONGEST_MS,
  });

const HEAD = `select version() as server, (extract(epoch from clock_timestamp()) * 1000)::int8 as "atMs"`;
const MIGRATIONS = 'select name from migration order by version';

/** Streams everything to `to`; rejects before the first row at a type that a restore could not bring back. */
export async function dumpDatabase(url: string, to: DumpTo): Promise<void> {
  const sql = openForBackup(url);
  try {
    const [{ server } = { server: '' }] = await sql.unsafe<Array<{ server: string }>>(HEAD);
    // PostgreSQL waits until its snapshot can't be part of an anomaly, and then costs no writer anything; CockroachDB
    // knows no deferrable transaction.
    const mode = server.startsWith('PostgreSQL') ? ' deferrable' : '';
    await sql.begin(`isolation level serializable read only${mode}`, async (tx) => {
      const shapes = await readShapes(tx);
      const refused = shapes.map(refuseType).find((refusal) => refusal !== undefined);
      if (refused !== undefined) throw new Error(refused);
      const [at] = await tx.unsafe<Array<{ atMs: number }>>(HEAD);
      const migrations = await tx.unsafe<Array<{ name: string }>>(MIGRATIONS);
      await to.head({
        atMs: at?.atMs ?? 0,
        server: server.split(' ').slice(0, 2).join(' '),
        migrations: migrations.map(({ name }) => name),
        standing: await readStanding(tx),
      });
      for (const shape of shapes) {
        await to.table(shape);
        const columns = shape.columns.map(([name]) => `${name}::text as ${name}`).join(', ');
        const names = shape.columns.map(([name]) => name);
        const text = `select ${columns} from ${shape.table}`;
        const reading = tx.unsafe<Array<Record<string, string | null>>>(text).cursor(PORTION);
        for await (const rows of reading) await to.rows(rows.map((row) => names.map((name) => row[name] ?? null)));
      }
    });
  } finally {
    await sql.end({ timeout: 1 });
  }
}
