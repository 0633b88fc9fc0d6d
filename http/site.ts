// What the edge needs of the process it runs in. scripts/partition.ts builds it; tests build a small one.
import type { Address, Kind, Scope } from '../actors/address.ts';
import type { Asker } from '../actors/asker.ts';
import type { BusMessage, IdempotencyKey, LogEntry, RowReader } from '../actors/ports.ts';
import type { Ask, CommandName, Reply } from '../actors/protocol.ts';
import type { DirectoryEntities, DirectoryEntry, DirectoryKind, DirectoryRecord } from '../actors/directory/record.ts';
import type { GrowthSample } from '../actors/network/growth.ts';
import type { Claim } from '../actors/registry/messages.ts';
import type { ClaimRecord } from '../actors/registry/record.ts';
import type { Refusal } from '../actors/refusal.ts';
import type { Outcomes } from './outcomes.ts';
import type { Traces } from './trace.ts';
import type { Places } from '../router/places.ts';

export interface Caller {
  email: string;
  name: string;
  groups: string[];
  tenant: string;
  issuer: string;
  subject: string;
}

export interface AskOptions {
  /** E-mail of the caller or name of the agent; goes into the log. */
  who: string;
  /** Milliseconds that the answer may take; default 30,000 (agents: 10,000). */
  withinMs?: number;
  /** Stored with the outcome, if anything is changed. */
  key?: IdempotencyKey;
  /** Decided and answered (`DryAnswer`), not applied. */
  dry?: boolean;
  /** What has not begun when it leaves is not done. Not to be given to what completes or undoes something. */
  asker?: Asker | undefined;
}

/** The site's copy of the directory: own entries and those of the other sites. Reads are synchronous. */
export interface DirectoryCopy {
  get<K extends DirectoryKind>(kind: K, id: string): DirectoryEntities[K] | undefined;
  entry<K extends DirectoryKind>(kind: K, id: string): DirectoryEntry<K> | undefined;
  /** Live entities, ordered by id. */
  list<K extends DirectoryKind>(kind: K): Array<DirectoryEntities[K]>;
}

/** The other sites, as an operation needs them. */
export interface Federation {
  /** Ids of the other member sites. */
  others(): string[];
  /**
   * Asks every other member, for no longer than `asker` waits; a member that can't be reached, or does not answer in that
   * time, answers an `unavailable` refusal that names it.
   */
  askOthers(kind: string, body: unknown, withinMs: number, asker?: Asker): Promise<Map<string, unknown>>;
  /** As `askOthers`, one of them. */
  askOther(member: string, kind: string, body: unknown, withinMs: number, asker?: Asker): Promise<unknown>;
  /**
   * The word of all others for claims that must be unique over the federation; refused with each collision, or 503
   * naming who can't be reached. The caller must `settle` afterwards.
   */
  propose(h: string, claims: Claim[], asker?: Asker): Promise<Refusal | undefined>;
  /**
   * `made` undefined: it can't be told now; the members hear it as soon as it can. They hear it in any case: `asker` only
   * waits no longer for that than it has time.
   */
  settle(h: string, made: boolean | undefined, asker?: Asker): Promise<void>;
  /** Frees the others of what this site no longer claims, as `settle`. `undefined`: it can't be told now what that is. */
  release(claims: readonly ClaimRecord[] | undefined, asker?: Asker): Promise<void>;
  /** Waits until every reachable member has applied a directory entry, at most 250 ms (design.md §2, read your writes). */
  spread(record: DirectoryRecord): Promise<void>;
}

export type ServiceStatus = 'healthy' | 'degraded' | 'partial-outage' | 'unhealthy';
export interface Health {
  status: ServiceStatus;
  message: string;
  services: Record<string, { status: ServiceStatus; message: string }>;
}

export interface EdgeConfig {
  /** Keys by HMAC user (`Metal-View`, …) with the lifetime of a signature in milliseconds. */
  hmac: Record<'Metal-View' | 'Metal-Edit' | 'Metal-Admin', { key: string; lifetimeMs: number }>;
  providerTenant: string;
  version: string;
  minClientVersion: string;
  passwordReasonMinLength: number;
  superUserPassword: string;
  /** Hosts (`host` or `host:port`) that URL probes may reach besides public addresses. */
  probeAllow: string[];
  /** Base path of the API, with slashes at both ends; default `/`. */
  basePath: string;
}

export interface Site {
  id: string;
  config: EdgeConfig;
  wallMs(): number;
  uuid(): string;
  ask<K extends Kind, C extends CommandName<K>>(
    to: Address<K>,
    command: C,
    body: Ask<K, C>,
    options: AskOptions,
  ): Promise<Reply<K, C> | Refusal>;
  rows: RowReader;
  outcomes: Outcomes;
  directory: DirectoryCopy;
  places: Places;
  federation: Federation;
  health(): Promise<Health>;
  /** What a network held in the scope at most a week ago; undefined: nobody noted it. */
  growth?(scope: Scope, network: string): GrowthSample | undefined;
  /** The audit trail; absent: switched off. */
  traces?: Traces;
  /** Every committed log entry of this process, in order per stream; answers how to stop listening. */
  onCommitted(listener: (entry: LogEntry) => void): () => void;
  /** Messages of the partition-local bus, as they are published; answers how to stop listening. */
  onBusMessage(listener: (message: BusMessage) => void): () => void;
  /**
   * Calls all blocks of a global network at home here back, or those of some of its prefixes (as stored), unless one is in
   * use; answers who could not be asked, in words, and whether any were called (`isCalled`). `held`: what is in use, if known.
   * With `looks` none is called back, and `isCalled` says whether they would be.
   */
  recallBlocks(
    network: string,
    of?: { prefixes?: readonly string[] | undefined; looks?: boolean | undefined },
  ): Promise<{ missing: string[]; isCalled: boolean; held?: Refusal }>;
  /** Tells all partitions again of a global network at home here: whoever holds no block of it leases one. */
  leaseBlocks(network: string): void;
  /**
   * Why a global network can't be made, changed or deleted: the database was restored from a backup, and what there was of
   * them since is only known when it has been compared with the other sites (reliability.md F24). undefined: it can.
   */
  refuseFenced(): Refusal | undefined;
  /**
   * Acts once a partition here has given all its blocks of global networks back, or says why it can't. If nothing comes of it,
   * the partition leases blocks anew.
   */
  withoutBlocks<T>(partition: string, act: () => Promise<T | Refusal>): Promise<T | Refusal>;
  /**
   * Hosts a partition that was created here; harmless for one that is hosted. Rejects when that is not possible now, and goes
   * on trying.
   */
  host(partition: string): Promise<void>;
}
