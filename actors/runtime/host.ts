// The main thread's side: one thread a shard, the ports, asks, restart with backoff.
import { addressText, shardOf, type Address, type Scope } from '../address.ts';
import type { Asker } from '../asker.ts';
import type { Fence, IdempotencyKey, LogCursor, LogEntry, World } from '../ports.ts';
import { internal, isRefusal, notFound, unavailable } from '../refusal.ts';
import { MAIN, type Envelope, type Pipe } from './envelope.ts';
import { createFrames, openFrame } from './frames.ts';
import { inHandIn, inHandMemory, type InHand } from './in-hand.ts';
import type { CellFilter } from './inspection.ts';
import type { MemoryAudit } from './memory-audit.ts';
import { createQuarantine, type QuarantinedMessage } from './quarantine.ts';
import type { ShardLimits } from './shard.ts';
import { createSuspects, type Suspect } from './suspects.ts';
import { piscinaThreads, type Port, type RunningThread, type Threads } from './threads.ts';
import { MOST_CRASHES } from './turn.ts';
import { createWatchdog } from './watchdog.ts';
import type { PeerPort, ShardTask } from './worker.ts';

export interface HostOptions {
  shards: number;
  /** What the takeover gave, all shards. */
  fences: Fence[];
  /** URL of the composition root of a worker with the name of the function it exports; or threads of another kind. */
  module: { url: string; name: string } | Threads;
  /** Passed through to it. */
  config: unknown;
  limits?: Partial<ShardLimits>;
  world: World;
  onCommitted(entries: LogEntry[]): void;
  /**
   * What a shard's ended epochs wrote after the cursor, before that epoch: commits whose answer died with the shard, or
   * came too late for it. They are heard before anything of the new epoch. Rejects when the database can't be asked.
   */
  missed(cursor: LogCursor, beforeEpoch: number): Promise<LogEntry[]>;
  /** A shard found that somebody else owns its scopes. */
  onFenced(shard: number): void;
  log(level: 'info' | 'warn' | 'error', message: string, fields: Record<string, unknown>): void;
  execArgv?: string[];
  /** Heap of a thread in MiB; default 1,024. */
  heapMb?: number;
}

export interface HostAsk {
  who: string;
  /** By the monotonic clock. */
  deadlineMs: number;
  key?: IdempotencyKey | undefined;
  dry?: boolean | undefined;
  /** What is not in a group yet when the asker leaves is dropped; what is in one is finished. */
  asker?: Asker | undefined;
}

export interface ShardHost {
  /** Settles when every shard serves. */
  ready: Promise<void>;
  /** False while a shard may have written what was not heard of yet: what nobody heard of may exist then. */
  readonly isCurrent: boolean;
  ask(to: Address, name: string, body: unknown, options: HostAsk): Promise<unknown>;
  /** Serves a scope that was just taken over, besides those of the start. */
  adopt(fences: Fence[]): Promise<void>;
  /** One actor in full (null: not in memory), or the shard with those of its actors that the filter lets through. */
  inspect(shard: number, actor: Address | null, filter?: CellFilter): Promise<unknown>;
  /** Compares up to `limit` resident actors of every shard with their rows, and adds up what was found. */
  auditMemory(limit: number): Promise<MemoryAudit>;
  /** Finishes what was accepted, then ends the workers. */
  stop(): Promise<void>;
  /** Messages that their actors threw at, or their threads died of, again and again; oldest first. */
  quarantine(): QuarantinedMessage[];
  /** Sends one of them to its actor again; answers what the actor does, or NotFound. */
  retry(id: string, options: HostAsk): Promise<unknown>;
  /** Forgets one of them, so that it is let in as any other; false: there is none of that id. */
  drop(id: string): boolean;
  readonly restarts: number;
}

interface Slot {
  thread: RunningThread | undefined;
  port: Port | undefined;
  pipe: Pipe | undefined;
  fences: Fence[];
  /** How far it was heard, by scope. */
  heard: Map<Scope, LogCursor>;
  /** What a new epoch says waits until the ends of the old ones are heard. */
  early: LogEntry[] | undefined;
  hasServed: boolean;
  /** Counts, so that an answer for an older restart is dropped. */
  catchUps: number;
  /** Open asks to this shard; all fail when it dies. */
  asks: Map<number, { respond: (value: unknown) => void; suspect: Suspect | undefined }>;
  /** What its thread is working on. */
  inHand: InHand;
  /** What it was working on when it died. */
  killer: Suspect | undefined;
  /** Why we ended its thread ourselves; '' if we did not. */
  verdict: string;
  backoffMs: number;
  serving: boolean;
  /** A commit of its is in doubt, and it starts over. */
  isInDoubt: boolean;
  /** Something came from its thread. */
  isHeard: boolean;
}

const isUnavailable = (value: unknown): boolean => isRefusal(value) && value.kind === 'Unavailable';

const MISSED_RETRY_MS = 500;
const BOOT_MS = 10_000;
const FIRST_BACKOFF_MS = 100;
const LONGEST_BACKOFF_MS = 2_000;

export function createShardHost(options: HostOptions): ShardHost {
  const { world, module } = options;
  const threads =
    'run' in module
      ? module
      : piscinaThreads({
          module,
          execArgv: options.execArgv,
          heapMb: options.heapMb,
          failed: (error) => options.log('error', 'worker pool failed', { error: String(error) }),
        });
  const slots: Slot[] = Array.from({ length: options.shards }, (_, shard) => ({
    thread: undefined,
    port: undefined,
    pipe: undefined,
    fences: options.fences.filter((fence) => fence.shard === shard),
    heard: new Map(),
    early: undefined,
    hasServed: false,
    catchUps: 0,
    asks: new Map(),
    inHand: { ask: 0 },
    killer: undefined,
    verdict: '',
    backoffMs: FIRST_BACKOFF_MS,
    serving: false,
    isInDoubt: false,
    isHeard: false,
  }));
  let nextAsk = 1;
  let stopping = false;
  let restarts = 0;
  let missing = options.shards;
  let allReady: () => void = () => {};
  const ready = new Promise<void>((resolve) => {
    allReady = resolve;
  });
  const ended: Array<Promise<unknown>> = [];
  const watchdog = createWatchdog(world);
  const quarantined = createQuarantine();
  const suspects = createSuspects(() => world.monotonicMs());

  function launch(shard: number, first: boolean): void {
    const slot = slots[shard] as Slot;
    const { port1, port2 } = threads.channel();
    const peers: ShardTask['peers'] = [];
    slots.forEach((other, index) => {
      // On the first start each pair is joined once, by the higher of the two.
      if (index === shard || other.port === undefined) return;
      const channel = threads.channel();
      const peerPort: PeerPort = { peer: shard, port: channel.port1 };
      other.port.postMessage(peerPort, [channel.port1]);
      peers.push({ shard: index, port: channel.port2 });
    });
    slot.port = port1;
    slot.pipe = createFrames(
      (frame) => port1.postMessage(frame, [frame.buffer]),
      (run) => world.defer(run),
    );
    port1.on('message', (frame: Uint8Array) => {
      for (const envelope of openFrame(frame)) receive(shard, envelope);
    });
    port1.on('close', () => failAsks(shard, `shard ${shard} ended`));
    const inHand = inHandMemory();
    slot.inHand = inHandIn(inHand);
    slot.killer = undefined;
    slot.verdict = '';
    const task: ShardTask = {
      shard,
      shards: options.shards,
      fences: slot.fences,
      port: port2,
      peers,
      limits: options.limits ?? {},
      inHand,
      config: options.config,
    };
    const thread = threads.run(task);
    slot.thread = thread;
    slot.isHeard = false;
    slot.pipe.send({ m: 'ping' });
    // A thread that dies while it boots may leave its pool without an answer for ever.
    world.after(BOOT_MS, () => {
      if (slot.thread !== thread || slot.isHeard) return;
      options.log('error', 'shard does not start: its thread is ended', { shard });
      gone(new Error(`nothing was heard of it within ${BOOT_MS} ms`));
    });
    let gone = (_how: unknown): void => {};
    ended.push(
      new Promise<void>((resolve) => {
        gone = (how) => {
          if (slot.thread === thread) over(shard, how);
          resolve();
        };
      }),
    );
    void thread.ended.then((how: unknown) => gone(how === 'fenced' ? 'fenced' : 'drained'), gone);
    if (!first) restarts++;
  }

  function over(shard: number, how: unknown): void {
    const slot = slots[shard] as Slot;
    slot.serving = false;
    watchdog.watch(shard, undefined);
    slot.port?.close();
    slot.port = undefined;
    slot.pipe = undefined;
    failAsks(shard, `shard ${shard} ended`);
    slot.thread?.destroy();
    slot.thread = undefined;
    if (stopping || how === 'drained' || how === 'fenced') return;
    options.log('error', 'shard died', {
      shard,
      error: how instanceof Error ? (how.stack ?? how.message) : String(how),
    });
    if (slot.killer !== undefined) struck(shard, slot.killer, how);
    slot.killer = undefined;
    world.after(slot.backoffMs, () => {
      if (!stopping) launch(shard, false);
    });
    slot.backoffMs = Math.min(slot.backoffMs * 2, LONGEST_BACKOFF_MS);
  }

  /** It was in hand when its thread died. */
  function struck(shard: number, suspect: Suspect, how: unknown): void {
    const crashes = suspects.struck(suspect);
    if (crashes < MOST_CRASHES) return;
    const id = world.uuid();
    suspects.ban(suspect, id);
    const { verdict } = slots[shard] as Slot;
    const error = `its thread died of it: ${verdict || (how instanceof Error ? how.message : String(how))}`;
    setAside({ ...suspect, id, shard, error, crashes, atMs: world.wallMs() }, 'its thread died of it again and again');
  }

  function setAside(message: QuarantinedMessage, why: string): void {
    options.log('error', `a message was set aside: ${why}`, {
      operation: message.id,
      actor: addressText(message.to),
      name: message.name,
      error: message.error,
    });
    quarantined.add(message);
  }

  function failAsks(shard: number, why: string): void {
    const slot = slots[shard] as Slot;
    // Read before the asks are forgotten: it may be one of them, or one of another shard's that was asked on.
    const { ask } = slot.inHand;
    if (ask !== 0) slot.killer ??= slots.flatMap(({ asks }) => asks.get(ask)?.suspect ?? [])[0];
    slot.inHand.ask = 0;
    const open = [...slot.asks.values()];
    slot.asks.clear();
    for (const { respond } of open) respond(unavailable(`${why}: the outcome is unknown`));
  }

  function hear(slot: Slot, entries: LogEntry[]): void {
    for (const { scope, shard, epoch, n } of entries) slot.heard.set(scope, { scope, shard, epoch, n });
    options.onCommitted(entries);
  }

  /** Fetches what was committed and never told, before anything of the new epochs is heard. */
  function catchUp(slot: Slot, fences: Fence[]): void {
    // Of the first start nothing can be missing: whoever reads the rows reads them after the takeover.
    if (!slot.hasServed) {
      slot.hasServed = true;
      for (const { scope, shard, epoch } of fences) slot.heard.set(scope, { scope, shard, epoch, n: 0 });
      return;
    }
    // What waits of an epoch that ended as well is among what is read.
    slot.early = [];
    const mine = (slot.catchUps += 1);
    const attempt = (): void => {
      const asked = fences.flatMap((fence) => {
        const cursor = slot.heard.get(fence.scope);
        return cursor === undefined ? [] : [options.missed(cursor, fence.epoch)];
      });
      Promise.all(asked).then(
        (answers) => {
          if (mine !== slot.catchUps) return;
          const early = slot.early ?? [];
          slot.early = undefined;
          for (const entries of answers) if (entries.length > 0) hear(slot, entries);
          if (early.length > 0) hear(slot, early);
        },
        (error: unknown) => {
          options.log('warn', 'what a shard wrote last could not be read: trying again', { error: String(error) });
          world.after(MISSED_RETRY_MS, () => {
            if (mine === slot.catchUps && !stopping) attempt();
          });
        },
      );
    };
    attempt();
  }

  function receive(shard: number, envelope: Envelope): void {
    const slot = slots[shard] as Slot;
    slot.isHeard = true;
    switch (envelope.m) {
      case 'reply': {
        const asked = slot.asks.get(envelope.id);
        slot.asks.delete(envelope.id);
        // Of an operation over several shards another one's thread may have died of it: then its outcome is not there.
        if (asked?.suspect !== undefined && !isUnavailable(envelope.value)) suspects.cleared(asked.suspect);
        return asked?.respond(envelope.value);
      }
      case 'log':
        if (slot.early === undefined) return hear(slot, envelope.entries);
        return void slot.early.push(...envelope.entries);
      case 'doubt':
        slot.isInDoubt = true;
        return;
      case 'ready':
      case 'raised': {
        slot.isInDoubt = false;
        catchUp(slot, envelope.fences);
        slot.fences = envelope.fences;
        slot.backoffMs = FIRST_BACKOFF_MS;
        for (const [index, other] of slots.entries()) {
          if (index !== shard && other.serving) other.pipe?.send({ m: 'restarted', shard });
        }
        if (envelope.m === 'ready') {
          if (!slot.serving && missing > 0 && --missing === 0) allReady();
          slot.serving = true;
          watch(shard);
        }
        return;
      }
      case 'pong':
        return watchdog.pong(shard);
      case 'quarantined':
        return setAside(envelope.message, 'its actor threw at it again and again');
      case 'fenced':
        return options.onFenced(shard);
      default:
        return;
    }
  }

  function watch(shard: number): void {
    const slot = slots[shard] as Slot;
    const { thread } = slot;
    watchdog.watch(shard, {
      ping: () => slot.pipe?.send({ m: 'ping' }),
      utilization: () => thread?.utilization?.(),
      hung(silentMs) {
        options.log('error', 'shard hangs: its thread is ended', { shard, silentMs: Math.round(silentMs) });
        slot.verdict = `it answered nothing for ${Math.round(silentMs)} ms and was ended`;
        thread?.destroy();
      },
    });
  }

  function call(
    shard: number,
    asker: Asker | undefined,
    envelope: (id: number) => Envelope,
    suspect?: Suspect,
  ): Promise<unknown> {
    const slot = slots[shard] as Slot;
    return new Promise((resolve) => {
      if (slot.pipe === undefined)
        return resolve(unavailable(`shard ${shard} is being restarted; nothing was changed`));
      if (asker?.isGone === true)
        return resolve(unavailable('nobody waits for the answer any more; nothing was changed'));
      const id = nextAsk++;
      const { pipe } = slot;
      const stay = asker?.whenGone(() => pipe.send({ m: 'abandon', id }));
      const respond = (value: unknown): void => {
        stay?.();
        resolve(value);
      };
      slot.asks.set(id, { respond, suspect });
      pipe.send(envelope(id));
    });
  }

  for (let shard = 0; shard < options.shards; shard++) launch(shard, true);

  const ask: ShardHost['ask'] = async (to, name, body, { who, deadlineMs, key, dry = false, asker }) => {
    const suspect: Suspect = { to, name, body, who };
    const aside = suspects.banned(suspect);
    if (aside !== undefined)
      return internal(
        `${to.kind} ${to.id}: ${name} brought its thread down again and again, it was set aside as ${aside}`,
      );
    const envelope = (id: number): Envelope => ({
      m: 'ask',
      id,
      from: MAIN,
      scope: to.scope,
      kind: to.kind,
      actor: to.id,
      name,
      body,
      who,
      deadlineMs,
      reserve: '',
      key: key ?? null,
      dry,
    });
    return await call(shardOf(to, options.shards), asker, envelope, suspect);
  };

  return {
    ready,
    get isCurrent() {
      return slots.every(({ serving, early, isInDoubt }) => serving && early === undefined && !isInDoubt);
    },
    ask,
    quarantine: () => quarantined.list(),
    async retry(id, options) {
      const message = quarantined.take(id);
      if (message === undefined) return notFound(`no message ${id} in quarantine`);
      suspects.pardon(id, true);
      return await ask(message.to, message.name, message.body, options);
    },
    drop(id) {
      suspects.pardon(id, false);
      return quarantined.take(id) !== undefined;
    },
    async adopt(fences) {
      const answers = slots.map((slot, shard) => {
        const own = fences.filter((fence) => fence.shard === shard);
        slot.fences = [...slot.fences, ...own];
        for (const { scope, epoch } of own) slot.heard.set(scope, { scope, shard, epoch, n: 0 });
        return call(shard, undefined, (id) => ({ m: 'adopt', id, from: MAIN, fences: own }));
      });
      await Promise.all(answers);
    },
    inspect: (shard, actor, filter) =>
      call(shard, undefined, (id) => ({ m: 'inspect', id, from: MAIN, actor, filter: filter ?? null })),
    async auditMemory(limit) {
      const answers = await Promise.all(
        slots.map((_, shard) => call(shard, undefined, (id) => ({ m: 'audit', id, from: MAIN, limit }))),
      );
      const sum: MemoryAudit = { compared: 0, busy: 0, left: 0, findings: [] };
      for (const answer of answers) {
        if (isRefusal(answer)) {
          sum.findings.push(`memory: a shard did not answer: ${answer.message}`);
          continue;
        }
        const { compared, busy, left, findings } = answer as MemoryAudit;
        sum.compared += compared;
        sum.busy += busy;
        sum.left += left;
        sum.findings.push(...findings);
      }
      return sum;
    },
    async stop() {
      stopping = true;
      watchdog.stop();
      for (const slot of slots) slot.pipe?.send({ m: 'stop' });
      await Promise.allSettled(ended);
    },
    get restarts() {
      return restarts;
    },
  };
}
