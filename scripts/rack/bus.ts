// The partition-local bus, as the management server hears it: over HTTP as server-sent events, or from nsqd.
import nsq, { type Message } from 'nsqjs';
import type { RackConfig } from './config.ts';
import type { Journal } from './journal.ts';
import type { Pace } from './pace.ts';
import type { Rest } from './rest.ts';

export type Hear = (message: unknown) => void;

/** Reads server-sent events (WHATWG HTML §9.2.6) piece by piece; answers the cursor after the last one. */
export const createEventParser = (hear: Hear, gap: () => void, firstId = '') => {
  let rest = '';
  let data: string[] = [];
  let type = '';
  let id = firstId;
  let lastId = firstId;
  const line = (text: string): void => {
    if (text === '') {
      lastId = id;
      if (type === 'gap') gap();
      else if (data.length > 0) hear(JSON.parse(data.join('\n')));
      data = [];
      type = '';
      return;
    }
    const colon = text.indexOf(':');
    const field = colon < 0 ? text : text.slice(0, colon);
    const value = colon < 0 ? '' : text.slice(colon + 1).replace(/^ /, '');
    if (field === 'data') data.push(value);
    else if (field === 'id') id = value;
    else if (field === 'event') type = value;
  };
  return {
    push(text: string): string {
      const lines = (rest + text).split('\n');
      rest = lines.pop()!;
      for (const one of lines) line(one.replace(/\r$/, ''));
      return lastId;
    },
  };
};

const RECONNECT_AFTER_MS = 1_000;
/** The server sends a comment every ten seconds. */
const SILENT_FOR_MS = 30_000;

/** Until aborted; resumes after the last event it heard. `opened`: from now on nothing is missed. */
export const hearOverHttp = async (
  topic: string,
  { rest, pace, journal }: { rest: Rest; pace: Pace; journal: Journal },
  hear: Hear,
  opened: () => void,
  signal: AbortSignal,
): Promise<void> => {
  let cursor = '';
  while (!signal.aborted) {
    const silence = new AbortController();
    let timer = setTimeout(() => silence.abort(), SILENT_FOR_MS);
    try {
      const response = await rest.open(`/v2/bus/${encodeURIComponent(topic)}`, {
        as: 'edit',
        signal: AbortSignal.any([signal, silence.signal]),
        headers: cursor === '' ? {} : { 'last-event-id': cursor },
      });
      journal('listening to the bus', { topic, cursor });
      opened();
      const parser = createEventParser(hear, () => journal('messages of the bus were lost', { topic }), cursor);
      for await (const text of response.body!.pipeThrough(new TextDecoderStream())) {
        clearTimeout(timer);
        timer = setTimeout(() => silence.abort(), SILENT_FOR_MS);
        cursor = parser.push(text);
      }
      journal('the bus ended, connecting again', { topic });
    } catch (error) {
      if (!signal.aborted) journal('the bus can not be heard, connecting again', { topic, reason: String(error) });
    } finally {
      clearTimeout(timer);
    }
    await pace.wait(RECONNECT_AFTER_MS, signal).catch(() => undefined);
  }
};

/** Channel `core`, as metal-bmc has it; answers how to stop. */
export const hearFromNsqd = (
  topic: string,
  { host, port, tls }: NonNullable<RackConfig['nsqd']>,
  pem: RackConfig['tls'],
  journal: Journal,
  hear: Hear,
): (() => void) => {
  const literal = host.includes(':') ? `[${host}]` : host;
  const reader = new nsq.Reader(topic, 'core', {
    nsqdTCPAddresses: [`${literal}:${port}`],
    heartbeatInterval: 5,
    maxInFlight: 10,
    maxAttempts: 2,
    requeueDelay: 3_000,
    lookupdPollInterval: 1,
    ...(tls && { tls: true, ca: Buffer.from(pem.ca), cert: Buffer.from(pem.cert), key: Buffer.from(pem.key) }),
  });
  reader.on('nsqd_connected', () => journal('listening to nsqd', { topic }));
  reader.on('error', (error: unknown) => journal('nsqd failed, connecting again', { reason: String(error) }));
  reader.on('message', (message: Message) => {
    try {
      hear(JSON.parse(message.body.toString()));
    } catch (error) {
      journal('message of the bus is no JSON', { reason: String(error) });
    }
    message.finish();
  });
  reader.connect();
  return () => reader.close();
};
