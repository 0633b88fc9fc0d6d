// Keeps refused requests in the database, in batches, and answers searches from them and the log.
import { inPortions } from '../../http/json-list.ts';
import type { Trace, TraceFilter, Traces } from '../../http/trace.ts';
import { redacted } from '../../http/trace.ts';
import type { DoneRow, TraceRow, TraceStore } from '../../storage/trace.ts';

export interface TracesOptions {
  store: TraceStore;
  /** Of those who sign in; the log keeps who, not of which tenant. */
  tenant: string;
  uuid(): string;
  after(delayMs: number, run: () => void): () => void;
  odd(what: string, error: unknown): void;
}

export interface RunningTraces extends Traces {
  stop(): Promise<void>;
}

const FLUSH_MS = 1_000;
const BATCH = 200;
/** More refusals than this within a second are a flood: one line says how many are not kept. */
const MOST_WAITING = 1_000;
const KEPT_MS = 14 * 86_400_000;
const SWEEP_EVERY = 3_600;
/** Most that a search reads of each of the two. */
const MOST_READ = 10_000;

/** What machines and switches report by themselves, and what sites settle among each other: metal-api traces none of it. */
const SILENT = [
  'machine.event',
  'machine.bmcReport',
  'machine.wait',
  'machine.waitEnded',
  'machine.evaluateLiveliness',
  'switch.notify',
  'directory.apply',
  'registry.settle',
  'network.giveBlocks',
  'network.blocksDelivered',
  'block.receive',
];

const rowOf = (trace: Trace, id: string): TraceRow => ({
  id,
  atMs: trace.atMs,
  rqid: trace.rqid,
  caller: trace.user,
  tenant: trace.tenant,
  method: trace.detail,
  path: trace.path,
  forwardedFor: trace.forwardedFor,
  remoteAddr: trace.remoteAddr,
  status: trace.status,
  error: trace.error,
  body: trace.body,
});

/** What every line of the log has in common. */
const DONE = { detail: 'commit', status: 200, forwardedFor: '', remoteAddr: '', error: '' };

const refusedTrace = ({ caller, method, id: _id, ...row }: TraceRow): Trace => ({
  ...row,
  user: caller,
  detail: method,
});

const doneTrace = ({ operation, what, who, atMs, changes }: DoneRow, tenant: string): Trace => ({
  atMs,
  rqid: operation,
  user: who,
  tenant,
  path: what,
  body: redacted(JSON.stringify(changes)),
  ...DONE,
});

export function fits(trace: Trace, filter: TraceFilter): boolean {
  const is = (wanted: string | undefined, value: string): boolean => wanted === undefined || wanted === value;
  const has = (wanted: string | undefined, value: string): boolean => wanted === undefined || value.includes(wanted);
  return (
    is(filter.rqid, trace.rqid) &&
    is(filter.user, trace.user) &&
    is(filter.tenant, trace.tenant) &&
    is(filter.detail, trace.detail) &&
    (filter.status === undefined || filter.status === trace.status) &&
    has(filter.path, trace.path) &&
    has(filter.forwardedFor, trace.forwardedFor) &&
    has(filter.remoteAddr, trace.remoteAddr) &&
    has(filter.body, trace.body) &&
    has(filter.error, trace.error)
  );
}

export function createTraces(options: TracesOptions): RunningTraces {
  const { store } = options;
  let waiting: TraceRow[] = [];
  let forgotten = 0;
  let ticks = 0;
  let cancel = (): void => {};
  let isStopped = false;

  async function flush(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting.slice(0, BATCH);
      await store.write(batch);
      waiting = waiting.slice(batch.length);
    }
    if (forgotten > 0)
      options.odd(`${forgotten} refused requests were too many to be kept in the audit trail`, undefined);
    forgotten = 0;
  }

  const again = (): void => {
    cancel = options.after(FLUSH_MS, () => {
      const work = flush().then(() => (ticks++ % SWEEP_EVERY === 0 ? store.sweep(KEPT_MS) : 0));
      void work
        .catch((error: unknown) => options.odd('refused requests could not be written', error))
        .finally(() => {
          if (!isStopped) again();
        });
    });
  };
  again();

  return {
    refused(trace) {
      if (waiting.length < MOST_WAITING) waiting.push(rowOf(trace, options.uuid()));
      else forgotten++;
    },
    async find(filter) {
      const { fromMs, toMs, rqid, user, path } = filter;
      const asked = filter.limit > 0 ? filter.limit : Infinity;
      const most = Math.min(asked, MOST_READ);
      // What is shown of a line of the log is made of its changes, so it is looked through here.
      const mostDone = filter.body === undefined ? most : MOST_READ;
      const isOfLog = fits(
        { ...DONE, atMs: 0, rqid: '', user: '', tenant: options.tenant, path: '', body: '' },
        {
          ...filter,
          rqid: undefined,
          user: undefined,
          path: undefined,
          body: undefined,
        },
      );
      const [refused, done] = await Promise.all([
        store.refused({ ...filter, caller: user, method: filter.detail }, most),
        isOfLog ? store.done({ fromMs, toMs, operation: rqid, who: user, what: path, silent: SILENT }, mostDone) : [],
      ]);
      // Of what was read to its limit more may lie before its oldest.
      const ends = [
        ...(refused.length < most ? [] : [refused.at(-1)!.atMs]),
        ...(done.length < mostDone ? [] : [done.at(-1)!.atMs]),
      ];
      const found = refused.map(refusedTrace).filter((trace) => fits(trace, filter));
      await inPortions(done, (rows) => {
        for (const row of rows) {
          const trace = doneTrace(row, options.tenant);
          if (fits(trace, filter)) found.push(trace);
        }
      });
      found.sort((a, b) => a.atMs - b.atMs);
      // metal-api keeps the oldest ones, though it documents the newest: the documentation wins (networks.md N50).
      const traces = filter.limit > 0 ? found.slice(-filter.limit) : found;
      const wholeFromMs = Math.max(...ends);
      const isWhole = ends.length === 0 || (traces.length === asked && traces[0]!.atMs >= wholeFromMs);
      return isWhole ? { traces } : { traces, wholeFromMs };
    },
    async stop() {
      isStopped = true;
      cancel();
      await flush().catch((error: unknown) => options.odd('refused requests could not be written', error));
      await store.close();
    },
  };
}
