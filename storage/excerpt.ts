// Scans: the excerpts of all rows of whole tables, for an index over them, under the same proof of ownership as a load.
// Many to a row of the answer: what a row costs by itself, here and at the server, is several times what it says.
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

/** A part of a table: for each row its key, its version and its fields. */
export interface ScannedPart {
  /** '' in the one row that says the fences held. */
  kind: ExcerptedTable | '';
  rows: Array<[key: string, version: number, ...fields: unknown[]]> | null;
}

/** In 256 parts by the key's hash, so that none of a million rows takes longer than a few milliseconds to read. */
const branch = (table: ExcerptedTable): string =>
  `union all select '${table}', json_agg(json_build_array(r.key, r.version, ${Object.values<string>(fields[table]).join(', ')}))
from ${table} r where (select held from fence) = $4::int8 and r.scope = $5::text and not r.released
group by substr(md5(r.key), 1, 2)`;

export const scanText = (tables: readonly ExcerptedTable[]): string =>
  `${PROOF}
select '' as kind, null::json as rows from fence where held = $4::int8
${tables.map(branch).join('\n')}`;

export const scanStatement = (
  scope: string,
  tables: readonly ExcerptedTable[],
  fences: readonly Fence[],
): Statement => ({ text: scanText(tables), parameters: [...fenceParameters(fences), scope] });

export function excerptsOf(table: ExcerptedTable, rows: NonNullable<ScannedPart['rows']>): Excerpt[] {
  const names = Object.keys(fields[table]);
  return rows.map(([key, version, ...values]) => {
    const value: Record<string, unknown> = {};
    for (let i = 0; i < names.length; i++) value[names[i]!] = values[i];
    return { table, key, version, value } as unknown as Excerpt;
  });
}
