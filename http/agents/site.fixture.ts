// The edge's test site as the agents' rims need it: every ask answered by one function, a log to commit to, real time.
import type { LogEntry } from '../../actors/ports.ts';
import { addressText, type Address } from '../../actors/address.ts';
import type { DirectoryEntities, DirectoryKind } from '../../actors/directory/record.ts';
import { notFound, unavailable } from '../../actors/refusal.ts';
import type { AskOptions } from '../site.ts';
import { createTestSite, entryOf, type TestSite } from '../testing.ts';

/** One ask as the rim sent it. */
export interface Asked {
  to: string;
  command: string;
  body: unknown;
  who: string;
}

export interface FakeSite extends Omit<TestSite, 'asked'> {
  asked: Asked[];
  /** The options of the last ask. */
  options: AskOptions | undefined;
  /** What asks are answered with; may be replaced at any time. */
  answer: (asked: Asked) => unknown;
  commit(entry: Partial<LogEntry>): void;
  listeners(): number;
}

export interface FakeSiteOptions {
  answer?: FakeSite['answer'];
  directory?: { [K in DirectoryKind]?: Array<DirectoryEntities[K]> };
  machines?: Record<string, string>;
  hosted?: string[];
  superUserPassword?: string;
}

/** Hosts partition `p1` unless told otherwise. */
export const fakeSite = (options: FakeSiteOptions = {}): FakeSite => {
  const { directory = {}, machines = {}, hosted = ['p1'], superUserPassword = '' } = options;
  const listeners = new Set<(entry: LogEntry) => void>();
  const asked: Asked[] = [];
  const base = createTestSite();
  base.hostedNow = hosted;
  base.config.superUserPassword = superUserPassword;
  base.machinePlaces = new Map(Object.entries(machines));
  for (const [kind, entities] of Object.entries(directory)) {
    for (const entity of entities) base.entries.push(entryOf(kind as DirectoryKind, entity));
  }
  const ask = async (to: Address, command: string, body: unknown, as: AskOptions): Promise<unknown> => {
    const one: Asked = { to: addressText(to), command, body, who: as.who };
    site.options = as;
    asked.push(one);
    return (await site.answer(one)) ?? notFound(`nothing answers ${one.to} ${command}`);
  };
  // createTestSite looks its own maps up, so they are changed in place rather than copied.
  const site = Object.assign(base, {
    wallMs: () => Date.now(),
    ask: ask as TestSite['ask'],
    onCommitted(listener: (entry: LogEntry) => void) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    asked,
    options: undefined as AskOptions | undefined,
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
  });
  return site as FakeSite;
};
