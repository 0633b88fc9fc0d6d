// A shard: the actors of its slice of the process's scopes, their mailboxes, their committer. Single-threaded, no
// promises, no I/O but the ports. Its rooms lie in shard/; here they are joined, and what comes in is handed to them.
import type { Address } from '../address.ts';
import type { Fence, LogEntry, ShardStore, World } from '../ports.ts';
import { because, unavailable } from '../refusal.ts';
import type { AnyBehaviour } from './behaviour.ts';
import { createMail, type Cell } from './cell.ts';
import type { Cells } from './cells.ts';
import { createCommitter } from './committer.ts';
import { createCoordinator } from './coordinator.ts';
import { MAIN, type Envelope, type Pipe } from './envelope.ts';
import { inspectActor, inspectShard, type CellFilter } from './inspection.ts';
import type { InHand } from './in-hand.ts';
import { createMemoryAudit } from './memory-audit.ts';
import { createNeighbours } from './neighbours.ts';
import { createObservation } from './observation.ts';
import { createReadyList } from './ready-list.ts';
import { createCrashes } from './shard/crashes.ts';
import { answerLate } from './shard/deadlines.ts';
import { createGate } from './shard/gate.ts';
import { createHoldings } from './shard/holdings.ts';
import { createLife, type Life } from './shard/life.ts';
import { LIMITS, type ShardLimits } from './shard/limits.ts';
import { createMailRoom } from './shard/mail.ts';
import { createReservations, type Reservations } from './shard/reservations.ts';
import { toldOf } from './shard/told.ts';
import { createTurns, type Turns } from './shard/turns.ts';
import { startWheel } from './shard/wheel.ts';

export type { ShardLimits } from './shard/limits.ts';

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
  /** Where the host can read what is being worked on, should the thread die of it. */
  inHand?: InHand;
}

export interface Shard {
  deliver(envelope: Envelope): void;
  /** Raises the epoch (a predecessor's statement may still run) and begins to serve. */
  start(ready: () => void): void;
  /** Answers everything accepted so far, then calls back. New asks are refused meanwhile. */
  stop(stopped: () => void): void;
  readonly cells: Pick<Cells, 'get' | 'values' | 'size'>;
}

export function createShard(options: ShardOptions): Shard {
  const { world, store, shard, shards, log } = options;
  const pipe = (to: number): Pipe | undefined => options.pipe(to);
  const limits = { ...LIMITS, ...options.limits };
  const holdings = createHoldings(shard, options.fences);
  const { cells, fenceOf } = holdings;
  const gate = createGate(world, limits);
  const neighbours = createNeighbours(pipe);
  const observation = createObservation(world);
  const auditMemory = createMemoryAudit({ world, store, cells, fenceOf });
  const inHand = options.inHand ?? { ask: 0 };
  const crashes = createCrashes({ world, shard, pipe, log });

  // They need each other, so they reach those below them when they are called, not when they are made.
  const ready = createReadyList<Cell>(world, (cell, nowMs) => turns.run(cell, nowMs));
  const mail = createMailRoom({
    world,
    holdings,
    shards,
    behaviours: options.behaviours,
    neighbours,
    ready,
    inboxLimit: limits.inbox,
    pipe,
    load: (cell) => turns.load(cell),
  });
  const committer = createCommitter({
    world,
    store,
    shard,
    fence: fenceOf,
    onCommitted: (entries: LogEntry[]) => pipe(MAIN)?.send({ m: 'log', entries: entries.map(toldOf) }),
    onFenced: () => life.fenced(),
    onDoubt: () => life.startOver(),
    limits: { operationsPerGroup: limits.operationsPerGroup },
  });
  const submit = committer.submit;
  const coordinator = createCoordinator({
    world,
    inHand,
    shard,
    send: mail.send,
    end: (ended, done) => reservations.endEverywhere(ended, done),
    submit,
    hint: mail.hint,
    isOwn: (fence) => fence.shard === shard,
  });
  const turns: Turns = createTurns({
    world,
    store,
    holdings,
    observation,
    batchLimit: limits.batch,
    host: {
      world,
      inHand,
      dryHolds: holdings.dryHolds,
      fenceOf,
      version: holdings.version,
      coordinate: (cell, one, factory) =>
        coordinator.start(cell.address.scope, one, factory, (error) => crashes.quarantine(cell, one, error)),
      submit,
      hint: mail.hint,
      isVoid: (one) => one.life !== null && one.life !== restartsOf(one.from),
      crashed: crashes.crashed,
      quarantine: crashes.quarantine,
    },
    wake: mail.wake,
  });
  const reservations: Reservations = createReservations({
    world,
    holdings,
    shards,
    neighbours,
    reload: turns.reload,
    changed: turns.changed,
    crashed: crashes.crashed,
  });
  const life: Life = createLife({
    world,
    store,
    holdings,
    committer,
    coordinator,
    observation,
    mail,
    log,
    onFenced: options.onFenced,
    onEpoch() {
      for (let other = 0; other < shards; other++) if (other !== shard) pipe(other)?.send({ m: 'restarted', shard });
    },
    onRaised: () => pipe(MAIN)?.send({ m: 'raised', fences: holdings.fences() }),
    onDoubt: () => pipe(MAIN)?.send({ m: 'doubt' }),
  });

  /** Of this one: how often it started over. */
  const restartsOf = (other: number): number => (other === shard ? holdings.life : (holdings.restarts.get(other) ?? 0));

  function asked(envelope: Extract<Envelope, { m: 'ask' }>): void {
    const answer = answerer(envelope.from, envelope.id);
    if (holdings.isStopping) return answer(because('stopping', unavailable('this process is stopping')));
    const isOfMain = envelope.from === MAIN;
    // What another shard asks belongs to something that was let in already.
    const refused = isOfMain ? gate.refuses(envelope.deadlineMs, envelope.kind, envelope.name) : undefined;
    if (refused !== undefined) return answer(refused);
    const letter = createMail({
      name: envelope.name,
      body: envelope.body,
      who: envelope.who,
      deadlineMs: envelope.deadlineMs,
      reserve: envelope.reserve === '' ? null : envelope.reserve,
      from: envelope.from,
      respond: isOfMain ? gate.admit(envelope.id, answer) : answer,
      key: envelope.key,
      dry: envelope.dry,
      isUnborn: envelope.isUnborn === true,
      ask: isOfMain ? envelope.id : (envelope.ask ?? 0),
    });
    if (letter.reserve !== null) letter.life = restartsOf(letter.from);
    if (isOfMain) gate.note(envelope.id, letter);
    mail.post({ scope: envelope.scope, kind: envelope.kind, id: envelope.actor }, letter);
  }

  function late(id: number): void {
    const letter = gate.abandon(id);
    if (letter === undefined) return;
    // Who has an operation there hears of it from there.
    committer.giveUp();
    answerLate(letter);
  }

  function inspect(actor: Address | null, filter: CellFilter | null): unknown {
    const nowMs = world.monotonicMs();
    if (actor !== null) {
      const cell = cells.get(actor);
      return cell === undefined ? null : inspectActor(cell, observation, nowMs);
    }
    const { phase: state } = holdings;
    const fences = holdings.fences();
    return inspectShard({ shard, state, fences, committer, coordinator, cells, observation, nowMs }, filter);
  }

  function answerer(from: number, id: number): (value: unknown) => void {
    return (value) => pipe(from)?.send({ m: 'reply', id, value });
  }

  return {
    cells,
    start(done) {
      // Before it serves: mail may come already, and the database may be long in answering.
      startWheel({ world, holdings, committer, neighbours, observation, gate, limits });
      life.start(() => {
        pipe(MAIN)?.send({ m: 'ready', fences: holdings.fences() });
        done();
      });
    },
    deliver(envelope) {
      switch (envelope.m) {
        case 'ask':
          return asked(envelope);
        case 'abandon':
          return void gate.abandon(envelope.id);
        case 'late':
          return late(envelope.id);
        case 'reply':
          if (!neighbours.replied(envelope.id, envelope.value)) reservations.giveBack(envelope.value);
          return;
        case 'end':
          for (const actor of envelope.actors) reservations.endHere(envelope.operation, actor, envelope.how);
          return answerer(envelope.from, envelope.id)(null);
        case 'hint': {
          const { scope, kind, actor: id, name, body } = envelope;
          return mail.hint({ to: { scope, kind, id }, name, body }, envelope.who, world.monotonicMs());
        }
        case 'adopt':
          holdings.adopt(envelope.fences);
          return answerer(envelope.from, envelope.id)(null);
        case 'restarted':
          holdings.restarts.set(envelope.shard, restartsOf(envelope.shard) + 1);
          neighbours.died(envelope.shard);
          return reservations.dropOf(envelope.shard);
        case 'inspect':
          return answerer(envelope.from, envelope.id)(inspect(envelope.actor, envelope.filter));
        case 'audit':
          return auditMemory(envelope.limit, answerer(envelope.from, envelope.id));
        default:
          return log('warn', 'a shard does not expect this message', { m: envelope.m });
      }
    },
    stop(stopped) {
      life.stop(() => {
        crashes.stop();
        stopped();
      });
    },
  };
}
