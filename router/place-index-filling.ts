// How an index comes to know what lies in the database when a process begins to serve. What is few is read before; machines
// and switches, of which a plant may have a hundred thousand, meanwhile: until all are there, one that is asked for is
// looked up by itself. So a takeover does not wait for them, and nobody hears that something is not there while it is.
import { partitionScope, type Scope } from '../actors/address.ts';
import type { Cancel, RowReader } from '../actors/ports.ts';
import type { Located } from './locate.ts';
import type { LocateAsk } from './peers.ts';
import { fillPlaceIndex, MANY, type ManyTable, type PlacedRow, type PlaceIndex } from './place-index.ts';

export interface PlaceRows extends Pick<RowReader, 'rows'> {
  /** Keys of all live rows of a table in a scope, in portions as they come. */
  keys(
    table: ManyTable,
    scope: Scope,
    each: (keys: ReadonlyArray<{ key: string; version: number }>) => void,
  ): Promise<void>;
}

export interface FillingOptions {
  index: PlaceIndex;
  rows: PlaceRows;
  site: string;
  after(delayMs: number, run: () => void): Cancel;
  odd(what: string, error: unknown): void;
}

export interface Filling {
  /** What is few is there: from now on the index is right about everything that `sure` was awaited for. */
  readonly begun: Promise<void>;
  /** Reads the rest, unless it is read already; resolves when everything is there. */
  whole(): Promise<void>;
  readonly isWhole: boolean;
  /**
   * What the index must know before this is looked for in it. Undefined: it does. Rejects when the database can't say,
   * within the deadline of a list.
   */
  sure(what: Pick<Located, 'at' | 'access'> | LocateAsk): Promise<void> | undefined;
  stop(): void;
}

/** After the database did not answer. */
const AGAIN_MS = 250;

/**
 * Begins with what is few. The rest is read when it is asked for by `whole`: a process that has not begun to serve has better
 * to do. Let the index hear the log before: then nothing falls between rows and log.
 */
export function startFilling({ index, rows, site, after, odd }: FillingOptions): Filling {
  let isWhole = false;
  let isStopped = false;
  let cancel: Cancel = () => {};
  const scopes = (): Scope[] => index.hosted().map(partitionScope);
  const put = (table: ManyTable, scope: Scope, key: string, version: number): void =>
    index.put({ table, scope, key, owner: '', version, value: {} } as PlacedRow);

  /** Read again from the beginning after a failure: what is known already changes nothing. */
  const readAll = async (table: ManyTable, scope: Scope): Promise<void> => {
    for (;;) {
      try {
        return await rows.keys(table, scope, (keys) => {
          for (const { key, version } of keys) put(table, scope, key, version);
        });
      } catch (error) {
        if (isStopped) throw error;
        odd(
          `the places of ${table} rows of ${scope} could not be read: they are looked up one by one meanwhile`,
          error,
        );
        await new Promise<void>((resolve) => {
          cancel = after(AGAIN_MS, resolve);
        });
      }
    }
  };

  const begun = fillPlaceIndex(index, rows, site, { fewOnly: true });
  const readRest = async (): Promise<void> => {
    await begun;
    for (const scope of scopes()) for (const table of MANY) await readAll(table, scope);
    isWhole = true;
  };
  let reading: Promise<void> | undefined;
  const whole = (): Promise<void> => {
    if (reading !== undefined) return reading;
    reading = readRest();
    // Who waits for it hears of a failure of `begun`, too; nobody has to wait.
    reading.catch(() => {});
    return reading;
  };

  const asking = new Map<string, Promise<void>>();
  const lookUp = async (table: ManyTable, key: string): Promise<void> => {
    const found = await rows.rows(table, { scopes: scopes(), keys: [key] });
    for (const row of found) put(table, row.scope, key, row.version);
  };

  const known = (table: ManyTable, key: string): Promise<void> | undefined => {
    if ((table === 'machine' ? index.machine(key) : index.switch(key)) !== undefined) return undefined;
    const name = `${table}|${key}`;
    const pending = asking.get(name);
    if (pending !== undefined) return pending;
    const asked = lookUp(table, key).finally(() => asking.delete(name));
    asking.set(name, asked);
    return asked;
  };

  return {
    begun,
    whole,
    get isWhole() {
      return isWhole;
    },
    sure(what) {
      if (isWhole) return undefined;
      const at = 'at' in what ? what.at : what;
      if (typeof at === 'string') return undefined;
      if (at.by === 'machine' || at.by === 'switch') return known(at.by, at.id);
      if (at.by === 'network' && 'ifGlobal' in at && typeof at.ifGlobal === 'object')
        return known('machine', at.ifGlobal.machine);
      // A report to a partition may name machines of another one; where there is one, that makes no difference.
      const mayName = at.by === 'partition' && 'access' in what && what.access === 'w' && index.hosted().length > 1;
      return mayName ? whole() : undefined;
    },
    stop() {
      isStopped = true;
      cancel();
    },
  };
}
