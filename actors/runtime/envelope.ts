// What travels between the threads of a process, as msgpackr frames.
import type { Address, Kind, Scope } from '../address.ts';
import type { Fence, IdempotencyKey, LogEntry } from '../ports.ts';
import type { CellFilter } from './inspection.ts';
import type { CrashedMessage } from './quarantine.ts';

/** The main thread's place among the shards. */
export const MAIN = -1;

export type Envelope =
  | {
      m: 'ask';
      id: number;
      from: number;
      scope: Scope;
      kind: Kind;
      actor: string;
      name: string;
      body: unknown;
      who: string;
      deadlineMs: number;
      /** Operation that reserves; '' for a command. */
      reserve: string;
      key: IdempotencyKey | null;
      dry: boolean;
      /** Of another shard's: the main thread's ask that it belongs to. */
      ask?: number;
      isUnborn?: boolean;
    }
  | { m: 'reply'; id: number; value: unknown }
  /** Main → shard: nobody waits for the answer to this ask any more. */
  | { m: 'abandon'; id: number }
  /** Main → shard: the time of this ask is over. It is answered at once, with what can be said of it. */
  | { m: 'late'; id: number }
  /** Ends the reservations of an operation at these actors; answered with a reply. */
  | {
      m: 'end';
      id: number;
      from: number;
      operation: string;
      actors: Address[];
      how: 'committed' | 'cancelled' | 'reload';
    }
  | { m: 'hint'; scope: Scope; kind: Kind; actor: string; name: string; body: unknown; who: string }
  /** Shard → main: what was just committed, in order. */
  | { m: 'log'; entries: LogEntry[] }
  /** Between shards: the sender has a new epoch; what it had reserved is void. */
  | { m: 'restarted'; shard: number }
  /** Main → shard: a scope was added (a partition created here). Answered with a reply. */
  | { m: 'adopt'; id: number; from: number; fences: Fence[] }
  | { m: 'ready'; fences: Fence[] }
  | { m: 'raised'; fences: Fence[] }
  /** Shard → main: a commit stayed in doubt; what was written is not known before `raised`. */
  | { m: 'doubt' }
  | { m: 'fenced' }
  /**
   * Shard → main: an actor threw at this message again and again. `ask`: of the main thread, that it belongs to (0: to
   * none); `isPart`: it is not what was asked itself.
   */
  | { m: 'quarantined'; message: CrashedMessage; ask: number; isPart: boolean }
  /** Main → shard, and back: is its event loop turning? */
  | { m: 'ping' }
  | { m: 'pong' }
  /** Main → shard: one actor in full, or the shard with the actors that the filter lets through. */
  | { m: 'inspect'; id: number; from: number; actor: Address | null; filter: CellFilter | null }
  /** Main → shard: compare up to `limit` actors with their rows. Answered with a reply. */
  | { m: 'audit'; id: number; from: number; limit: number }
  /** Main → shard: finish what was accepted, then say `stopped`. */
  | { m: 'stop' }
  | { m: 'stopped' };

/** Sends envelopes to the other end of a pipe, in order. */
export interface Pipe {
  send(envelope: Envelope): void;
}
