// One of the clients, what it believes to have, and what all of them share.
import type { History } from '../../process/history.ts';
import type { OperationEntry, Shape } from '../schedule.ts';
import type { SiteProcess } from '../site-process.ts';
import type { Universe } from '../universe.ts';
import { messageOf, type Answered } from './answers.ts';
import type { Requests } from './requests.ts';

export interface Client {
  name: string;
  site: number;
  /** Address or id → operation that took it. */
  ips: Map<string, { id: string; network: string }>;
  machines: Map<string, { id: string; keys: string[] }>;
  networks: Map<string, string>;
  sizes: Map<string, string>;
  /** Operations without an answer: what they took may be found by its name. */
  lost: Set<string>;
}

export const createClient = (number: number, sites: number): Client => ({
  name: `c${number}`,
  site: number % sites,
  ips: new Map(),
  machines: new Map(),
  networks: new Map(),
  sizes: new Map(),
  lost: new Set(),
});

export interface Ground {
  universe: Universe;
  shape: Shape;
  sites: readonly string[];
  history: History;
  requests: Requests;
  processesOf(site: number): readonly SiteProcess[];
  isAllocated(site: number, machine: string): boolean;
  isCut(site: number): boolean;
  /** Begins to look: whether an address was released since, wherever. */
  watchReleases(): (address: string) => boolean;
  /** An answer that nobody should ever get. `about`: the thing that it is about, as the history calls it. */
  isStrange(what: string, answered: Answered, about?: string): void;
}

export type Operation = (client: Client, entry: OperationEntry) => Promise<unknown>;

/** An answer that nobody should ever get. */
export interface Strange {
  told: string;
  /** The thing that it is about, as the history calls it; empty: none. */
  about: string;
}

export const strangeAnswer = (what: string, { status, text }: Answered, about = ''): Strange => ({
  told: `${what}: ${status} ${messageOf(text)}`,
  about,
});

export const chosen = <K, V>(map: Map<K, V>, pick: number): [K, V] | undefined => [...map][Math.floor(pick * map.size)];

/** The key under which a keyed operation is repeated. */
export const keyOf = (entry: OperationEntry, id: string): string | undefined => (entry.keyed ? id : undefined);
