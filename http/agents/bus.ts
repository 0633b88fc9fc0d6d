// The partition-local bus, published from the log: every message at least once, in the order of its stream.
import type { BusMessage, LogCursor, LogEntry } from '../../actors/ports.ts';
import type { Report } from './caller.ts';
import { createNsqdPublisher, type NsqdAddress, type NsqdPublisher } from './nsqd.ts';
import { createTopics, isAfter, streamOf, type BusCursor, type Subscriber } from './topics.ts';

export interface BusOptions {
  /** Log entries after the saved cursors, as `SiteStore.backlog('bus', { messagesOnly: true }, each)` gives them. */
  backlog: (each: (entries: LogEntry[]) => Promise<void>) => Promise<void>;
  /** `SiteStore.saveCursors('bus', cursors)`. */
  saveCursors: (cursors: LogCursor[]) => Promise<void>;
  /** Absent: the bus of this process only, which keeps messages for `retentionMs`. */
  nsqd?: NsqdAddress | undefined;
  /** Default: ten minutes. A message that nobody fetched by then is out of date anyhow (W25). */
  retentionMs?: number;
  /** How often cursors are saved; default 5 s. */
  saveEveryMs?: number;
  wallMs?: () => number;
  /** Each message once it is published; for `Site.onBusMessage`. */
  onMessage?: (message: BusMessage) => void;
  report?: Report;
}

export interface Bus {
  /** Every committed entry, with messages or without, in order per stream. Never throws, never waits. */
  publish(entry: LogEntry): void;
  /** Listens to a topic of the in-process bus, after `from`, or from now on. */
  subscribe(topic: string, from: BusCursor | null, subscriber: Subscriber): () => void;
  state(): { isCatchingUp: boolean; held: number; waiting: number; nsqd: 'connected' | 'disconnected' | 'none' };
  /** Publishes what waits (at most a second), saves how far it got, ends subscriptions. */
  stop(): Promise<void>;
}

const TEN_MINUTES_MS = 600_000;
/** Messages for nsqd and entries during a catch-up beyond this are left to the log, which has them anyway. */
const MOST_WAITING = 10_000;
const RETRY_MS = 1_000;

/** One stream of the log: what is seen, and how far everything is done. */
interface Lane {
  seen: LogCursor;
  /** Everything up to here is done. */
  done: LogCursor | undefined;
  open: { cursor: LogCursor; isDone: boolean }[];
}

const createLanes = () => {
  const lanes = new Map<string, Lane>();
  return {
    /** false: seen before. */
    see(cursor: LogCursor, isDone: boolean): (() => void) | false {
      const known = lanes.get(streamOf(cursor));
      if (known && !isAfter(cursor, known.seen)) return false;
      const lane = known ?? { seen: cursor, done: undefined, open: [] };
      lane.seen = cursor;
      lanes.set(streamOf(cursor), lane);
      const last = lane.open.at(-1);
      // Entries without messages only move the mark, so a stuck message does not collect them.
      if (isDone && last?.isDone) last.cursor = cursor;
      const one = isDone && last?.isDone ? last : { cursor, isDone };
      if (one !== last) lane.open.push(one);
      const settle = (): void => {
        one.isDone = true;
        while (lane.open[0]?.isDone) lane.done = lane.open.shift()!.cursor;
      };
      if (isDone) settle();
      return settle;
    },
    done: (): LogCursor[] => [...lanes.values()].flatMap(({ done }) => done ?? []),
  };
};

export const createBus = (options: BusOptions): Bus => {
  const { backlog, saveCursors, onMessage, report = () => undefined, wallMs = Date.now } = options;
  const { retentionMs = TEN_MINUTES_MS, saveEveryMs = 5_000 } = options;
  const topics = createTopics(wallMs, retentionMs);
  const nsqd: NsqdPublisher | undefined = options.nsqd && createNsqdPublisher(options.nsqd, report);
  const lanes = createLanes();
  /** Without nsqd an entry is done when it is too old to be fetched. */
  const ageing: { atMs: number; settle: () => void }[] = [];
  let held: LogEntry[] = [];
  let missed = false;
  let isCatchingUp = false;
  let isStopped = false;
  const goesOn = (): boolean => !isStopped;

  const accept = (entry: LogEntry): void => {
    const { scope, shard, epoch, n, messages, atMs } = entry;
    const settle = lanes.see({ scope, shard, epoch, n }, messages.length === 0);
    if (settle === false || messages.length === 0) return;
    topics.add(entry);
    let left = messages.length;
    for (const message of messages) {
      nsqd?.publish(message.topic, message.body, () => --left === 0 && settle());
      onMessage?.(message);
    }
    if (!nsqd) ageing.push({ atMs, settle });
  };

  let saved = '';
  const save = async (): Promise<void> => {
    const before = wallMs() - retentionMs;
    topics.age();
    while (ageing[0] && ageing[0].atMs < before) ageing.shift()!.settle();
    const cursors = lanes.done();
    const text = JSON.stringify(cursors);
    if (cursors.length === 0 || text === saved) return;
    await saveCursors(cursors);
    saved = text;
  };

  /** From the saved cursors through the log to what is published now. */
  const catchUp = async (): Promise<void> => {
    isCatchingUp = true;
    do {
      missed = false;
      try {
        await nsqd?.roomFor(MOST_WAITING / 2);
        await save();
        await backlog(async (entries) => {
          for (const entry of entries) accept(entry);
          await nsqd?.roomFor(MOST_WAITING / 2);
        });
      } catch (error) {
        missed = true;
        report('the bus could not read the log', { error: String(error) });
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS).unref());
      }
      const entries = held;
      held = [];
      // What came meanwhile may lie behind something that was missed: then the log is read once more instead.
      if (!missed) for (const entry of entries) accept(entry);
    } while (missed && goesOn());
    isCatchingUp = false;
    topics.begin();
  };
  void catchUp();

  let saving = Promise.resolve();
  const saver = setInterval(() => {
    saving = save().catch((error: unknown) => report('bus cursors could not be saved', { error: String(error) }));
  }, saveEveryMs);
  saver.unref();

  return {
    publish(entry) {
      if (isStopped) return;
      if (!isCatchingUp && (nsqd?.waiting() ?? 0) < MOST_WAITING) return accept(entry);
      if (!isCatchingUp) void catchUp();
      if (held.length < MOST_WAITING) held.push(entry);
      else missed = true;
    },
    subscribe(topic, from, subscriber) {
      const leave = topics.subscribe(topic, from, subscriber);
      // Else older ones are still read, and the place of the newcomer is known when they are.
      if (!isCatchingUp) topics.begin();
      return leave;
    },
    state: () => ({
      isCatchingUp,
      held: held.length,
      waiting: nsqd?.waiting() ?? 0,
      nsqd: nsqd === undefined ? 'none' : nsqd.isConnected() ? 'connected' : 'disconnected',
    }),
    async stop() {
      isStopped = true;
      clearInterval(saver);
      topics.end();
      await nsqd?.stop();
      await saving;
      await save().catch(() => undefined);
    },
  };
};
