// The in-process bus: the last messages of each topic, and who listens. A subscriber that comes back says how far it got.
import type { LogEntry } from '../../actors/ports.ts';

/** (epoch, n) per stream of the log, `scope/shard`. */
export type BusCursor = ReadonlyMap<string, { epoch: number; n: number }>;

/** The messages of one log entry on one topic. `id`: the cursor after them, as text. */
export interface Delivery {
  id: string;
  bodies: readonly unknown[];
}

export interface Subscriber {
  /** Where somebody begins who had no cursor: told once, before anything is delivered, so that a break then loses nothing. */
  begin(id: string): void;
  deliver(delivery: Delivery): void;
  /** Some of what came after its cursor is no longer kept. */
  gap(): void;
  /** The bus stops. */
  end(): void;
}

export interface Topics {
  add(entry: LogEntry): void;
  /** All that was written before they came is known: they are told where they begin. */
  begin(): void;
  /** `from` null: what is written from now on. Answers how to leave. */
  subscribe(topic: string, from: BusCursor | null, subscriber: Subscriber): () => void;
  /** Forgets what is older than the retention. */
  age(): void;
  end(): void;
}

const CURSOR_PART = /^([^/,]+\/\d+)\/(\d+)\/(\d+)$/;

/** The cursor of somebody who has seen nothing; not empty, since an empty one is none. */
const NOTHING_SEEN = '-';

/** `scope/shard/epoch/n`, joined by commas, or `-`; undefined when it is not of that form. */
export const parseCursor = (text: string): BusCursor | undefined => {
  const cursor = new Map<string, { epoch: number; n: number }>();
  for (const part of text === '' || text === NOTHING_SEEN ? [] : text.split(',')) {
    const match = CURSOR_PART.exec(part);
    if (!match) return undefined;
    cursor.set(match[1]!, { epoch: Number(match[2]), n: Number(match[3]) });
  }
  return cursor;
};

export const formatCursor = (cursor: BusCursor): string =>
  [...cursor]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([stream, { epoch, n }]) => `${stream}/${epoch}/${n}`)
    .join(',') || NOTHING_SEEN;

interface Position {
  epoch: number;
  n: number;
}

export const streamOf = ({ scope, shard }: { scope: string; shard: number }): string => `${scope}/${shard}`;
export const isAfter = (a: Position, b: Position | undefined): boolean =>
  b === undefined || a.epoch > b.epoch || (a.epoch === b.epoch && a.n > b.n);

interface Kept extends Delivery, Position {
  stream: string;
  atMs: number;
}

interface Listening {
  subscriber: Subscriber;
  seen: Map<string, Position>;
  sinceMs: number;
  hasBegun: boolean;
}

interface Topic {
  kept: Kept[];
  position: Map<string, Position>;
  /** Newest that is no longer kept, by stream. */
  forgotten: Map<string, Position>;
  listening: Set<Listening>;
}

const offer = (one: Listening, kept: Kept): void => {
  if (kept.atMs < one.sinceMs || !isAfter(kept, one.seen.get(kept.stream))) return;
  one.seen.set(kept.stream, kept);
  one.hasBegun = true;
  one.subscriber.deliver(kept);
};

/** Keeps at most `most` entries a topic, for at most `retentionMs` since they were written. */
export const createTopics = (wallMs: () => number, retentionMs: number, most = 10_000): Topics => {
  const topics = new Map<string, Topic>();

  const topicOf = (name: string): Topic => {
    const known = topics.get(name);
    if (known) return known;
    const made: Topic = { kept: [], position: new Map(), forgotten: new Map(), listening: new Set() };
    topics.set(name, made);
    return made;
  };

  const forget = (topic: Topic, count: number): void => {
    for (const { stream, epoch, n } of topic.kept.splice(0, count)) topic.forgotten.set(stream, { epoch, n });
  };

  return {
    add({ scope, shard, epoch, n, atMs, messages }) {
      const stream = streamOf({ scope, shard });
      for (const name of new Set(messages.map(({ topic }) => topic))) {
        const topic = topicOf(name);
        topic.position.set(stream, { epoch, n });
        if (atMs < wallMs() - retentionMs) {
          topic.forgotten.set(stream, { epoch, n });
          continue;
        }
        const bodies = messages.filter((message) => message.topic === name).map(({ body }) => body);
        const kept: Kept = { stream, epoch, n, atMs, bodies, id: formatCursor(topic.position) };
        topic.kept.push(kept);
        if (topic.kept.length > most) forget(topic, topic.kept.length - most);
        for (const one of topic.listening) offer(one, kept);
      }
    },
    begin() {
      for (const { listening, position } of topics.values()) {
        for (const one of listening) {
          if (one.hasBegun) continue;
          one.hasBegun = true;
          one.subscriber.begin(formatCursor(position));
        }
      }
    },
    subscribe(name, from, subscriber) {
      const topic = topicOf(name);
      const isNew = from === null;
      const one: Listening = {
        subscriber,
        seen: new Map(from ?? []),
        sinceMs: isNew ? wallMs() : 0,
        hasBegun: !isNew,
      };
      topic.listening.add(one);
      if (from !== null) {
        const lacks = [...topic.forgotten].some(([stream, position]) => isAfter(position, one.seen.get(stream)));
        if (lacks) subscriber.gap();
        for (const kept of topic.kept) offer(one, kept);
      }
      return () => {
        topic.listening.delete(one);
        if (topic.listening.size === 0 && topic.position.size === 0) topics.delete(name);
      };
    },
    age() {
      const before = wallMs() - retentionMs;
      for (const topic of topics.values()) {
        const fresh = topic.kept.findIndex(({ atMs }) => atMs >= before);
        forget(topic, fresh < 0 ? topic.kept.length : fresh);
      }
    },
    end() {
      for (const topic of topics.values()) for (const { subscriber } of topic.listening) subscriber.end();
      topics.clear();
    },
  };
};
