// Scans: the excerpts of all rows of whole tables, for an index over them, under the same proof of ownership as a load.
// Row by row as they lie, so that the first ones are taken in while the server reads on; to group or to sort a hundred
// thousand of them there first takes it longer than all of the rest (measured).
import type { Excerpt, ExcerptedTable, Excerpts } from '../actors/excerpt.ts';
import type { Fence } from '../actors/ports.ts';
import { PROOF } from './loading.ts';
import { fenceParameters, type Statement } from './statement.ts';

/** SQL for each field of an excerpt, of a row `r`. */
const fields: { readonly [T in ExcerptedTable]: { readonly [F in keyof Excerpts[T]]: string } } = {
  machine: { size: 'r.size', rack: 'r.rack', waiting: 'r.waiting', stateValue: 'r.state_value' },
  allocation: { uuid: 'r.uuid', project: 'r.project', role: 'r.role', tags: 'r.tags' },
  provisioning: { liveliness: 'r.liveliness' },
  switch: { name: `r.body ->> 'name'`, rack: `r.body ->> 'rack'` },
  switch_port: { switch: `r.body ->> 'switch'`, nic: `r.body ->> 'nic'`, machine: `r.body ->> 'machine'` },
  network: { privateSuper: `r.body -> 'privateSuper'`, underlay: `r.body -> 'underlay'` },
};

/** Which rows an index wants, where it does not want all. */
const wanted: { readonly [T in ExcerptedTable]?: string } = { provisioning: `r.liveliness is distinct from 'Alive'` };

/** A row with its fields by name. */
export type ScannedRow = { key: string; version: number } & Record<string, unknown>;

export const scanText = (table: ExcerptedTable): string => {
  const columns = Object.entries<string>(fields[table]).map(([name, sql]) => `${sql} as "${name}"`);
  const which = wanted[table] === undefined ? '' : ` and ${wanted[table]}`;
  return `select r.key, r.version, ${columns.join(', ')} from ${table} r where r.scope = $1::text and not r.released${which}`;
};

/** The first statement of a scan's transaction: one row where the fences hold, none where they don't. */
export const PROVEN = `${PROOF}
select '' as kind from fence where held = $4::int8`;

export const provenStatement = (fences: readonly Fence[]): Statement => ({
  text: PROVEN,
  parameters: fenceParameters(fences),
});

/** Tables whose many rows say the same few things. */
const ALIKE: ReadonlySet<ExcerptedTable> = new Set(['machine', 'provisioning']);
/** So many different ones are remembered. */
const MOST_SHARED = 16_384;

/**
 * Makes excerpts of a table's rows. Where many say the same they share one value: a hundred thousand machines that wait say
 * but their size and their rack, and each would have texts and an object of its own.
 */
export function createExcerpts(table: ExcerptedTable): (rows: readonly ScannedRow[]) => Excerpt[] {
  const names = Object.keys(fields[table]);
  const shared = new Map<string, object>();

  const made = (row: ScannedRow): object => {
    const value: Record<string, unknown> = {};
    for (const field of names) value[field] = row[field];
    return value;
  };

  const sharedOf = (row: ScannedRow): object => {
    let name = '';
    for (const field of names) name += `${String(row[field])}\0`;
    let value = shared.get(name);
    if (value !== undefined) return value;
    value = made(row);
    if (shared.size >= MOST_SHARED) shared.clear();
    shared.set(name, value);
    return value;
  };

  const valueOf = ALIKE.has(table) ? sharedOf : made;
  return (rows) => rows.map((row) => ({ table, key: row.key, version: row.version, value: valueOf(row) }) as Excerpt);
}
