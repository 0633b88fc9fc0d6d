// Where the cases of points.ts are seen that no check looks at anyway: in rows as they are written, in what the actors are
// asked, in what the other sites ask.
import type { BlockRecord } from '../../actors/block/record.ts';
import type { DirectoryRecord } from '../../actors/directory/record.ts';
import type { Group, ShardStore } from '../../actors/ports.ts';
import type { Change } from '../../actors/records.ts';
import { isRefusal } from '../../actors/refusal.ts';
import type { AskHandler } from '../../router/link/serve.ts';
import type { Database } from './database.ts';
import type { Thread, Universe } from './universe.ts';
import type { Wires } from './wires.ts';

/** What is seen in the rows of a database. */
export function watchRows(universe: Universe, wires: Wires, database: Database): void {
  const { site, model, senders } = database;
  const givenMs = new Map<string, number>();
  const homes = new Map<string, string>();

  /** From the gift until the home hears that it came. */
  function seeBlock({ key, value }: { key: string; value: BlockRecord | null }): void {
    if (value === null || value.holderSite === site) return;
    const name = `${key} ${value.h}`;
    if (value.state === 'sent') {
      givenMs.set(name, universe.nowMs);
      database.onNextGift?.(value.holderSite);
      database.onNextGift = undefined;
      return;
    }
    const fromMs = givenMs.get(name);
    if (fromMs !== undefined && wires.breaks(site, value.holderSite, fromMs) > 1)
      universe.met('block moved while its link flapped');
  }

  /** An entry that stood here gives way to one of another site that had not known it. */
  function seeEntry({ key, value }: { key: string; value: DirectoryRecord | null }): void {
    const before = homes.get(key);
    if (value === null || value.entity === null) return void homes.delete(key);
    if (before !== undefined && before !== value.home) universe.met('name conflict');
    homes.set(key, value.home);
  }

  function see(change: Change): void {
    if (change.table === 'block') seeBlock(change);
    else if (change.table === 'directory') seeEntry(change);
  }

  model.onWritten((group: Group) => {
    const sender = senders.get(group.id);
    if (sender !== undefined && !sender.thread.isAlive && sender.main.isAlive)
      universe.met('reservation dropped under a running commit');
    senders.delete(group.id);
    for (const change of group.changes) see(change);
  });
}

/** Remembers who sent a group that takes from several shards, until it is written or answered. */
export function watchSender(
  universe: Universe,
  database: Database,
  main: Thread,
  thread: Thread,
  store: ShardStore,
): ShardStore {
  return {
    ...store,
    commit(group, done) {
      const isShared = new Set(group.fences.map(({ shard }) => shard)).size > 1;
      if (isShared) database.senders.set(group.id, { main, thread });
      const hit = isShared ? database.onNextShared : undefined;
      if (hit !== undefined) {
        database.onNextShared = undefined;
        universe.after(0, () => hit(thread));
      }
      store.commit(group, (outcome) => {
        database.senders.delete(group.id);
        done(outcome);
      });
    },
  };
}

/** What is seen in the answer of an actor. */
export function seeAnswer(
  universe: Universe,
  database: Database,
  isCut: boolean,
  to: { kind: string; scope: string; id: string },
  command: string,
  body: unknown,
  answer: unknown,
): void {
  if (isRefusal(answer)) {
    if (answer.kind === 'Overloaded' && answer.message.includes('requests waiting')) universe.met('mailbox full');
    if (answer.kind === 'Unavailable' && isCut && answer.message.includes("can't give more"))
      universe.met('space out of reach during a cut');
    return;
  }
  if (to.kind !== 'block' || command !== 'receive') return;
  const { h, blocks } = body as { h: string; blocks: unknown[] };
  if (blocks.length <= (answer as { refused: unknown[] }).refused.length) return;
  const name = `${to.scope} ${to.id} ${h}`;
  if (database.received.has(name)) universe.met('hand-over delivered twice');
  database.received.add(name);
}

/** What is seen in what the other sites ask: after the digest of a link-up comes what was missing, more than one entry at once. */
export function watchAsks(universe: Universe): (kind: string, handler: AskHandler) => AskHandler {
  const digested = new Set<string>();
  return (kind, handler) => {
    if (kind === 'directory.digest')
      return (body, peer, asker) => {
        digested.add(peer.name);
        return handler(body, peer, asker);
      };
    if (kind !== 'directory.apply') return handler;
    return (body, peer, asker) => {
      // What is pushed at every change brings one.
      if (digested.delete(peer.name) && (body as { entries: unknown[] }).entries.length > 1)
        universe.met('copy caught up by a digest');
      return handler(body, peer, asker);
    };
  };
}

/** A process that raises the epochs before the one that did so last has begun to serve. */
export function watchTakeOver(universe: Universe, database: Database, thread: Thread): { serves(): void } {
  if (database.unserved !== undefined) universe.met('takeover during a takeover');
  database.unserved = thread.name;
  const hit = database.onNextTakeOver;
  database.onNextTakeOver = undefined;
  hit?.(thread);
  return {
    serves() {
      if (database.unserved === thread.name) database.unserved = undefined;
    },
  };
}
