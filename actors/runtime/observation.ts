// What a shard remembers of the last turns and messages of its actors, for people who look. Only of those that were
// active last: a plant of idle actors pays nothing for it.
import type { World } from '../ports.ts';
import { isRefusal } from '../refusal.ts';
import type { Cell, Mail } from './cell.ts';

/** One message that an actor heard. */
export interface Heard {
  name: string;
  who: string;
  /** Wall clock at the beginning of the turn that looked at it first. */
  atMs: number;
  /** From then to its answer; null: not answered yet. */
  ms: number | null;
  /** `ok`, `reserved`, the kind of the refusal, or `open`. */
  outcome: string;
}

export interface Times {
  count: number;
  last: number;
  p50: number;
  p99: number;
}

export interface Observation {
  /** A turn begins with these messages; their answers are noted from here on. */
  begin(cell: Cell, batch: Mail[]): void;
  /** Its turn is over, commit included. */
  end(cell: Cell): void;
  /** The actor leaves memory. */
  forget(cell: Cell): void;
  /** All of them do: the shard starts over. */
  clear(): void;
  of(cell: Cell): { messages: Heard[]; turnMs: Times | null };
  /** The wheel turned this much later than it should: the thread was busy. */
  late(ms: number): void;
  readonly loopDelayMs: Times | null;
  readonly actors: number;
}

const MESSAGES = 16;
const TURNS = 64;
const TICKS = 128;
/** Actors of a shard whose history is kept: the most recently active ones. */
const ACTORS = 1_024;

interface Ring<T> {
  push(value: T): void;
  /** Oldest first. */
  all(): T[];
}

function createRing<T>(size: number): Ring<T> {
  const kept: T[] = [];
  let next = 0;
  return {
    push(value) {
      kept[next] = value;
      next = (next + 1) % size;
    },
    all: () => (kept.length < size ? [...kept] : [...kept.slice(next), ...kept.slice(0, next)]),
  };
}

function timesOf(ring: Ring<number>): Times | null {
  const values = ring.all();
  const last = values.at(-1);
  if (last === undefined) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const at = (part: number): number => sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] as number;
  return { count: values.length, last, p50: at(0.5), p99: at(0.99) };
}

/** To a microsecond: what a clock says beyond is noise. */
const micro = (ms: number): number => Math.round(ms * 1_000) / 1_000;

interface Recent {
  messages: Ring<Heard>;
  turns: Ring<number>;
}

const outcomeOf = (mail: Mail, value: unknown): string =>
  isRefusal(value) ? value.kind : mail.reserve === null ? 'ok' : 'reserved';

export function createObservation(
  world: Pick<World, 'monotonicMs' | 'wallMs'>,
  limits: { actors: number } = { actors: ACTORS },
): Observation {
  /** In order of their last turn. */
  const recent = new Map<Cell, Recent>();
  const ticks = createRing<number>(TICKS);

  function touch(cell: Cell): Recent {
    const known = recent.get(cell) ?? { messages: createRing<Heard>(MESSAGES), turns: createRing<number>(TURNS) };
    recent.delete(cell);
    recent.set(cell, known);
    if (recent.size > limits.actors) recent.delete(recent.keys().next().value as Cell);
    return known;
  }

  return {
    begin(cell, batch) {
      const { messages } = touch(cell);
      const startMs = cell.touchedMs;
      const atMs = world.wallMs();
      // Of a long batch only what the ring will keep: under load this costs next to nothing a message.
      for (let i = Math.max(0, batch.length - MESSAGES); i < batch.length; i++) {
        const mail = batch[i] as Mail;
        // Decided again, or waited: it has its line already, and must not be wrapped once more each time.
        if (mail.isHeard === true) continue;
        mail.isHeard = true;
        const heard: Heard = { name: mail.name, who: mail.who, atMs, ms: null, outcome: 'open' };
        messages.push(heard);
        const { respond } = mail;
        mail.respond = (value) => {
          heard.ms = micro(world.monotonicMs() - startMs);
          heard.outcome = outcomeOf(mail, value);
          respond(value);
        };
      }
    },
    end(cell) {
      recent.get(cell)?.turns.push(micro(world.monotonicMs() - cell.touchedMs));
    },
    forget: (cell) => void recent.delete(cell),
    clear: () => recent.clear(),
    of(cell) {
      const known = recent.get(cell);
      return { messages: known?.messages.all() ?? [], turnMs: known === undefined ? null : timesOf(known.turns) };
    },
    late: (ms) => ticks.push(micro(ms)),
    get loopDelayMs() {
      return timesOf(ticks);
    },
    get actors() {
      return recent.size;
    },
  };
}
