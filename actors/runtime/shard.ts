// A shard: the actors of its slice of the process's scopes, their mailboxes, their committer. Single-threaded, no
// promises, no I/O but the ports.
import { addressText, shardOf, type Address, type Kind, type Scope } from '../address.ts';
import type { Fence, LogEntry, ShardStore, World } from '../ports.ts';
import type { Row } from '../records.ts';
import { internal, isRefusal, overloaded, unavailable, type Refusal } from '../refusal.ts';
import type { AnyBehaviour, Hint } from './behaviour.ts';
import {
  createCell,
  pushInbox,
  takeAgain,
  takeAll,
  takeInbox,
  takeWaiting,
  unhold,
  waitText,
  type Cell,
  type Held,
  type Mail,
} from './cell.ts';
import { createCommitter } from './committer.ts';
import { createCoordinator } from './coordinator.ts';
import { MAIN, type Envelope, type Pipe } from './envelope.ts';
import { inspectActor, inspectShard, type CellFilter } from './inspection.ts';
import { createMemoryAudit } from './memory-audit.ts';
import { loadState } from './loading.ts';
import { createNeighbours } from './neighbours.ts';
import { createObservation } from './observation.ts';
import { createReadyList } from './ready-list.ts';
import { createLoad } from './load.ts';
import { leaving } from './residency.ts';
import { createSupervision } from './supervision.ts';
import { decideBatch, neededRows, type TurnHost } from './turn.ts';
import { createVersions, type Versions } from './versions.ts';

export interface ShardOptions {
  shard: number;
  shards: number;
  /** What takeover or the last raise gave: this shard's fence in each scope of the process. */
  fences: Fence[];
  behaviours: AnyBehaviour[];
  world: World;
  store: ShardStore;
  /** To the main thread and to the other shards. */
  pipe(to: number): Pipe | undefined;
  log(level: 'info' | 'warn' | 'error', message: string, fields: Record<string, unknown>): void;
  /** Is somebody else the owner now? Then this shard has stopped. */
  onFenced(): void;
  limits?: Partial<ShardLimits>;
}

export interface ShardLimits {
  inbox: number;
  batch: number;
  /** An actor idle for so long leaves memory. */
  passivateMs: number;
  /** Actors in memory; beyond it the longest idle ones leave. */
  resident: number;
  /** Asks from outside that wait in the shard. */
  waiting: number;
  /** Milliseconds that one more would have to wait, by what was answered lately. */
  waitMs: number;
  /** Longest group in operations; process tests make it small, so that what is split is exercised. */
  operationsPerGroup: number;
}

const LIMITS: ShardLimits = {
  inbox: 1024,
  batch: 256,
  passivateMs: 600_000,
  resident: 10_000,
  waiting: 16_384,
  waitMs: 5_000,
  operationsPerGroup: 512,
};
const WHEEL_MS = 100;
/** Looking at every actor costs milliseconds, so idle ones are looked for only so often while there is room. */
const TICKS_A_SWEEP = 10;
const FEW = 64;
const HINT_DEADLINE_MS = 30_000;

export interface Shard {
  deliver(envelope: Envelope): void;
  /** Raises the epoch (a predecessor's statement may still run) and begins to serve. */
  start(ready: () => void): void;
  /** Answers everything accepted so far, then calls back. New asks are refused meanwhile. */
  stop(stopped: () => void): void;
  readonly cells: ReadonlyMap<string, Cell>;
}

export function createShard(options: ShardOptions): Shard {
  const { world, store, shard } = options;
  const limits = { ...LIMITS, ...options.limits };
  const behaviours = new Map<Kind, AnyBehaviour>(options.behaviours.map((behaviour) => [behaviour.kind, behaviour]));
  const cells = new Map<string, Cell>();
  const fences = new Map<Scope, Fence>(options.fences.map((fence) => [fence.scope, fence]));
  const versions = new Map<Scope, Versions>();
  /** How often other shards were restarted in this one's life. */
  const restarts = new Map<number, number>();
  const neighbours = createNeighbours((to) => options.pipe(to));
  const supervision = createSupervision(shard, (message, fields) => options.log('error', message, fields));
  const observation = createObservation(world);
  const auditMemory = createMemoryAudit({ world, store, cells, fenceOf });
  let state: 'starting' | 'serving' | 'stopping' | 'stopped' = 'starting';
  /** Those with mail that waits for a change. */
  const waiting = new Set<Cell>();
  const pressure = createLoad(world);
  /** Asks of the main thread without an answer, by id. */
  const open = new Map<number, Mail>();
  let ticks = 0;
  /** Grows with each start-over; callbacks of an older life are ignored. */
  let life = 0;

  const ready = createReadyList<Cell>(world, runCell);
  const committer = createCommitter({
    world,
    store,
    shard,
    fence: fenceOf,
    onCommitted: publish,
    onFenced: fenced,
    onDoubt: startOver,
    limits: { operationsPerGroup: limits.operationsPerGroup },
  });
  const coordinator = createCoordinator({
    world,
    shard,
    send,
    end: endEverywhere,
    submit: (operation) => committer.submit(operation),
    hint,
    isOwn: (fence) => fence.shard === shard,
  });
  const turnHost: TurnHost = {
    world,
    fenceOf,
    version: (scope) => (versions.get(scope) as Versions).next(),
    coordinate: (cell, mail, factory) =>
      coordinator.start(cell.address.scope, mail, factory, (error) => quarantine(cell, mail, error)),
    submit: (operation) => committer.submit(operation),
    hint,
    isVoid: (mail) => mail.life !== undefined && mail.life !== (restarts.get(mail.from) ?? 0),
    settled,
    crashed,
    quarantine,
  };

  function fenceOf(scope: Scope): Fence {
    return fences.get(scope) ?? { scope, shard, epoch: 0 };
  }

  function publish(entries: LogEntry[]): void {
    options.pipe(MAIN)?.send({ m: 'log', entries });
  }

  // ---- mail -------------------------------------------------------------------------------------------------------

  function send(to: Address, mail: Omit<Mail, 'attempts' | 'from'>): void {
    const target = shardOf(to, options.shards);
    if (target === shard) return post(to, { ...mail, attempts: 0, from: shard });
    const envelope = (id: number): Envelope => ({
      m: 'ask',
      id,
      from: shard,
      scope: to.scope,
      kind: to.kind,
      actor: to.id,
      name: mail.name,
      body: mail.body,
      who: mail.who,
      deadlineMs: mail.deadlineMs,
      reserve: mail.reserve ?? '',
      key: mail.key,
      dry: mail.dry,
    });
    if (!neighbours.ask(target, envelope, mail.respond)) {
      mail.respond(unavailable(`shard ${target} is being restarted`));
    }
  }

  function post(to: Address, mail: Mail): void {
    if (state === 'stopped') return mail.respond(unavailable('this process is stopping'));
    if (!fences.has(to.scope)) return mail.respond(unavailable(`${to.scope} is not hosted by this process`));
    const behaviour = behaviours.get(to.kind);
    if (behaviour === undefined) return mail.respond(internal(`no such kind of actor: ${to.kind}`));
    const name = addressText(to);
    let cell = cells.get(name);
    if (cell === undefined) {
      cell = createCell(to, behaviour, world.monotonicMs());
      cells.set(name, cell);
    }
    if (cell.inbox.length >= limits.inbox) {
      return mail.respond(overloaded(`${to.kind} ${to.id} has ${cell.inbox.length} requests waiting`));
    }
    pushInbox(cell, mail);
    wake(cell);
  }

  function wake(cell: Cell): void {
    if (state === 'starting' || state === 'stopped') return;
    if (cell.status === 'cold') return load(cell);
    if (cell.status !== 'idle' || cell.inbox.length === 0) return;
    cell.status = 'ready';
    ready.add(cell);
  }

  function hint(to: Hint, who: string): void {
    const target = shardOf(to.to, options.shards);
    if (target === shard) {
      return post(to.to, {
        name: to.name,
        body: to.body,
        who,
        deadlineMs: world.monotonicMs() + HINT_DEADLINE_MS,
        reserve: null,
        from: shard,
        key: null,
        dry: false,
        respond: () => {},
        attempts: 0,
      });
    }
    options
      .pipe(target)
      ?.send({ m: 'hint', scope: to.to.scope, kind: to.to.kind, actor: to.to.id, name: to.name, body: to.body, who });
  }

  // ---- loading ----------------------------------------------------------------------------------------------------

  function load(cell: Cell): void {
    // The shard started over while it had work: its mail lies in a new cell, and nobody can reach this one.
    if (cells.get(addressText(cell.address)) !== cell) return;
    const { address } = cell;
    const mine = life;
    cell.status = 'loading';
    cell.stale = false;
    const loading = { world, store, fence: fenceOf(address.scope), isWanted: () => mine === life, crashed };
    loadState(loading, cell, (loaded) => {
      if (mine !== life) return;
      if (isRefusal(loaded)) {
        cell.status = 'cold';
        cells.delete(addressText(address));
        for (const mail of takeAll(cell)) mail.respond(loaded);
        return;
      }
      if (cell.stale) return load(cell);
      cell.state = loaded.state;
      for (const [operation, held] of cell.held) cell.behaviour.hold(cell.state, operation, held.changes);
      cell.status = 'idle';
      requeue(cell, takeAgain(cell));
      wake(cell);
    });
  }

  function requeue(cell: Cell, mails: Mail[]): void {
    if (mails.length > 0) cell.inbox = [...mails, ...cell.inbox];
  }

  // ---- turns ------------------------------------------------------------------------------------------------------

  function runCell(cell: Cell): void {
    if (cell.status !== 'ready') return;
    if (cell.stale) return load(cell);
    cell.touchedMs = world.monotonicMs();
    cell.turns++;
    const batch = takeInbox(cell, limits.batch).filter((mail) => {
      if (mail.deadlineMs > cell.touchedMs) return true;
      mail.respond(unavailable(`${mail.name}: the deadline passed before it was looked at; nothing was changed`));
      return false;
    });
    observation.begin(cell, batch);
    const wanted = neededRows(cell, batch);
    if (wanted.length === 0) return decide(cell, batch, null);
    cell.status = 'fetching';
    // Confirmations that arrive while the rows are on their way are newer than what the fetch may see.
    cell.rows = new Map();
    const mine = life;
    store.fetch(cell.address.scope, wanted, [fenceOf(cell.address.scope)], (rows) => {
      if (mine !== life) {
        for (const mail of batch) mail.respond(unavailable('the shard was restarted; nothing was changed'));
        return;
      }
      if (isRefusal(rows)) {
        cell.rows = null;
        cell.status = 'idle';
        for (const mail of batch) mail.respond(rows);
        return wake(cell);
      }
      if (cell.stale) {
        cell.rows = null;
        requeue(cell, batch);
        return load(cell);
      }
      decide(cell, batch, rows, wanted);
    });
  }

  function decide(cell: Cell, batch: Mail[], rows: Row[] | null, wanted: Parameters<typeof decideBatch>[4] = []): void {
    const operations = decideBatch(turnHost, cell, batch, rows, wanted);
    cell.rows = null;
    if (cell.waiting.length > 0) waiting.add(cell);
    if (operations > 0) {
      cell.status = 'committing';
      return;
    }
    settled(cell);
  }

  /** The batch is over: everything has its outcome. */
  function settled(cell: Cell): void {
    observation.end(cell);
    if (cell.stale) return load(cell);
    cell.status = 'idle';
    requeue(cell, takeAgain(cell));
    wake(cell);
  }

  function changed(cell: Cell): void {
    if (cell.waiting.length === 0) return;
    cell.inbox = [...takeWaiting(cell), ...cell.inbox];
    wake(cell);
  }

  function crashed(cell: Cell, error: unknown): void {
    cell.crashes++;
    supervision.crashed(cell.address.scope, cell.address.kind, {
      actor: addressText(cell.address),
      error,
      times: cell.crashes,
      restart: () => {},
      quarantine: () => {
        options.log('error', 'actor crashed again and again', {
          actor: addressText(cell.address),
          times: cell.crashes,
        });
      },
    });
  }

  function quarantine(cell: Cell, mail: Mail, error: unknown): string {
    const id = world.uuid();
    options.pipe(MAIN)?.send({
      m: 'quarantined',
      message: {
        id,
        shard,
        to: cell.address,
        name: mail.name,
        body: mail.body,
        who: mail.who,
        error: messageOf(error),
        crashes: mail.crashes ?? 0,
        atMs: world.wallMs(),
      },
    });
    return id;
  }

  // ---- reservations -----------------------------------------------------------------------------------------------

  function endEverywhere(
    operation: string,
    actors: Address[],
    how: 'committed' | 'cancelled' | 'reload',
    done: () => void,
  ): void {
    const byShard = new Map<number, Address[]>();
    for (const actor of actors) {
      const target = shardOf(actor, options.shards);
      byShard.set(target, [...(byShard.get(target) ?? []), actor]);
    }
    let missing = byShard.size;
    const one = (): void => {
      if (--missing === 0) done();
    };
    if (missing === 0) return done();
    for (const [target, mine] of byShard) {
      if (target === shard) {
        for (const actor of mine) endHere(operation, actor, how);
        one();
        continue;
      }
      const envelope = (id: number): Envelope => ({ m: 'end', id, from: shard, operation, actors: mine, how });
      // A shard that is being restarted loads what was committed; it has no reservation to end.
      if (!neighbours.ask(target, envelope, one)) one();
    }
  }

  function endHere(operation: string, actor: Address, how: 'committed' | 'cancelled' | 'reload'): void {
    const cell = cells.get(addressText(actor));
    if (cell === undefined) return;
    const held = unhold(cell, operation);
    if (cell.status === 'loading' || cell.status === 'cold') {
      // The load may or may not see the commit: look again.
      if (how !== 'cancelled') cell.stale = true;
      return;
    }
    if (held === undefined) {
      // Dropped meanwhile, as one of its coordinator's earlier life: what was committed is only in the rows.
      if (how !== 'cancelled') reload(cell);
      return;
    }
    try {
      end(cell, operation, held, how);
    } catch (error) {
      // It is committed, whatever the actor makes of it: what it knows is read again.
      crashed(cell, error);
      reload(cell);
    }
    if (how === 'reload') reload(cell);
    changed(cell);
  }

  function end(cell: Cell, operation: string, held: Held, how: 'committed' | 'cancelled' | 'reload'): void {
    cell.behaviour.unhold(cell.state, operation, held.changes);
    if (how !== 'committed') return;
    for (const change of held.changes) {
      cell.behaviour.evolve(cell.state, change);
      if (cell.rows !== null)
        cell.rows.set(`${change.table}:${change.scope}:${change.key}`, change.value === null ? null : (change as Row));
    }
  }

  function reload(cell: Cell): void {
    if (cell.status === 'idle' || cell.status === 'ready') load(cell);
    else cell.stale = true;
  }

  /** Another shard has a new epoch: what it had reserved here will never be committed, or was and must be read. */
  function dropReservationsOf(from: number): void {
    for (const cell of cells.values()) {
      let dropped = false;
      for (const [operation, held] of cell.held) {
        if (held.from !== from) continue;
        unhold(cell, operation);
        if (cell.status !== 'loading') cell.behaviour.unhold(cell.state, operation, held.changes);
        dropped = true;
      }
      if (dropped) {
        reload(cell);
        changed(cell);
      }
    }
  }

  // ---- life -------------------------------------------------------------------------------------------------------

  function fenced(): void {
    if (state === 'stopped') return;
    state = 'stopped';
    life++;
    options.log('error', 'fenced: another process owns these scopes now', { shard, fences: [...fences.values()] });
    refuseEverything('this process lost its ownership; nothing was changed');
    options.onFenced();
  }

  function refuseEverything(why: string): void {
    coordinator.abandon();
    for (const operation of committer.abandon()) operation.done(unavailable(why));
    for (const cell of cells.values()) for (const mail of takeAll(cell)) mail.respond(unavailable(why));
    cells.clear();
    observation.clear();
  }

  /** Ends a doubt that the database would not end: raise the own epoch, forget everything, load anew (design.md §4). */
  function startOver(): void {
    if (state === 'stopped') return;
    options.log('warn', 'a commit stayed in doubt: raising the epoch and loading anew', { shard });
    life++;
    state = 'starting';
    coordinator.abandon();
    const unsent = committer.abandon();
    const mails = new Map<Cell, Mail[]>([...cells.values()].map((cell) => [cell, takeAll(cell)]));
    cells.clear();
    observation.clear();
    // Their cells are gone from the map, so what comes back for them is only the mail to decide again.
    for (const operation of unsent) operation.done('redo');
    for (const [cell, mail] of mails) for (const one of [...mail, ...takeAgain(cell)]) post(cell.address, one);
    raise(() => {
      options.pipe(MAIN)?.send({ m: 'raised', fences: [...fences.values()] });
    });
  }

  function adopt(held: Fence[]): void {
    for (const fence of held) {
      fences.set(fence.scope, fence);
      versions.set(fence.scope, createVersions(fence.epoch));
    }
  }

  function raise(done: () => void): void {
    const mine = life;
    const attempt = (): void =>
      store.raise([...fences.values()], (raised) => {
        if (mine !== life) return;
        if (isRefusal(raised)) {
          if (raised.kind !== 'Unavailable') return fenced();
          world.after(WHEEL_MS, () => {
            if (mine === life) attempt();
          });
          return;
        }
        adopt(raised);
        state = 'serving';
        for (const cell of cells.values()) wake(cell);
        done();
      });
    attempt();
  }

  /** Everything that is about time and not about one message: deadlines of waiting mail, passivation. */
  function wheel(dueMs = world.monotonicMs()): void {
    if (state === 'stopped') return;
    const now = world.monotonicMs();
    observation.late(Math.max(0, now - dueMs));
    for (const cell of waiting) {
      expire(cell, now);
      if (cell.waiting.length === 0) waiting.delete(cell);
    }
    let parked = 0;
    for (const cell of waiting) parked += cell.waiting.length;
    pressure.tick(parked);
    if (++ticks % TICKS_A_SWEEP === 0 || cells.size > limits.resident) passivate(now);
    world.after(WHEEL_MS, () => wheel(now + WHEEL_MS));
  }

  function passivate(now: number): void {
    for (const name of leaving(cells, now, limits)) {
      observation.forget(cells.get(name) as Cell);
      cells.delete(name);
    }
  }

  function expire(cell: Cell, now: number): void {
    const late = cell.waiting.filter((mail) => mail.deadlineMs <= now);
    if (late.length === 0) return;
    cell.waiting = cell.waiting.filter((mail) => mail.deadlineMs > now);
    for (const mail of late) mail.respond(unavailable(waitText.get(mail) ?? `${mail.name} waited until its deadline`));
  }

  function inspect(actor: Address | null, filter: CellFilter | null): unknown {
    if (actor !== null) {
      const cell = cells.get(addressText(actor));
      return cell === undefined ? null : inspectActor(cell, observation, world.monotonicMs());
    }
    const parts = { shard, state, fences: [...fences.values()], committer, coordinator, cells, observation };
    return inspectShard({ ...parts, nowMs: world.monotonicMs() }, filter);
  }

  /** Refused at once instead of waiting for longer than anybody does. */
  function crowded(deadlineMs: number): Refusal | undefined {
    // A few are no crowd, however slow the first of them is (an actor that loads).
    if (pressure.waiting < FEW) return undefined;
    const waitMs = pressure.expectedWaitMs;
    const leftMs = deadlineMs - world.monotonicMs();
    if (pressure.waiting < limits.waiting && waitMs <= Math.min(limits.waitMs, leftMs)) return undefined;
    const seconds = Math.max(1, Math.ceil(waitMs / 1_000)) + Math.floor(world.random() * 3);
    return overloaded(
      `${pressure.waiting} requests wait here for about ${Math.round(waitMs)} ms; nothing was changed`,
      Math.min(seconds, 30),
    );
  }

  function counted(id: number, answer: (value: unknown) => void): (value: unknown) => void {
    pressure.accepted();
    return (value) => {
      pressure.answered();
      open.delete(id);
      answer(value);
    };
  }

  function answerer(from: number, id: number): (value: unknown) => void {
    return (value) => options.pipe(from)?.send({ m: 'reply', id, value });
  }

  return {
    cells,
    start(done) {
      raise(() => {
        wheel();
        options.pipe(MAIN)?.send({ m: 'ready', fences: [...fences.values()] });
        done();
      });
    },
    deliver(envelope) {
      switch (envelope.m) {
        case 'ask': {
          const answer = answerer(envelope.from, envelope.id);
          if (state === 'stopping') return answer(unavailable('this process is stopping'));
          const isOfMain = envelope.from === MAIN;
          // What another shard asks belongs to something that was let in already.
          const refused = isOfMain ? crowded(envelope.deadlineMs) : undefined;
          if (refused !== undefined) return answer(refused);
          const respond = isOfMain ? counted(envelope.id, answer) : answer;
          const mail: Mail = {
            name: envelope.name,
            body: envelope.body,
            who: envelope.who,
            deadlineMs: envelope.deadlineMs,
            reserve: envelope.reserve === '' ? null : envelope.reserve,
            from: envelope.from,
            key: envelope.key,
            dry: envelope.dry,
            respond,
            attempts: 0,
          };
          if (mail.reserve !== null) mail.life = restarts.get(mail.from) ?? 0;
          if (isOfMain) open.set(envelope.id, mail);
          return post({ scope: envelope.scope, kind: envelope.kind, id: envelope.actor }, mail);
        }
        case 'abandon': {
          const mail = open.get(envelope.id);
          if (mail !== undefined) mail.deadlineMs = -Infinity;
          return;
        }
        case 'reply':
          return neighbours.replied(envelope.id, envelope.value);
        case 'end':
          for (const actor of envelope.actors) endHere(envelope.operation, actor, envelope.how);
          return answerer(envelope.from, envelope.id)(null);
        case 'hint':
          return hint(
            {
              to: { scope: envelope.scope, kind: envelope.kind, id: envelope.actor },
              name: envelope.name,
              body: envelope.body,
            },
            envelope.who,
          );
        case 'adopt':
          adopt(envelope.fences);
          return answerer(envelope.from, envelope.id)(null);
        case 'restarted':
          restarts.set(envelope.shard, (restarts.get(envelope.shard) ?? 0) + 1);
          neighbours.died(envelope.shard);
          return dropReservationsOf(envelope.shard);
        case 'inspect':
          return answerer(envelope.from, envelope.id)(inspect(envelope.actor, envelope.filter));
        case 'audit':
          return auditMemory(envelope.limit, answerer(envelope.from, envelope.id));
        default:
          return options.log('warn', 'a shard does not expect this message', { m: envelope.m });
      }
    },
    stop(stopped) {
      state = 'stopping';
      const wait = (): void => {
        const busy = [...cells.values()].some((cell) => cell.status !== 'idle' && cell.status !== 'cold');
        if (busy || coordinator.running > 0 || committer.depth > 0) return void world.after(10, wait);
        committer.idle(() => {
          state = 'stopped';
          refuseEverything('this process is stopping; nothing was changed');
          supervision.stop();
          stopped();
        });
      };
      wait();
    },
  };
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
