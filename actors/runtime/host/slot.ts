// What the main thread knows of one shard and of the thread it runs on.
import type { Fence } from '../../ports.ts';
import type { Pipe } from '../envelope.ts';
import type { InHand } from '../in-hand.ts';
import { OpenById } from '../open-by-id.ts';
import type { Suspect } from '../suspects.ts';
import type { Port, RunningThread } from '../threads.ts';
import type { Hearing } from './hearing.ts';
import type { Presence } from './presence.ts';

export interface OpenAsk {
  respond: (value: unknown) => void;
  suspect: Suspect | undefined;
  /** What lies in quarantine and is a part of it. */
  setAside?: string;
  /** It was answered that something broke. */
  isFailed?: true;
}

export interface Slot {
  readonly shard: number;
  readonly hearing: Hearing;
  readonly presence: Presence;
  /** undefined, like its port and its pipe: there is none at the moment. */
  thread: RunningThread | undefined;
  port: Port | undefined;
  pipe: Pipe | undefined;
  fences: Fence[];
  /** By id, unique among all shards; all fail when the thread dies. */
  readonly asks: OpenById<OpenAsk>;
  /** What its thread is working on. */
  inHand: InHand;
  /** What it was working on when it died. */
  killer: Suspect | undefined;
  /** Why we ended its thread ourselves; '' if we did not. */
  verdict: string;
  backoffMs: number;
  /** Something came from its thread. */
  isHeard: boolean;
}

export const FIRST_BACKOFF_MS = 100;

export const createSlot = (shard: number, fences: Fence[], hearing: Hearing, presence: Presence): Slot => ({
  shard,
  hearing,
  presence,
  thread: undefined,
  port: undefined,
  pipe: undefined,
  fences,
  asks: new OpenById(),
  inHand: { ask: 0 },
  killer: undefined,
  verdict: '',
  backoffMs: FIRST_BACKOFF_MS,
  isHeard: false,
});
