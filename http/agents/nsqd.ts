// Messages to an nsqd, in order, at least once: a message stays in the queue until nsqd said OK.
import nsq, { type Writer } from 'nsqjs';
import type { Report } from './caller.ts';

export interface NsqdAddress {
  host: string;
  port: number;
  /** PEM texts; absent: plain text. */
  tls?: { ca: string; cert: string; key: string };
}

export interface NsqdPublisher {
  /** `done`: nsqd has it. */
  publish(topic: string, body: unknown, done: () => void): void;
  /** Messages that nsqd does not have yet. */
  waiting(): number;
  isConnected(): boolean;
  /** Resolves when at most `most` messages wait. */
  roomFor(most: number): Promise<void>;
  /** Sends what waits, for at most `graceMs`, and closes. What is left stays undone. */
  stop(graceMs?: number): Promise<void>;
}

const MOST_IN_BATCH = 100;
const ANSWER_WITHIN_MS = 10_000;
const FIRST_BACKOFF_MS = 100;
const LONGEST_BACKOFF_MS = 5_000;
/** nsqd will never take these, however often they are sent. */
const HOPELESS = /E_BAD_TOPIC|E_BAD_MESSAGE|E_BAD_BODY/;

interface Queued {
  topic: string;
  text: string;
  done: () => void;
}

export const createNsqdPublisher = (address: NsqdAddress, report: Report): NsqdPublisher => {
  const queue: Queued[] = [];
  const waitingForRoom = new Set<{ most: number; resolve: () => void }>();
  let writer: Writer | undefined;
  let isReady = false;
  let isSending = false;
  let isStopped = false;
  let backoffMs = FIRST_BACKOFF_MS;
  let retry: NodeJS.Timeout | undefined;

  const tellRoom = (): void => {
    for (const one of waitingForRoom) {
      if (queue.length > one.most) continue;
      waitingForRoom.delete(one);
      one.resolve();
    }
  };

  const taken = (count: number): void => {
    for (const { done } of queue.splice(0, count)) done();
    tellRoom();
  };

  const drop = (broken: Writer): void => {
    if (writer !== broken) return;
    writer = undefined;
    isReady = false;
    isSending = false;
    // Not now: nsqjs goes on with the connection after it has told us of an error, and throws where nobody catches it when
    // that is closed meanwhile.
    setImmediate(() => {
      try {
        broken.close();
      } catch {
        // It throws when its socket was never made.
      }
    });
    if (isStopped) return;
    retry = setTimeout(connect, backoffMs * (0.5 + Math.random() / 2));
    backoffMs = Math.min(LONGEST_BACKOFF_MS, backoffMs * 2);
  };

  const pump = (): void => {
    const using = writer;
    const first = queue[0];
    if (!using || !isReady || isSending || !first) return;
    const other = queue.findIndex(({ topic }, i) => i === MOST_IN_BATCH || topic !== first.topic);
    const batch = queue.slice(0, other < 0 ? queue.length : other);
    isSending = true;
    const late = setTimeout(() => {
      report('nsqd did not answer', { withinMs: ANSWER_WITHIN_MS });
      drop(using);
    }, ANSWER_WITHIN_MS);
    using.publish(
      first.topic,
      batch.map(({ text }) => text),
      (error) => {
        clearTimeout(late);
        if (writer !== using) return;
        isSending = false;
        if (error && HOPELESS.test(String(error))) {
          report('nsqd refuses messages for good, they are dropped', { topic: first.topic, error: String(error) });
          taken(batch.length);
          return drop(using);
        }
        if (error) return drop(using);
        taken(batch.length);
        pump();
      },
    );
  };

  const connect = (): void => {
    if (isStopped) return;
    const { host, port, tls } = address;
    const made = new nsq.Writer(host, port, {
      heartbeatInterval: 5,
      idleTimeout: 15,
      ...(tls && { tls: true, ca: Buffer.from(tls.ca), cert: Buffer.from(tls.cert), key: Buffer.from(tls.key) }),
    });
    writer = made;
    // Publishing before it is ready loses or doubles messages in nsqjs, so we wait for it.
    made.on('ready', () => {
      isReady = true;
      backoffMs = FIRST_BACKOFF_MS;
      pump();
    });
    made.on('error', (error: unknown) => {
      if (writer === made) report('nsqd can not be reached', { host, port, error: String(error) });
      drop(made);
    });
    made.on('closed', () => drop(made));
    made.connect();
  };
  connect();

  const roomFor = (most: number): Promise<void> =>
    queue.length <= most ? Promise.resolve() : new Promise((resolve) => void waitingForRoom.add({ most, resolve }));

  return {
    publish(topic, body, done) {
      queue.push({ topic, text: JSON.stringify(body), done });
      pump();
    },
    waiting: () => queue.length,
    isConnected: () => isReady,
    roomFor,
    async stop(graceMs = 1_000) {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, graceMs);
      });
      await Promise.race([isReady ? roomFor(0) : undefined, late]);
      clearTimeout(timer);
      isStopped = true;
      clearTimeout(retry);
      if (writer) drop(writer);
      queue.length = 0;
      tellRoom();
    },
  };
};
