// The way of a message to its actor's inbox, in this shard or in another one of the process.
import { addressText, shardOf, type Address, type Kind } from '../../address.ts';
import { onlyTells, RANK_PARTS } from '../../command-class.ts';
import type { World } from '../../ports.ts';
import { because, internal, overloaded, unavailable } from '../../refusal.ts';
import type { AnyBehaviour, Hint } from '../behaviour.ts';
import { createCell, createMail, pushInbox, rankOfMail, reply, type Cell, type Mail, type Sent } from '../cell.ts';
import type { Envelope, Pipe } from '../envelope.ts';
import type { Neighbours } from '../neighbours.ts';
import type { ReadyList } from '../ready-list.ts';
import type { Holdings } from './holdings.ts';

const HINT_DEADLINE_MS = 30_000;

const nobodyWaits = (): void => {};

export interface MailOptions {
  world: World;
  holdings: Holdings;
  shards: number;
  behaviours: AnyBehaviour[];
  neighbours: Neighbours;
  ready: ReadyList<Cell>;
  inboxLimit: number;
  pipe(to: number): Pipe | undefined;
  load(cell: Cell): void;
}

export interface MailRoom {
  /** To an actor wherever it lives in the process. */
  send(to: Address, sent: Sent): void;
  /** To an actor of this shard. */
  post(to: Address, mail: Mail): void;
  /** A message that nobody waits for, wherever its actor lives; it is sent at `nowMs`, to within a turn. */
  hint(hint: Hint, who: string, nowMs: number): void;
  /** Lets an actor with mail have its turn, or its state. */
  wake(cell: Cell): void;
}

export function createMailRoom(options: MailOptions): MailRoom {
  const { world, holdings, neighbours } = options;
  const { shard, cells } = holdings;
  const behaviours = new Map<Kind, AnyBehaviour>(options.behaviours.map((behaviour) => [behaviour.kind, behaviour]));
  /** When the hints that are to be sent later are due. */
  const later = new Map<string, number>();

  function send(to: Address, sent: Sent): void {
    const cell = cells.get(to);
    const target = cell === undefined ? shardOf(to, options.shards) : shard;
    if (target === shard) {
      const mail = createMail(sent);
      // Who coordinates it does not outlive this life; what is asked of an actor here does.
      if (mail.reserve !== null) mail.life = holdings.life;
      return cell === undefined ? post(to, mail) : put(cell, mail);
    }
    const envelope = (id: number): Envelope => ({
      m: 'ask',
      id,
      from: shard,
      scope: to.scope,
      kind: to.kind,
      actor: to.id,
      name: sent.name,
      body: sent.body,
      who: sent.who,
      deadlineMs: sent.deadlineMs,
      reserve: sent.reserve ?? '',
      key: sent.key,
      dry: sent.dry,
      ...(sent.isUnborn ? { isUnborn: true } : {}),
      ...(sent.ask === 0 ? {} : { ask: sent.ask }),
    });
    // A reservation is no change, and whose reply is not heard any more is given back.
    const mayChange = sent.reserve === null && !sent.dry && !onlyTells(to.kind, sent.name);
    const { deadlineMs, respond } = sent;
    if (!neighbours.ask(target, { envelope, deadlineMs, mayChange, respond })) {
      respond(because('starting', unavailable(`shard ${target} is being restarted`)));
    }
  }

  function post(to: Address, mail: Mail): void {
    const cell = cells.get(to);
    if (cell !== undefined) return put(cell, mail);
    if (holdings.phase === 'stopped') return reply(mail, because('stopping', unavailable('this process is stopping')));
    if (!holdings.owns(to.scope)) return reply(mail, unavailable(`${to.scope} is not hosted by this process`));
    const behaviour = behaviours.get(to.kind);
    if (behaviour === undefined) return reply(mail, internal(`no such kind of actor: ${to.kind}`));
    const created = createCell(to, behaviour, world.monotonicMs());
    cells.add(created);
    put(created, mail);
  }

  /** Its scope is owned, or it would not be there. */
  function put(cell: Cell, mail: Mail): void {
    if (holdings.phase === 'stopped') return reply(mail, because('stopping', unavailable('this process is stopping')));
    // The part of a rank is looked at only where it matters.
    if (
      cell.inbox.length >= options.inboxLimit / 2 &&
      cell.inbox.length >= options.inboxLimit * RANK_PARTS[rankOfMail(cell.address.kind, mail)]
    ) {
      const { kind, id } = cell.address;
      return reply(mail, overloaded(`${kind} ${id} has ${cell.inbox.length} requests waiting`));
    }
    pushInbox(cell, mail);
    wake(cell);
    if (cell.status !== 'ready') holdings.behind.add(cell);
  }

  function wake(cell: Cell): void {
    if (holdings.phase === 'starting' || holdings.phase === 'stopped') return;
    if (cell.status === 'cold') {
      if (cell.inbox[0]?.isUnborn !== true) return options.load(cell);
      cell.state = cell.behaviour.create(cell.address.id, cell.address.scope);
      cell.status = 'idle';
    }
    if (cell.status !== 'idle' || cell.inbox.length === 0) return;
    cell.status = 'ready';
    options.ready.add(cell);
  }

  function hint(hinted: Hint, who: string, nowMs: number): void {
    const { to, name, body, afterMs } = hinted;
    if (afterMs !== undefined) {
      const key = `${addressText(to)} ${name}`;
      const dueMs = world.monotonicMs() + afterMs;
      if ((later.get(key) ?? Infinity) <= dueMs) return;
      later.set(key, dueMs);
      world.after(afterMs, () => {
        // Not if an earlier one came in between: then this one is one too many, and its name stands for the other.
        if (later.get(key) !== dueMs) return;
        later.delete(key);
        hint({ to, name, body }, who, world.monotonicMs());
      });
      return;
    }
    const cell = cells.get(to);
    const target = cell === undefined ? shardOf(to, options.shards) : shard;
    if (target === shard) {
      const mail = createMail({
        name,
        body,
        who,
        deadlineMs: nowMs + HINT_DEADLINE_MS,
        reserve: null,
        from: shard,
        respond: nobodyWaits,
        key: null,
        dry: false,
        isUnborn: false,
        ask: 0,
      });
      return cell === undefined ? post(to, mail) : put(cell, mail);
    }
    const { scope, kind, id: actor } = to;
    options.pipe(target)?.send({ m: 'hint', scope, kind, actor, name, body, who });
  }

  return { send, post, hint, wake };
}
