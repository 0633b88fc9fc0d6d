// A simulated database as the audit reads one.
import type { TableName } from '../../actors/records.ts';
import type { StoreModel } from '../../actors/runtime/store-model.ts';
import type { SiteRows, StreamSpan } from '../../storage/audit/rows.ts';
import { entities, tableNames } from '../../storage/entity/entities.ts';

type Columns = {
  columns: ReadonlyArray<{ name: string; type: string }>;
  values(value: unknown, key: string): readonly (string | null)[];
};

export function rowsOf(site: string, model: StoreModel): SiteRows {
  const rows = Object.fromEntries(tableNames.map((table) => [table, []])) as unknown as Record<TableName, unknown[]>;
  for (const { table, scope, key, owner, version, prev, value } of model.rows.values()) {
    const entity = entities[table] as Columns;
    const values = value === null ? [] : entity.values(value, key);
    const columns = Object.fromEntries(
      entity.columns.map(({ name, type }, i) => {
        const text = values[i] ?? null;
        return [name, type === 'bytea' && text !== null ? text.replace('\\x', '') : text];
      }),
    );
    rows[table].push({ table, scope, key, owner, version, prev, value, columns });
  }
  const spans = new Map<string, StreamSpan>();
  for (const { scope, shard, epoch, n } of model.log) {
    const name = `${scope}/${shard}/${epoch}`;
    const span = spans.get(name);
    if (span === undefined) spans.set(name, { scope, shard, epoch, entries: 1, first: n, last: n });
    else
      Object.assign(span, { entries: span.entries + 1, first: Math.min(span.first, n), last: Math.max(span.last, n) });
  }
  return {
    site,
    rows: rows as SiteRows['rows'],
    log: model.log,
    isWholeLog: true,
    streams: [...spans.values()],
    ended: model.ends,
    ownership: [...model.epochs].map(([name, epoch]) => {
      const split = name.lastIndexOf('/');
      return { scope: name.slice(0, split) as never, shard: Number(name.slice(split + 1)), epoch };
    }),
  };
}
