// Messages inside a shard of this thread, through its cells, its ready list and its turns; and what nact makes of the same.
import { dispatch, query, spawn, start, stop } from 'nact';
import type { Address } from '../../actors/address.ts';
import { MAIN, type Envelope } from '../../actors/runtime/envelope.ts';
import { createShard } from '../../actors/runtime/shard.ts';
import { realWorld } from '../world.ts';
import { counterAt, countingBehaviour, forgetfulStore, SCOPE, type Tour } from './counting-actor.ts';

const DEADLINE_MS = 600_000;

/** CPU time of this process, its collector's threads included, in ms. */
export const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
};

export interface Counters {
  /** What the main thread would ask; `heard` gets the answer. */
  ask(to: Address, name: string, body: unknown, heard: (value: unknown) => void): void;
  asked<T>(to: Address, name: string, body: unknown): Promise<T>;
  readonly size: number;
}

/** A shard of counting actors. */
export function startCounters(): Counters {
  const asks = new Map<number, (value: unknown) => void>();
  let nextId = 1;
  const deadlineMs = realWorld.monotonicMs() + DEADLINE_MS;
  const pipe = {
    send(envelope: Envelope) {
      if (envelope.m !== 'reply') return;
      const heard = asks.get(envelope.id);
      asks.delete(envelope.id);
      heard?.(envelope.value);
    },
  };
  const shard = createShard({
    shard: 0,
    shards: 1,
    fences: [{ scope: SCOPE, shard: 0, epoch: 1 }],
    behaviours: [countingBehaviour],
    world: realWorld,
    store: forgetfulStore(realWorld),
    pipe: (to) => (to === MAIN ? pipe : undefined),
    log: (level, message, fields) => console.error(level, message, JSON.stringify(fields)),
    onFenced: () => console.error('fenced'),
    limits: { resident: Infinity },
  });
  shard.start(() => {});
  const ask: Counters['ask'] = ({ scope, kind, id: actor }, name, body, heard) => {
    const id = nextId++;
    asks.set(id, heard);
    const how = { who: 'bench', deadlineMs, reserve: '', key: null, dry: false } as const;
    shard.deliver({ m: 'ask', id, from: MAIN, scope, kind, actor, name, body, ...how });
  };
  return {
    ask,
    asked: (to, name, body) => new Promise((resolve) => ask(to, name, body, (value) => resolve(value as never))),
    get size() {
      return shard.cells.size;
    },
  };
}

/** Messages a second of CPU time. */
async function rate(count: number, run: () => Promise<unknown>): Promise<number> {
  const from = cpuMs();
  await run();
  return (1_000 * count) / (cpuMs() - from);
}

/** An actor tells all others, again and again: each has `each` messages waiting when its turn comes. */
export function tells(counters: Counters, actors: readonly Address[], each: number, count: number): Promise<number> {
  const hints = Array.from({ length: each }, () => actors.map((to) => ({ to, name: 'look', body: null }))).flat();
  const rounds = Math.ceil(count / hints.length);
  const teller = counterAt(actors.length);
  return rate(rounds * hints.length, async () => {
    // It is asked again when those it told have had their turns: the ready list takes them in order.
    for (let round = 0; round < rounds; round++) await counters.asked(teller, 'tell', hints);
    await counters.asked(teller, 'look', null);
  });
}

/** So many actors ask others: `atOnce` each, and on with the answers. */
export function asks(counters: Counters, actors: readonly Address[], askers: number, atOnce: number, count: number) {
  const each = Math.ceil(count / askers);
  return rate(askers * each, () =>
    Promise.all(
      Array.from({ length: askers }, (_, n) => {
        const from = Math.floor((n * actors.length) / askers);
        const body: Tour = { to: [...actors.slice(from), ...actors.slice(0, from)], atOnce, asks: each };
        return counters.asked(counterAt(actors.length + 1 + n), 'tour', body);
      }),
    ),
  );
}

/** Asked as the edge asks, but from this thread: an answer for each. */
export function outerAsks(
  counters: Counters,
  actors: readonly Address[],
  name: string,
  inFlight: number,
  count: number,
): Promise<number> {
  return rate(
    count,
    () =>
      new Promise<void>((resolve) => {
        let sent = 0;
        let heard = 0;
        const next = (): void => {
          if (sent < count) counters.ask(actors[sent++ % actors.length]!, name, null, answered);
        };
        const answered = (): void => {
          if (++heard === count) resolve();
          else next();
        };
        for (let i = 0; i < inFlight; i++) next();
      }),
  );
}

/** nact takes no more than some hundreds of children without copying them for each message. */
const NACT_GROUP = 200;

type Reference = { readonly nact: unique symbol };

function startNact(count: number) {
  const system = start({ name: `bench-${Math.floor(realWorld.monotonicMs())}` } as never);
  const actors: Reference[] = [];
  let group: unknown;
  const heard = { count: 0 };
  const look = (state: { version: number }, message: { sender?: Reference }): { version: number } => {
    heard.count++;
    if (message.sender !== undefined) dispatch(message.sender, state.version);
    return state;
  };
  for (let n = 0; n < count; n++) {
    if (n % NACT_GROUP === 0) group = spawn(system, (state: undefined) => state, `group-${n}`);
    const options = { initialState: { version: 0 } } as never;
    actors.push(spawn(group as never, look as never, `counter-${n}`, options) as unknown as Reference);
  }
  return { actors, heard, stop: () => stop(system) };
}

/** The same with nact alone: each of its actors is told once a turn of the event loop. */
export async function nactTells(actors: number, count: number): Promise<number> {
  const nact = startNact(actors);
  const figure = await rate(count, async () => {
    for (let sent = 0; sent < count; sent += actors) {
      for (const actor of nact.actors) dispatch(actor, {});
      while (nact.heard.count < sent + actors) await new Promise((resolve) => setImmediate(resolve));
    }
  });
  nact.stop();
  return figure;
}

export async function nactAsks(actors: number, inFlight: number, count: number): Promise<number> {
  const nact = startNact(actors);
  let sent = 0;
  const asker = async (): Promise<void> => {
    while (sent < count) {
      const actor = nact.actors[sent++ % actors]!;
      await query(actor as never, ((sender: Reference) => ({ sender })) as never, 60_000);
    }
  };
  const figure = await rate(count, () => Promise.all(Array.from({ length: inFlight }, asker)));
  nact.stop();
  return figure;
}

/** Bytes of heap an idle actor of nact, its state (an object of one number) included. */
export function nactBytes(count: number, heapOf: () => number): number {
  const before = heapOf();
  const nact = startNact(count);
  const bytes = (heapOf() - before) / count;
  nact.stop();
  return bytes;
}
