// The sound parts of a site that a mutation check replaces: objects at the ports of the product, which knows nothing of it.
import type { ShardStore, SiteStore } from '../../actors/ports.ts';
import type { AnyBehaviour } from '../../actors/runtime/behaviour.ts';
import type { Envelope } from '../../actors/runtime/envelope.ts';
import type { StoreRules } from '../../actors/runtime/store-model.ts';
import type { EdgeApp } from '../../http/server.ts';
import type { EdgeConfig } from '../../http/site.ts';
import type { AskHandler } from '../../router/link/serve.ts';
import type { Database } from './database.ts';
import type { Thread } from './universe.ts';

/** What a mutation check puts in place of a sound part; the sound one is the identity. */
export interface Parts {
  behaviours(sound: AnyBehaviour[]): AnyBehaviour[];
  shardStore(sound: ShardStore, thread: Thread): ShardStore;
  siteStore(sound: SiteStore, database: Database, main: Thread): SiteStore;
  /** Whether a message between two threads arrives; undefined: all do. */
  arrives: ((envelope: Envelope) => boolean) | undefined;
  /** Serves the asks of one kind of the other sites. */
  ask(kind: string, sound: AskHandler): AskHandler;
  app(sound: EdgeApp, config: EdgeConfig): EdgeApp;
  /** Whether the lease is looked at before an answer leaves. */
  isGuarded: boolean;
  /** Whether requests wait while it is still read what the shards wrote. */
  waitsToHear: boolean;
  /** Milliseconds that an ask may take. */
  withinMs(sound: number): number;
}

export interface Mutation {
  parts?: Partial<Parts>;
  rules?: Partial<StoreRules>;
}

export const SOUND: Parts = {
  behaviours: (sound) => sound,
  shardStore: (sound) => sound,
  siteStore: (sound) => sound,
  arrives: undefined,
  ask: (_kind, sound) => sound,
  app: (sound) => sound,
  isGuarded: true,
  waitsToHear: true,
  withinMs: (sound) => sound,
};
