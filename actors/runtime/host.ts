// The main thread's side of the shards: one thread for each. Its rooms lie in host/; here they are joined, and what comes
// from the threads is handed to them.
import { shardOf, type Address } from '../address.ts';
import type { Asker } from '../asker.ts';
import type { Fence, IdempotencyKey, LogCursor, LogEntry, World } from '../ports.ts';
import { isRefusal, notFound, unprocessable } from '../refusal.ts';
import { MAIN, type Envelope } from './envelope.ts';
import { createAsks } from './host/asks.ts';
import { createHearing } from './host/hearing.ts';
import { createLaunching, type Launching } from './host/launching.ts';
import { createPresence, type ShardPresence } from './host/presence.ts';
import { createSetAside } from './host/set-aside.ts';
import { createSlot, FIRST_BACKOFF_MS, type Slot } from './host/slot.ts';
import type { CellFilter } from './inspection.ts';
import { nothingAudited, type MemoryAudit } from './memory-audit.ts';
import type { QuarantinedMessage } from './quarantine.ts';
import type { ShardLimits } from './shard.ts';
import type { Suspect } from './suspects.ts';
import { piscinaThreads, type Threads } from './threads.ts';
import { createWatchdog } from './watchdog.ts';

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
  /**
   * A shard serves again, and what its ended epochs wrote is still being read: what it has acknowledged since is not heard
   * of either, and who reads what was heard does not read what he just wrote.
   */
  readonly isBehind: boolean;
  ask(to: Address, name: string, body: unknown, options: HostAsk): Promise<unknown>;
  /** Serves a scope that was just taken over, besides those of the start. */
  adopt(fences: Fence[]): Promise<void>;
  /** One actor in full (null: not in memory), or the shard with those of its actors that the filter lets through. */
  inspect(shard: number, actor: Address | null, filter?: CellFilter): Promise<unknown>;
  /** Compares up to `limit` resident actors of every shard with their rows, and adds up what was found. */
  auditMemory(limit: number): Promise<MemoryAudit>;
  /** Finishes what was accepted, then ends the workers. */
  stop(): Promise<void>;
  /** Messages that their actors threw at, or their threads died of, again and again; seen longest ago first. */
  quarantine(): QuarantinedMessage[];
  /** Of those, how many were pushed out by newer ones. */
  readonly quarantineLost: number;
  /** Sends one of them, or what it is a part of, to its actor again; answers what the actor does, or NotFound. */
  retry(id: string, options: HostAsk): Promise<unknown>;
  /** Forgets one of them, so that it is let in as any other; false: there is none of that id. */
  drop(id: string): boolean;
  /** Threads that were started again. */
  readonly restarts: number;
  /** Of each shard: whether it serves, and how often it started over on its thread. */
  presences(): ShardPresence[];
}

export function createShardHost(options: HostOptions): ShardHost {
  const { world, module, log } = options;
  const threads =
    'run' in module
      ? module
      : piscinaThreads({
          module,
          execArgv: options.execArgv,
          heapMb: options.heapMb,
          failed: (error) => log('error', 'worker pool failed', { error: String(error) }),
        });
  const slots: Slot[] = Array.from({ length: options.shards }, (_, shard) =>
    createSlot(
      shard,
      options.fences.filter((fence) => fence.shard === shard),
      createHearing({
        world,
        missed: options.missed,
        onCommitted: options.onCommitted,
        log,
        isStopping: () => launching.isStopping,
      }),
      createPresence(shard, world),
    ),
  );
  const asks = createAsks(slots, world);
  const setAside = createSetAside({ world, log });
  const watchdog = createWatchdog(world);
  const launching: Launching = createLaunching({
    world,
    slots,
    threads,
    asks,
    setAside,
    watchdog,
    common: { limits: options.limits ?? {}, config: options.config },
    receive,
    log,
  });
  let missing = options.shards;
  let allReady: () => void = () => {};
  const ready = new Promise<void>((resolve) => {
    allReady = resolve;
  });

  /** It serves, for the first time or after it started over. */
  function began(slot: Slot, { m, fences }: Extract<Envelope, { m: 'ready' | 'raised' }>): void {
    slot.hearing.began(fences);
    // A scope that was adopted while this was on its way is not among them: the thread has it, and so will the next one.
    const others = slot.fences.filter(({ scope }) => !fences.some((fence) => fence.scope === scope));
    slot.fences = [...others, ...fences];
    slot.backoffMs = FIRST_BACKOFF_MS;
    if (m === 'raised') return slot.presence.settled();
    if (!slot.presence.hasThread && missing > 0 && --missing === 0) allReady();
    slot.presence.began();
    launching.watch(slot);
  }

  function receive(slot: Slot, envelope: Envelope): void {
    slot.isHeard = true;
    switch (envelope.m) {
      case 'reply': {
        const asked = asks.take(slot, envelope.id);
        if (asked === undefined) return;
        setAside.answered(envelope.id, asked, envelope.value);
        return asked.respond(envelope.value);
      }
      case 'log':
        return slot.hearing.told(envelope.entries);
      case 'doubt':
        return slot.presence.doubted();
      case 'ready':
      case 'raised':
        return began(slot, envelope);
      case 'pong':
        return watchdog.pong(slot.shard);
      case 'quarantined':
        return setAside.thrownAt(
          envelope.message,
          asks.find(envelope.ask) ?? setAside.failed(envelope.ask),
          envelope.isPart,
        );
      case 'fenced':
        return options.onFenced(slot.shard);
      default:
        return;
    }
  }

  function send(message: Suspect, { who, deadlineMs, key, asker }: HostAsk): Promise<unknown> {
    const refused = setAside.refuses(message);
    if (refused !== undefined) return Promise.resolve(refused);
    const { to, name, body, isDry: dry } = message;
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
    const slot = slots[shardOf(to, options.shards)] as Slot;
    return asks.call(slot, envelope, { deadlineMs, asker, suspect: message });
  }

  for (const slot of slots) launching.launch(slot);

  return {
    ready,
    get isCurrent() {
      return slots.every(({ presence, hearing }) => presence.isHere && !hearing.isBehind);
    },
    get isBehind() {
      return slots.some(({ hearing }) => hearing.isBehind);
    },
    ask: (to, name, body, asked) =>
      send({ to, name, body, who: asked.who, askedMs: world.wallMs(), isDry: asked.dry ?? false }, asked),
    quarantine: () => setAside.list(),
    get quarantineLost() {
      return setAside.lost;
    },
    async retry(id, options) {
      const taken = setAside.take(id, 'try again');
      if (taken === undefined) return notFound(`no message ${id} in quarantine`);
      const { whole, putBack } = taken;
      if (whole === undefined) {
        putBack();
        return unprocessable(
          `message ${id} is a reservation of an operation: it can't be tried by itself, only dropped`,
        );
      }
      // As it was asked: only so the ids that were drawn for it are known as such, and a dry run stays one.
      const answer = await send({ ...whole, who: options.who }, options);
      // Nobody but the operator sends it again: what may not have run stays where it can be found.
      if (isRefusal(answer) && (answer.kind === 'Unavailable' || answer.kind === 'Overloaded')) putBack();
      return answer;
    },
    drop: (id) => setAside.take(id, 'forget') !== undefined,
    async adopt(fences) {
      const answers = slots.map((slot) => {
        const own = fences.filter((fence) => fence.shard === slot.shard);
        slot.fences = [...slot.fences, ...own];
        slot.hearing.adopted(own);
        return asks.call(slot, (id) => ({ m: 'adopt', id, from: MAIN, fences: own }));
      });
      await Promise.all(answers);
    },
    inspect: (shard, actor, filter) =>
      asks.call(slots[shard] as Slot, (id) => ({
        m: 'inspect',
        id,
        from: MAIN,
        actor,
        filter: filter ?? null,
      })),
    async auditMemory(limit) {
      const answers = await Promise.all(
        slots.map((slot) => asks.call(slot, (id) => ({ m: 'audit', id, from: MAIN, limit }))),
      );
      const sum = nothingAudited();
      for (const [shard, answer] of answers.entries()) {
        if (isRefusal(answer)) {
          sum.notCompared.push(`shard ${shard}: ${answer.message}`);
          continue;
        }
        const { compared, busy, left, notCompared, findings } = answer as MemoryAudit;
        sum.compared += compared;
        sum.busy += busy;
        sum.left += left;
        sum.notCompared.push(...notCompared);
        sum.findings.push(...findings);
      }
      return sum;
    },
    stop: () => launching.stop(),
    get restarts() {
      return launching.restarts;
    },
    presences: () => slots.map(({ presence }) => presence.look()),
  };
}
