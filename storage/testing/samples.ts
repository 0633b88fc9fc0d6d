// Rows and groups for the tests of a store.
import { randomUUID } from 'node:crypto';
import type { Scope } from '../../actors/address.ts';
import type { Excerpt, ExcerptedTable } from '../../actors/excerpt.ts';
import type {
  CommitOutcome,
  Fence,
  Group,
  KeyedOutcome,
  LogEntry,
  PackedAddresses,
  Resolution,
  RowKey,
  RowsOf,
  ShardStore,
} from '../../actors/ports.ts';
import type { Change, ChangeOf, Row } from '../../actors/records.ts';
import type { ClaimRecord } from '../../actors/registry/record.ts';
import type { IpRecord } from '../../actors/network/record.ts';
import type { Refusal } from '../../actors/refusal.ts';

let scopes = 0;
/** A scope that no other test uses. */
export const freshScope = (): Scope => `partition:t${++scopes}-${randomUUID().slice(0, 8)}`;

export const ipRecord = (network: string, address: string, more: Partial<IpRecord> = {}): IpRecord => ({
  address,
  uuid: randomUUID(),
  network,
  project: 'project-a',
  name: 'a "quoted" \\ name, {braced} ü',
  description: '',
  type: 'ephemeral',
  tags: ['color=red'],
  machines: [],
  prefix: '10.0.0.0/8',
  created: 1_700_000_000_000,
  changed: 1_700_000_000_000,
  ...more,
});

/** An address of a network that only this scope has; give `value` for one that several have. */
export const ipChange = (
  scope: Scope,
  network: string,
  address: string,
  more: Partial<ChangeOf<'ip'>> = {},
): ChangeOf<'ip'> => ({
  table: 'ip',
  scope,
  key: `${network}|${address}`,
  owner: network,
  prev: 0,
  version: 1,
  value: ipRecord(`${network} of ${scope}`, address),
  ...more,
});

export const poolChange = (scope: Scope, pool: 'vrf' | 'asn', number: number, owner: string): ChangeOf<'pool'> => ({
  table: 'pool',
  scope,
  key: `${pool}|${number}`,
  owner,
  prev: 0,
  version: 1,
  value: { pool, number, owners: [owner], shared: false, elected: null },
});

/** A child of a super network's prefix, or (`cidr` is `root`) that prefix itself. */
export const prefixChange = (
  scope: Scope,
  root: string,
  cidr: string,
  more: { prev?: number; version?: number } = {},
): Change => ({
  table: 'prefix',
  scope,
  key: cidr,
  owner: 'super',
  prev: 0,
  version: 1,
  value: { cidr, network: `net ${cidr}`, root },
  ...more,
});

/** A claimed prefix, as the site's registry keeps it. */
export const claimChange = (
  scope: Scope,
  value: string,
  state: ClaimRecord['state'],
  holder: string,
  more: Partial<ChangeOf<'claim'>> = {},
): ChangeOf<'claim'> => ({
  table: 'claim',
  scope,
  key: `prefix|${value}`,
  owner: 'site',
  prev: 0,
  version: 1,
  value: { what: 'prefix', value, holder, site: 'site', state, h: 'h' },
  ...more,
});

/** A block that a partition holds of a global network. */
export const holdingChange = (scope: Scope, network: string, state: 'held' | 'returning', prev = 0): Change => ({
  table: 'holding',
  scope,
  key: `${network}|203.0.113.0`,
  owner: network,
  prev,
  version: prev + 1,
  value: { network, first: '203.0.113.0', length: 28, prefix: '203.0.113.0/24', h: 'h1', state },
});

export const entryOf = (fence: Fence, n: number, changes: Change[], more: Partial<LogEntry> = {}): LogEntry => ({
  ...fence,
  n,
  operation: randomUUID(),
  what: 'network.acquire',
  who: 'somebody@example.com',
  atMs: 1_700_000_000_000 + n,
  changes,
  messages: [],
  ...more,
});

/** A group that writes the changes, with one log entry in the stream of the first fence if a number is given. */
export const groupOf = (fences: Fence[], changes: Change[], n?: number, more: Partial<LogEntry> = {}): Group => ({
  id: randomUUID(),
  fences,
  changes,
  entries: n === undefined ? [] : [entryOf(fences[0]!, n, changes, more)],
  outcomes: [],
});

/** What a request with an Idempotency-Key came to. */
export const outcomeOf = (more: Partial<KeyedOutcome> = {}): KeyedOutcome => ({
  identity: 'tenant/somebody@example.com',
  key: randomUUID(),
  request: 'POST /v1/ip/allocate abc',
  operation: randomUUID(),
  reply: { address: '10.0.0.1', name: 'a "quoted" \\ name, {braced} ü', tags: [], meta: null },
  atMs: Date.now(),
  ...more,
});

export interface AskedStore {
  commit(group: Group): Promise<CommitOutcome>;
  resolve(id: string): Promise<Resolution>;
  raise(held: Fence[]): Promise<Fence[] | Refusal>;
  load(scope: Scope, wanted: RowsOf[], fences: Fence[]): Promise<Row[] | Refusal>;
  loadPacked(
    scope: Scope,
    wanted: RowsOf[],
    fences: Fence[],
  ): Promise<{ rows: Row[] | Refusal; packed: PackedAddresses[] }>;
  fetch(scope: Scope, wanted: RowKey[], fences: Fence[]): Promise<Row[] | Refusal>;
  scan(
    scope: Scope,
    tables: ExcerptedTable[],
    fences: Fence[],
    each: (excerpts: Excerpt[]) => void,
  ): Promise<Refusal | undefined>;
}

/** The callbacks of a store as promises; a second answer fails the process. */
export function asked(store: ShardStore): AskedStore {
  const once = <T>(ask: (done: (answer: T) => void) => void): Promise<T> =>
    new Promise((resolve) => {
      let answers = 0;
      ask((answer) => {
        if (++answers > 1) throw new Error('the store answered twice');
        resolve(answer);
      });
    });
  return {
    commit: (group) => once((done) => store.commit(group, done)),
    resolve: (id) => once((done) => store.resolve(id, done)),
    raise: (held) => once((done) => store.raise(held, done)),
    load: (scope, wanted, fences) => once((done) => store.load(scope, wanted, fences, (rows) => done(rows))),
    loadPacked: (scope, wanted, fences) =>
      once((done) => store.load(scope, wanted, fences, (rows, packed) => done({ rows, packed }))),
    fetch: (scope, wanted, fences) => once((done) => store.fetch(scope, wanted, fences, done)),
    scan: (scope, tables, fences, each) => once((done) => store.scan(scope, tables, fences, each, done)),
  };
}
