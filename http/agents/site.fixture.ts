// A site that answers asks from a table, for tests of the rims.
import { notFound, unavailable, type Refusal } from '../../actors/refusal.ts';
import type { LogEntry, RowFilter } from '../../actors/ports.ts';
import type { Row, TableName } from '../../actors/records.ts';
import type { DirectoryEntities, DirectoryKind } from '../../actors/directory/record.ts';
import type { Site } from '../site.ts';

/** One ask as the rim sent it. */
export interface Asked {
  to: string;
  command: string;
  body: unknown;
  who: string;
}

export type AnswerTo = (asked: Asked) => unknown;

export interface FakeSite extends Site {
  asked: Asked[];
  /** What asks are answered with; may be replaced at any time. */
  answer: AnswerTo;
  commit(entry: Partial<LogEntry>): void;
  listeners(): number;
}

type Directory = { [K in DirectoryKind]?: Array<DirectoryEntities[K]> };

export interface FakeSiteOptions {
  answer?: AnswerTo;
  directory?: Directory;
  rows?: Row[];
  machines?: Record<string, string>;
  switches?: Record<string, string>;
  networks?: Record<string, string>;
  addresses?: Record<string, { network: string; partition: string; holder: 'network' | 'block' }>;
  hosted?: string[];
  superUserPassword?: string;
  passwordReasonMinLength?: number;
  /** Answers of the other sites by kind. */
  others?: (kind: string, body: unknown) => Map<string, unknown>;
}

const matches = (row: Row, filter: RowFilter): boolean =>
  (filter.scopes?.includes(row.scope) ?? true) &&
  (filter.keys?.includes(row.key) ?? true) &&
  (filter.owners?.includes(row.owner) ?? true) &&
  (filter.project === undefined || (row.value as { project?: string }).project === filter.project);

export const fakeSite = (options: FakeSiteOptions = {}): FakeSite => {
  const listeners = new Set<(entry: LogEntry) => void>();
  const hosted = options.hosted ?? ['p1'];
  const directory = options.directory ?? {};
  const asked: Asked[] = [];
  const listOf = <K extends DirectoryKind>(kind: K): Array<DirectoryEntities[K]> =>
    (directory[kind] ?? []) as Array<DirectoryEntities[K]>;
  const key = 'test-key';
  const site = {
    id: 's1',
    config: {
      hmac: {
        'Metal-View': { key, lifetimeMs: 30_000 },
        'Metal-Edit': { key, lifetimeMs: 30_000 },
        'Metal-Admin': { key, lifetimeMs: 90_000 },
      },
      providerTenant: 'metal-stack',
      version: 'v0.1.0',
      minClientVersion: 'v0.18.0',
      passwordReasonMinLength: options.passwordReasonMinLength ?? 0,
      superUserPassword: options.superUserPassword ?? '',
      probeAllow: [],
      basePath: '/',
    },
    wallMs: () => Date.now(),
    uuid: () => crypto.randomUUID(),
    async ask(
      to: { scope: string; kind: string; id: string },
      command: string,
      body: unknown,
      { who }: { who: string },
    ) {
      const one: Asked = { to: `${to.scope}/${to.kind}/${to.id}`, command, body, who };
      asked.push(one);
      const reply = await site.answer(one);
      return reply === undefined ? (notFound(`nothing answers ${one.to} ${command}`) satisfies Refusal) : reply;
    },
    rows: {
      rows: (table: TableName, filter: RowFilter = {}) =>
        Promise.resolve((options.rows ?? []).filter((row) => row.table === table && matches(row, filter))),
      countByOwner: () => Promise.resolve(new Map()),
    },
    directory: {
      get: (kind: DirectoryKind, id: string) => listOf(kind).find((entity) => entity.id === id),
      entry: () => undefined,
      list: listOf,
    },
    places: {
      machine: (id: string) => options.machines?.[id],
      switch: (id: string) => options.switches?.[id],
      network: (id: string) => {
        const partition = options.networks?.[id];
        return partition === undefined ? undefined : { partition, home: 's1' };
      },
      address: (text: string) => options.addresses?.[text],
      partition: (id: string) => (hosted.includes(id) ? 's1' : undefined),
      hosted: () => hosted,
    },
    federation: {
      others: () => [...(options.others?.('', {}) ?? new Map()).keys()],
      askOthers: (kind: string, body: unknown) => Promise.resolve(options.others?.(kind, body) ?? new Map()),
      propose: () => Promise.resolve(undefined),
      settle: () => Promise.resolve(),
      spread: () => Promise.resolve(),
    },
    health: () => Promise.resolve({ status: 'healthy', message: '', services: {} }),
    onCommitted(listener: (entry: LogEntry) => void) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    onBusMessage: () => () => undefined,
    host: () => Promise.resolve(),
    asked,
    answer: options.answer ?? (() => unavailable('no answer was prepared')),
    commit(entry: Partial<LogEntry>) {
      const whole: LogEntry = {
        scope: 'partition:p1',
        shard: 0,
        epoch: 1,
        n: 1,
        operation: 'o',
        what: 'test',
        who: 'test',
        atMs: Date.now(),
        changes: [],
        messages: [],
        ...entry,
      };
      for (const listener of listeners) listener(whole);
    },
    listeners: () => listeners.size,
  };
  return site as unknown as FakeSite;
};
