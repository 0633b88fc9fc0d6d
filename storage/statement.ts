// The fenced statement that writes a group: one text per set of tables, assembled from one CTE a table, prepared once a
// connection. All CTEs see the snapshot before the statement, so none may lean on rows that another one writes.
import type { Change, TableName } from '../actors/records.ts';
import type { Fence, Group } from '../actors/ports.ts';
import { arrayLiteral, jsonsLiteral } from './array.ts';
import type { Entity } from './entity/entity.ts';
import { entities, tableNames } from './entity/entities.ts';

export interface Statement {
  text: string;
  parameters: unknown[];
}

/** The answer's only row: 0 when a fence did not hold. Everything else that was wrong is an error, and nothing is written. */
export interface GroupAnswer {
  held: number;
}

type AnyEntity = Entity<TableName>;
type Element = string | number | null;

const entityOf = (table: TableName): AnyEntity => entities[table] as AnyEntity;

/** Hands out `$1`, `$2`, … in the order in which the parameters are assembled. */
const numbering = () => {
  let last = 0;
  return (type: string): string => `$${++last}::${type}`;
};
type Next = ReturnType<typeof numbering>;

/** `held` is the number of the given (scope, shard) rows that still say the given epoch; `ok` has one row when all do. */
export const fenceText = (next: Next): string => `fence as (
  select count(*) as held from ownership o, unnest(${next('text[]')}, ${next('int4[]')}, ${next('int8[]')}) as p (scope, shard, epoch)
  where o.scope = p.scope and o.shard = p.shard and o.epoch = p.epoch
), ok as (select 1 as one from fence where held = ${next('int8')})`;

export const fenceParameters = (fences: readonly Fence[]): unknown[] => [
  arrayLiteral(fences.map((fence) => fence.scope)),
  arrayLiteral(fences.map((fence) => fence.shard)),
  arrayLiteral(fences.map((fence) => fence.epoch)),
  fences.length,
];

/**
 * One table's rows. `prev` goes in negated: an upsert whose row is missing inserts it, and a row that is then found with
 * a negative `prev` was meant to replace one that is not there. The final count leaves it out, and the group fails.
 * An upsert, never `update … from unnest`: that one scans small tables, and SERIALIZABLE then protects all of their rows.
 */
function tableText(table: TableName, next: Next): string {
  const { columns, refusedWhen } = entityOf(table);
  const extra = columns.map((column) => column.name);
  const names = (prefix: string): string => extra.map((name) => `, ${prefix}${name}`).join('');
  const arrays = [next('text[]'), next('text[]'), next('text[]'), next('int8[]'), next('int8[]'), next('text[]')];
  for (const column of columns) arrays.push(next(`${column.type}[]`));
  const source = `unnest(${arrays.join(', ')}) as r (scope, key, owner, version, prev, body${names('')})`;
  const ruled = `${table}_rows as (select r.*, r.body is null as released from ${source}),\n`;
  return `${refusedWhen === undefined ? '' : ruled}${table}_written as (
  insert into ${table} as t (scope, key, owner, version, prev, released, body, changed, released_at${names('')})
  select r.scope, r.key, r.owner, r.version, -r.prev, r.body is null, r.body::jsonb, clock_timestamp(),
    case when r.body is null then clock_timestamp() end${names('r.')}
  from ok, ${refusedWhen === undefined ? source : `${table}_rows r`}
  on conflict (scope, key) do update set owner = excluded.owner, version = excluded.version, prev = -excluded.prev,
    released = excluded.released, body = excluded.body, changed = excluded.changed,
    released_at = excluded.released_at${extra.map((name) => `, ${name} = excluded.${name}`).join('')}
  where case when excluded.prev = 0 then t.released else not t.released and t.version = -excluded.prev end
  returning t.prev
)`;
}

const logText = (next: Next): string => `logged as (
  insert into log (scope, shard, epoch, n, operation, what, who, at, changes, messages)
  select r.scope, r.shard, r.epoch, r.n, r.operation, r.what, r.who, r.at, r.changes::jsonb, r.messages::jsonb
  from ok, unnest(${next('text[]')}, ${next('int4[]')}, ${next('int8[]')}, ${next('int8[]')}, ${next('text[]')}, ${next('text[]')},
    ${next('text[]')}, ${next('timestamptz[]')}, ${next('text[]')}, ${next('text[]')})
    as r (scope, shard, epoch, n, operation, what, who, at, changes, messages)
)`;

/** A plain insert: a key that has an outcome already refuses the group. */
const outcomesText = (next: Next): string => `replied as (
  insert into idempotency (identity, key, request, operation, reply, at)
  select r.identity, r.key, r.request, r.operation, r.reply, r.at
  from ok, unnest(${next('text[]')}, ${next('text[]')}, ${next('text[]')}, ${next('text[]')}, ${next('text[]')}, ${next('timestamptz[]')})
    as r (identity, key, request, operation, reply, at)
)`;

/** The text for groups that write exactly these tables, in the order of {@link tableNames}, with or without outcomes. */
export function groupText(tables: readonly TableName[], hasOutcomes = false): string {
  const next = numbering();
  const parts = [
    fenceText(next),
    `grouped as (insert into commit_group (id, outcome, at) select ${next('text')}, 'done', clock_timestamp() from ok)`,
    ...tables.map((table) => tableText(table, next)),
    logText(next),
    ...(hasOutcomes ? [outcomesText(next)] : []),
  ];
  const written = tables.map((table) => `(select count(*) from ${table}_written where prev >= 0)`);
  const rules = tables.flatMap((table) => entityOf(table).refusedWhen?.(`${table}_rows`) ?? []);
  const count = [`${['0', ...written].join(' + ')} = ${next('int8')}`, ...rules.map((rule) => `not ${rule}`)].join(
    '\n    and ',
  );
  // Dividing by zero is how a statement refuses itself in both dialects: then not even the good rows are written.
  return `with ${parts.join(',\n')}
select (select count(*) from ok)::int4 as held,
  1 / (case when (select count(*) from ok) = 0 or (${count}) then 1 else 0 end) as whole`;
}

const texts = new Map<string, string>();

function cachedText(tables: readonly TableName[], hasOutcomes: boolean): string {
  const name = hasOutcomes ? `${tables.join()}+` : tables.join();
  let text = texts.get(name);
  if (text === undefined) texts.set(name, (text = groupText(tables, hasOutcomes)));
  return text;
}

function tableParameters(entity: AnyEntity, changes: readonly Change[], body: (value: object) => string): unknown[] {
  const common: Element[][] = [[], [], [], [], []];
  const jsons: (string | null)[] = [];
  const columns: Element[][] = entity.columns.map(() => []);
  // Releases first: what one row gives up, another one of the same group may take (unique indexes look at every row).
  for (const released of [true, false]) {
    for (const change of changes) {
      if ((change.value === null) !== released) continue;
      common[0]!.push(change.scope);
      common[1]!.push(change.key);
      common[2]!.push(change.owner);
      common[3]!.push(change.version);
      common[4]!.push(change.prev);
      jsons.push(change.value === null ? null : body(change.value));
      const values = change.value === null ? [] : entity.values(change.value, change.key);
      for (let i = 0; i < columns.length; i++) columns[i]!.push(values[i] ?? null);
    }
  }
  return [...common.map(arrayLiteral), jsonsLiteral(jsons), ...columns.map(arrayLiteral)];
}

/** JSON of a value, made once however often the group holds the same object: in its rows and in its log entries. */
function bodies(): (value: object) => string {
  const made = new Map<object, string>();
  return (value) => {
    let json = made.get(value);
    if (json === undefined) made.set(value, (json = JSON.stringify(value)));
    return json;
  };
}

function changeText(
  { table, scope, key, owner, prev, version, value }: Change,
  body: (value: object) => string,
): string {
  const head = JSON.stringify({ table, scope, key, owner, prev, version });
  return `${head.slice(0, -1)},"value":${value === null ? 'null' : body(value)}}`;
}

/** Times as the server reads them; those of a group are mostly one. */
function timesLiteral(times: readonly number[]): string {
  let last = NaN;
  let text = '';
  return arrayLiteral(
    times.map((atMs) => {
      if (atMs !== last) text = new Date((last = atMs)).toISOString();
      return text;
    }),
  );
}

function logParameters(group: Group, body: (value: object) => string): unknown[] {
  const { entries } = group;
  return [
    ...[
      entries.map((entry) => entry.scope),
      entries.map((entry) => entry.shard),
      entries.map((entry) => entry.epoch),
      entries.map((entry) => entry.n),
      entries.map((entry) => entry.operation),
      entries.map((entry) => entry.what),
      entries.map((entry) => entry.who),
    ].map(arrayLiteral),
    timesLiteral(entries.map((entry) => entry.atMs)),
    jsonsLiteral(entries.map((entry) => `[${entry.changes.map((change) => changeText(change, body)).join()}]`)),
    jsonsLiteral(entries.map(({ messages }) => (messages.length === 0 ? null : JSON.stringify(messages)))),
  ];
}

function outcomeParameters({ outcomes }: Group): unknown[] {
  if (outcomes.length === 0) return [];
  return [
    arrayLiteral(outcomes.map(({ identity }) => identity)),
    arrayLiteral(outcomes.map(({ key }) => key)),
    arrayLiteral(outcomes.map(({ request }) => request)),
    arrayLiteral(outcomes.map(({ operation }) => operation)),
    jsonsLiteral(outcomes.map(({ reply }) => JSON.stringify(reply ?? null))),
    timesLiteral(outcomes.map(({ atMs }) => atMs)),
  ];
}

/** Text and parameters of a group. Throws a RangeError when a record holds what no column can. */
export function groupStatement(group: Group): Statement {
  const byTable = new Map<TableName, Change[]>();
  for (const change of group.changes) {
    const changes = byTable.get(change.table);
    if (changes === undefined) byTable.set(change.table, [change]);
    else changes.push(change);
  }
  const tables = tableNames.filter((table) => byTable.has(table));
  const body = bodies();
  return {
    text: cachedText(tables, group.outcomes.length > 0),
    parameters: [
      ...fenceParameters(group.fences),
      group.id,
      ...tables.flatMap((table) => tableParameters(entityOf(table), byTable.get(table)!, body)),
      ...logParameters(group, body),
      ...outcomeParameters(group),
      group.changes.length,
    ],
  };
}
