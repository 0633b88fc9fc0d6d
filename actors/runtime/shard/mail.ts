// The way of a message to its actor's inbox, in this shard or in another one of the process.
import { addressText, shardOf, type Address, type Kind } from '../../address.ts';
import type { World } from '../../ports.ts';
import { internal, overloaded, unavailable } from '../../refusal.ts';
import type { AnyBehaviour, Hint } from '../behaviour.ts';
import { createCell, pushInbox, type Cell, type Mail } from '../cell.ts';
import type { Envelope, Pipe } from '../envelope.ts';
import type { Neighbours } from '../neighbours.ts';
import type { ReadyList } from '../ready-list.ts';
import type { Holdings } from './holdings.ts';

const HINT_DEADLINE_MS = 30_000;

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
  send(to: Address, mail: Omit<Mail, 'attempts' | 'from'>): void;
  /** To an actor of this shard. */
  post(to: Address, mail: Mail): void;
  /** A message that nobody waits for, wherever its actor lives. */
  hint(hint: Hint, who: string): void;
  /** Lets an actor with mail have its turn, or its state. */
  wake(cell: Cell): void;
}

export function createMailRoom(options: MailOptions): MailRoom {
  const { world, holdings, neighbours } = options;
  const { shard, cells } = holdings;
  const behaviours = new Map<Kind, AnyBehaviour>(options.behaviours.map((behaviour) => [behaviour.kind, behaviour]));

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
      ...(mail.isUnborn === true ? { isUnborn: true } : {}),
    });
    if (!neighbours.ask(target, envelope, mail.respond)) {
      mail.respond(unavailable(`shard ${target} is being restarted`));
    }
  }

  function post(to: Address, mail: Mail): void {
    if (holdings.phase === 'stopped') return mail.respond(unavailable('this process is stopping'));
    if (!holdings.owns(to.scope)) return mail.respond(unavailable(`${to.scope} is not hosted by this process`));
    const behaviour = behaviours.get(to.kind);
    if (behaviour === undefined) return mail.respond(internal(`no such kind of actor: ${to.kind}`));
    const name = addressText(to);
    let cell = cells.get(name);
    if (cell === undefined) {
      cell = createCell(to, behaviour, world.monotonicMs());
      cells.set(name, cell);
    }
    if (cell.inbox.length >= options.inboxLimit) {
      return mail.respond(overloaded(`${to.kind} ${to.id} has ${cell.inbox.length} requests waiting`));
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

  return { send, post, hint, wake };
}
