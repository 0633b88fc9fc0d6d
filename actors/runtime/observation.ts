// What a shard remembers of the last turns and messages of its actors, for people who look. Only of those that were
// active last: a plant of idle actors pays nothing for it.
import type { World } from '../ports.ts';
import type { Cell, Mail, Note, Noter, Recent } from './cell.ts';
import { createTurnCounts, type TurnFigures } from './turn-figures.ts';

/** One message that an actor heard, for people who look. */
export interface Heard extends Pick<Note, 'name' | 'who' | 'outcome'> {
  /** From then to its answer; null: not answered yet. */
  ms: number | null;
  /** Wall clock at the beginning of the turn that looked at it first. */
  atMs: number;
}

export interface Times {
  count: number;
  last: number;
  p50: number;
  p99: number;
}

export interface Observation {
  /** What a turn that began at `cell.touchedMs` could do at once is done; what it left open is noted when it is answered. */
  decided(cell: Cell, batch: Mail[], nowMs: number): void;
  /** A turn is over, commit included. */
  end(cell: Cell, nowMs: number): void;
  /** The actor leaves memory. */
  forget(cell: Cell): void;
  /** All of them do: the shard starts over. */
  clear(): void;
  of(cell: Cell): { messages: Heard[]; turnMs: Times | null };
  /** The wheel turned this much later than it should: the thread was busy. */
  late(ms: number): void;
  readonly loopDelayMs: Times | null;
  readonly actors: number;
  /** Turns by kind. */
  readonly turns: TurnFigures[];
}

const MESSAGES = 16;
const TURNS = 64;
const TICKS = 128;
/** Actors of a shard whose history is kept: the most recently active ones. */
const ACTORS = 1_024;

/** To a microsecond: what a clock says beyond is noise. */
const micro = (ms: number): number => Math.round(ms * 1_000) / 1_000;

/** Oldest first, of a ring whose next entry goes to `next`. */
const inOrder = <T>(ring: readonly T[], next: number, size: number): T[] =>
  ring.length < size ? [...ring] : [...ring.slice(next), ...ring.slice(0, next)];

function timesOf(values: readonly number[]): Times | null {
  const last = values.at(-1);
  if (last === undefined) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const at = (part: number): number => sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] as number;
  return { count: values.length, last, p50: at(0.5), p99: at(0.99) };
}

export function createObservation(
  world: Pick<World, 'monotonicMs' | 'wallMs'>,
  limits: { actors: number } = { actors: ACTORS },
): Observation {
  /** Who has a history; a hand goes around and takes it from who had no turn since it came by. */
  const kept: Cell[] = [];
  let hand = 0;
  const turnCounts = createTurnCounts();
  const ticks: number[] = [];
  let nextTick = 0;

  function drop(place: number): void {
    (kept[place] as Cell).recent = null;
    const last = kept.pop() as Cell;
    if (place < kept.length) kept[place] = last;
  }

  function makeRoom(): void {
    if (kept.length < limits.actors) return;
    for (let i = 0; i <= kept.length; i++) {
      hand = (hand + 1) % kept.length;
      const { recent } = kept[hand] as Cell;
      if (recent?.isFresh !== true) break;
      recent.isFresh = false;
    }
    drop(hand);
  }

  function recentOf(cell: Cell): Recent {
    if (cell.recent !== null) {
      cell.recent.isFresh = true;
      return cell.recent;
    }
    makeRoom();
    kept.push(cell);
    return (cell.recent = { messages: [], nextMessage: 0, turnsMs: [], nextTurn: 0, isFresh: true });
  }

  const noter: Noter = {
    answered(note, { outcome }) {
      note.outcome = outcome;
      note.ms = micro(world.monotonicMs() - note.startMs);
    },
  };

  /** The line of a message that a turn has looked at first; its answer, if it came in the turn, came after `ms`. */
  function write(recent: Recent, mail: Mail, startMs: number, ms: number): void {
    const { name, who, outcome } = mail;
    const isOpen = outcome === 'open';
    const { messages, nextMessage: place } = recent;
    recent.nextMessage = (place + 1) % MESSAGES;
    let line = messages[place];
    // A line that nobody will write to any more is written over: making one for each message is garbage that lives long.
    if (line === undefined || Number.isNaN(line.ms)) {
      line = { name, who, startMs, ms: isOpen ? NaN : ms, outcome, noter };
      messages[place] = line;
    } else {
      line.name = name;
      line.who = who;
      line.startMs = startMs;
      line.ms = isOpen ? NaN : ms;
      line.outcome = outcome;
    }
    if (isOpen) mail.note = line;
  }

  return {
    decided(cell, batch, nowMs) {
      const { touchedMs } = cell;
      const recent = recentOf(cell);
      const ms = micro(nowMs - touchedMs);
      // Of a long batch only what the ring will keep: under load this costs next to nothing a message.
      for (let i = Math.max(0, batch.length - MESSAGES); i < batch.length; i++) {
        const mail = batch[i] as Mail;
        // Decided again, or waited: it has its line already.
        if (mail.note === null) write(recent, mail, touchedMs, ms);
      }
    },
    end({ recent, touchedMs, address }, nowMs) {
      const ms = micro(nowMs - touchedMs);
      turnCounts.count(address.kind, ms);
      if (recent === null) return;
      recent.turnsMs[recent.nextTurn] = ms;
      recent.nextTurn = (recent.nextTurn + 1) % TURNS;
    },
    forget(cell) {
      if (cell.recent !== null) drop(kept.indexOf(cell));
    },
    clear() {
      for (const cell of kept) cell.recent = null;
      kept.length = 0;
    },
    of({ recent }) {
      if (recent === null) return { messages: [], turnMs: null };
      const zeroMs = world.wallMs() - world.monotonicMs();
      return {
        messages: inOrder(recent.messages, recent.nextMessage, MESSAGES).map(({ name, who, startMs, ms, outcome }) => ({
          name,
          who,
          atMs: Math.round(zeroMs + startMs),
          ms: Number.isNaN(ms) ? null : ms,
          outcome,
        })),
        turnMs: timesOf(inOrder(recent.turnsMs, recent.nextTurn, TURNS)),
      };
    },
    late(ms) {
      ticks[nextTick] = micro(ms);
      nextTick = (nextTick + 1) % TICKS;
    },
    get loopDelayMs() {
      return timesOf(inOrder(ticks, nextTick, TICKS));
    },
    get actors() {
      return kept.length;
    },
    get turns() {
      return turnCounts.list();
    },
  };
}
