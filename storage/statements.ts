import { COLUMNS } from './backup/catalogue.ts';
import { CLEAR_MARK, MARK, SET_MARK } from './backup/mark.ts';
import { BEGIN_ABOVE, END_STREAMS, ENDS, EPOCHS, LIFT } from './backup/standing.ts';
import { ABANDON, OUTCOME } from './commit.ts';
import { tableNames } from './entity/entities.ts';
import { PROVEN, scanText } from './excerpt.ts';
import { COUNTS, ENDED_STREAMS, LEASES, MEMBER_URLS, MIGRATIONS, NEWEST_OUTCOMES, OPEN_STREAMS } from './inspection.ts';
import { ACQUIRE, HOLDER, RELEASE, RENEW } from './lease.ts';
import { loadText, PACKED } from './loading.ts';
import { CURSORS, ENTRIES, ENTRIES_WITH_MESSAGES, SAVE_CURSORS, STREAMS } from './log.ts';
import { APPLIED, MIGRATION_TABLE, readMigrations, RECORD } from './migrate.ts';
import { NEXT_EPOCHS, RAISE, TAKE_OVER } from './ownership.ts';
import { FIND_OUTCOMES } from './outcome.ts';
import { READ_GROWTH, SWEEP_GROWTH, TAKEN_ADDRESSES, TAKEN_PREFIXES, WRITE_GROWTH } from './growth.ts';
import { FIND_DONE, FIND_TRACES, SWEEP_TRACES, WRITE_TRACES } from './trace.ts';
import { COUNT_HELD, countByOwnerText, countStatement, HOSTED, keysText, readStatement } from './reader.ts';
import { groupText } from './statement.ts';
import {
  ALL_CURSORS,
  LAST_ENTRY,
  SWEEP_END,
  SWEEP_ENTRIES,
  SWEEP_GROUPS,
  SWEEP_OUTCOMES,
  sweepRowsText,
} from './sweep.ts';

/** Every text that storage sends to a database, migrations included: for parsers and `explain`. */
export const allStatements = (): string[] => [
  ...readMigrations().flatMap((migration) => migration.statements),
  MIGRATION_TABLE,
  APPLIED,
  RECORD,
  PACKED,
  loadText(['ip'], 'owner', true),
  ABANDON,
  OUTCOME,
  NEXT_EPOCHS,
  RAISE,
  TAKE_OVER,
  ACQUIRE,
  RENEW,
  HOLDER,
  RELEASE,
  CURSORS,
  ENTRIES,
  ENTRIES_WITH_MESSAGES,
  SAVE_CURSORS,
  STREAMS,
  HOSTED,
  ALL_CURSORS,
  LAST_ENTRY,
  SWEEP_END,
  SWEEP_ENTRIES,
  SWEEP_GROUPS,
  SWEEP_OUTCOMES,
  FIND_OUTCOMES,
  LEASES,
  OPEN_STREAMS,
  NEWEST_OUTCOMES,
  ENDED_STREAMS,
  MIGRATIONS,
  MEMBER_URLS,
  COUNTS,
  COLUMNS,
  EPOCHS,
  ENDS,
  END_STREAMS,
  LIFT,
  BEGIN_ABOVE,
  MARK,
  SET_MARK,
  CLEAR_MARK,
  WRITE_TRACES,
  FIND_TRACES,
  FIND_DONE,
  SWEEP_TRACES,
  WRITE_GROWTH,
  READ_GROWTH,
  SWEEP_GROWTH,
  TAKEN_ADDRESSES,
  TAKEN_PREFIXES,
  COUNT_HELD,
  groupText([]),
  ...tableNames.map((table) => groupText([table])),
  groupText(tableNames),
  groupText(tableNames, true),
  ...(['owner', 'key'] as const).map((by) => loadText(tableNames, by)),
  PROVEN,
  ...(['machine', 'allocation', 'provisioning', 'switch', 'switch_port', 'network'] as const).map(scanText),
  ...tableNames.flatMap((table) => [
    sweepRowsText(table),
    countByOwnerText(table),
    keysText(table),
    readStatement(table, {}).text,
    readStatement(table, { owners: [], keys: [] }).text,
    readStatement(table, { scopes: [], owners: [], keys: [] }).text,
  ]),
  ...(['ip', 'allocation', 'network'] as const).flatMap((table) => [
    readStatement(table, { project: '' }).text,
    countStatement(table, { scopes: [], project: '' }).text,
  ]),
  readStatement('ip', { addresses: [] }).text,
  readStatement('ip', { scopes: [], standing: [] }).text,
];
