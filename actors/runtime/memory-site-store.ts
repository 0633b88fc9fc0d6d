// The main thread's side of a database in memory (actors/ports.ts, SiteStore).
import { siteScope } from '../address.ts';
import { parseAddress, type Family } from '../ipam/address.ts';
import type { IpRecord } from '../network/record.ts';
import { standingOf, type Standing } from '../network/standing.ts';
import type { LeaseHolder, LogCursor, LogEntry, RowFilter, SiteStore } from '../ports.ts';
import type { Row, TableName } from '../records.ts';
import { jsonCopy } from './json-copy.ts';
import type { StoreWay } from './memory-store.ts';
import type { StoreModel } from './store-model.ts';

/** What all processes of a site see of it besides the rows. */
export interface SiteTables {
  readonly leases: Map<string, LeaseHolder & { expiresMs: number }>;
  /** consumer → stream → cursor */
  readonly cursors: Map<string, Map<string, LogCursor>>;
}

export const createSiteTables = (): SiteTables => ({ leases: new Map(), cursors: new Map() });

export interface MemorySiteOptions {
  model: StoreModel;
  tables: SiteTables;
  way: StoreWay;
  /** The clock of the server. */
  nowMs(): number;
  /** Whether a pid of this host lives. Default: all do. */
  isAlive?(pid: number): boolean;
}

interface Stream {
  scope: LogCursor['scope'];
  shard: number;
  epoch: number;
  ended: boolean;
}

const PORTION = 500;

/** As the adapter of the servers fails. */
const away = (): Error =>
  Object.assign(new Error('the database does not answer'), { name: 'StatementFailure', kind: 'unsent' });
const streamOf = (at: { scope: string; shard: number }): string => `${at.shard}/${at.scope}`;

const withProject = new Set<TableName>(['ip', 'allocation', 'network']);

function refuseFilter(table: TableName, field: string, tables: string): never {
  throw new RangeError(`filter.${field}: ${table} has no such column, only ${tables}`);
}

const addressName = (text: string): string | undefined => {
  const parsed = parseAddress(text);
  return parsed && `${parsed.family}${parsed.value}`;
};

function selected(rows: readonly Row[], table: TableName, filter: RowFilter): Row[] {
  if (filter.project !== undefined && !withProject.has(table))
    refuseFilter(table, 'project', 'ip, allocation and network');
  if (filter.addresses !== undefined && table !== 'ip') refuseFilter(table, 'addresses', 'ip');
  const addresses = filter.addresses && new Set(filter.addresses.map(addressName));
  return rows.filter((row) => {
    const value = row.value as { project?: string; address?: string };
    return (
      (filter.scopes?.includes(row.scope) ?? true) &&
      (filter.owners?.includes(row.owner) ?? true) &&
      (filter.keys?.includes(row.key) ?? true) &&
      (filter.project === undefined || value.project === filter.project) &&
      (filter.standing === undefined || filter.standing.includes(standingOf(row.value as IpRecord) as Standing)) &&
      (addresses === undefined || addresses.has(addressName(value.address ?? '') ?? ''))
    );
  });
}

const plain = ({ table, scope, key, owner, version, value }: Row): Row =>
  ({ table, scope, key, owner, version, value: jsonCopy(value) }) as Row;

/** How far a consumer got in a stream: all of it when its cursor names a later epoch of the same shard. */
function passed(stream: Stream, cursor: LogCursor | undefined): number {
  if (cursor === undefined || cursor.epoch < stream.epoch) return 0;
  return cursor.epoch > stream.epoch ? Number.MAX_SAFE_INTEGER : cursor.n;
}

export function createMemorySiteStore(options: MemorySiteOptions): SiteStore {
  const { model, tables, way, nowMs, isAlive = () => true } = options;
  let lastHeld: LeaseHolder | undefined;

  const call = <A>(execute: () => A): Promise<A> =>
    new Promise((resolve, reject) => {
      const { thereMs, backMs, fault } = way.fate('site');
      const failed = (): void => reject(away());
      if (fault === 'unsent' || fault === 'lost before') return way.back(thereMs + backMs, failed);
      way.at(thereMs, () => {
        if (way.isDown()) return way.back(backMs, failed);
        try {
          const answer = execute();
          way.back(backMs, fault === undefined ? () => resolve(answer) : failed);
        } catch (error) {
          way.back(backMs, () => reject(error as Error));
        }
      });
    });

  const streams = (): Stream[] =>
    [
      ...model.ends.map(({ scope, shard, epoch }) => ({ scope, shard, epoch, ended: true })),
      ...[...model.epochs].map(([name, epoch]) => {
        const split = name.lastIndexOf('/');
        const scope = name.slice(0, split) as Stream['scope'];
        return { scope, shard: Number(name.slice(split + 1)), epoch, ended: false };
      }),
    ].sort((a, b) => (a.scope < b.scope ? -1 : a.scope > b.scope ? 1 : 0) || a.epoch - b.epoch || a.shard - b.shard);
  const cursorsOf = (consumer: string): Map<string, LogCursor> => tables.cursors.get(consumer) ?? new Map();
  const entriesOf = ({ scope, shard, epoch }: Stream): LogEntry[] =>
    model.log
      .filter((entry) => entry.scope === scope && entry.shard === shard && entry.epoch === epoch)
      .sort((a, b) => a.n - b.n);

  function sweepLog(before: number): number {
    let swept = 0;
    for (const stream of streams()) {
      const entries = entriesOf(stream);
      const last = entries.at(-1)?.n ?? 0;
      const positions = [...tables.cursors.values()].map((cursors) => passed(stream, cursors.get(streamOf(stream))));
      const upTo = Math.min(stream.ended ? last : last - 1, ...positions);
      const gone = new Set(entries.filter(({ n, atMs }) => n <= upTo && atMs < before));
      if (gone.size === 0) continue;
      swept += gone.size;
      const kept = model.log.filter((entry) => !gone.has(entry));
      model.log.splice(0, model.log.length, ...kept);
    }
    return swept;
  }

  return {
    acquireLease: (holder, leaseMs) =>
      call(() => {
        const now = nowMs();
        const known = tables.leases.get(holder.site);
        const isFree =
          known === undefined ||
          known.process === holder.process ||
          known.expiresMs <= now ||
          (known.host === holder.host && !isAlive(known.pid));
        if (!isFree) {
          lastHeld = undefined;
          const { expiresMs, ...other } = known;
          return { held: false, holder: other, remainingMs: Math.max(0, expiresMs - now) };
        }
        tables.leases.set(holder.site, { ...holder, expiresMs: now + leaseMs });
        lastHeld = holder;
        return { held: true, untilMs: now + leaseMs };
      }),

    renewLease: (holder, leaseMs) =>
      call(() => {
        const known = tables.leases.get(holder.site);
        if (known?.process !== holder.process) {
          lastHeld = undefined;
          if (known === undefined) return { held: false, holder: undefined };
          const { site, process, host, pid } = known;
          return { held: false, holder: { site, process, host, pid } };
        }
        known.expiresMs = nowMs() + leaseMs;
        lastHeld = holder;
        return { held: true, untilMs: known.expiresMs };
      }),

    releaseLease: (holder) => {
      lastHeld = undefined;
      return call(() => {
        if (tables.leases.get(holder.site)?.process === holder.process) tables.leases.delete(holder.site);
      });
    },

    takeOver: (scopes, shards) => {
      const holder = lastHeld;
      return call(() => {
        const lease = holder && tables.leases.get(holder.site);
        if (holder !== undefined && (lease?.process !== holder.process || lease.expiresMs <= nowMs()))
          throw new Error(`the lease of ${holder.site} ended before the takeover: acquire it again`);
        return model.takeOver(scopes, shards);
      });
    },

    hostedPartitions: (site) =>
      call(() =>
        model
          .live('directory', siteScope(site))
          .flatMap(({ value }) => {
            const entry = value as { kind: string; id: string; home: string; entity: unknown };
            return entry.kind === 'partition' && entry.home === site && entry.entity !== null ? [entry.id] : [];
          })
          .sort(),
      ),

    async backlog(consumer, { messagesOnly }, each) {
      const cursors = await call(() => new Map(cursorsOf(consumer)));
      for (const stream of await call(streams)) {
        let after = passed(stream, cursors.get(streamOf(stream)));
        if (after === Number.MAX_SAFE_INTEGER) continue;
        for (;;) {
          const from = after;
          const portion = await call(() =>
            entriesOf(stream)
              .filter(({ n, messages }) => n > from && (!messagesOnly || messages.length > 0))
              .slice(0, PORTION)
              .map(jsonCopy),
          );
          if (portion.length > 0) await each(portion);
          if (portion.length < PORTION) break;
          after = portion.at(-1)!.n;
        }
      }
    },

    saveCursors: (consumer, cursors) =>
      call(() => {
        const saved = tables.cursors.get(consumer) ?? new Map<string, LogCursor>();
        tables.cursors.set(consumer, saved);
        for (const cursor of cursors) {
          const known = saved.get(streamOf(cursor));
          const isLater =
            known === undefined || known.epoch < cursor.epoch || (known.epoch === cursor.epoch && known.n < cursor.n);
          if (isLater) saved.set(streamOf(cursor), cursor);
        }
      }),

    entriesAfter: ({ scope, shard, epoch, n }, beforeEpoch) =>
      call(() =>
        model.log
          .filter((entry) => entry.scope === scope && entry.shard === shard && entry.epoch < beforeEpoch)
          .filter((entry) => entry.epoch > epoch || (entry.epoch === epoch && entry.n > n))
          .sort((a, b) => a.epoch - b.epoch || a.n - b.n)
          .map(jsonCopy),
      ),

    findOutcome: (identity, key) =>
      call(() => {
        const found = model.outcomes.get(`${identity}\0${key}`);
        return found && jsonCopy(found);
      }),

    sweep: ({ groupMs, logMs, releasedMs, outcomeMs }) =>
      call(() => {
        const now = nowMs();
        let [groups, rows, outcomes] = [0, 0, 0];
        for (const [id, { atMs }] of model.groups) {
          if (atMs >= now - groupMs) continue;
          model.groups.delete(id);
          groups++;
        }
        for (const [name, atMs] of model.releasedAtMs) {
          if (atMs >= now - releasedMs) continue;
          model.rows.delete(name);
          rows++;
        }
        for (const [name, { atMs }] of model.outcomes) {
          if (atMs >= now - outcomeMs) continue;
          model.outcomes.delete(name);
          outcomes++;
        }
        return { groups, entries: sweepLog(now - logMs), rows, outcomes };
      }),

    rows: (table, filter = {}) =>
      call(() => selected(model.live(table), table, filter).map(plain)) as ReturnType<SiteStore['rows']> as never,

    portions: (table, filter, each) => call(() => each(selected(model.live(table), table, filter).map(plain) as never)),

    count: (table, filter) => call(() => selected(model.live(table), table, filter).length),

    countHeld: (scopes, networks) =>
      call(() => {
        const counts = new Map<string, Record<Family, number>>();
        for (const { owner, value } of selected(model.live('ip'), 'ip', { scopes, owners: networks })) {
          const standing = standingOf(value as IpRecord);
          if (standing !== null && standing !== 'lent') continue;
          const count = counts.get(owner) ?? { IPv4: 0, IPv6: 0 };
          count[parseAddress((value as IpRecord).address)!.family]++;
          counts.set(owner, count);
        }
        return counts;
      }),

    countByOwner: (table, scope) =>
      call(() => {
        const counts = new Map<string, number>();
        for (const { owner } of model.live(table, scope)) counts.set(owner, (counts.get(owner) ?? 0) + 1);
        return counts;
      }),

    ping: () => call(() => undefined),
    close: () => Promise.resolve(),
  };
}
