// What sites ask each other on behalf of an operation, beside whole requests: who uses this, who knows that id. The
// answers are counted from committed rows of the scopes that the asked site owns.
import { addressOf, partitionScope, siteScope, type Scope } from '../actors/address.ts';
import type { Asker } from '../actors/asker.ts';
import { withoutLost } from '../actors/directory/conflict.ts';
import type { DirectoryKind, DirectoryRecord } from '../actors/directory/record.ts';
import type { Family } from '../actors/ipam/address.ts';
import type { KeyedOutcome } from '../actors/ports.ts';
import type { Claim } from '../actors/registry/messages.ts';
import { invalid, isRefusal } from '../actors/refusal.ts';
import { outcomeName } from './outcomes.ts';
import type { Site } from './site.ts';
import { heldHere } from './v1/network-held.ts';
import { networkParts, type SiteParts } from './v2/network-parts.ts';

export interface ProjectUsage {
  machines: number;
  networks: number;
  ips: number;
}

/** Question → what is asked and what is answered. */
export interface Questions {
  'project-usage': { ask: { project: string }; reply: ProjectUsage };
  /** Ids of machines whose allocation has exactly this image. */
  'image-usage': { ask: { image: string }; reply: { machines: string[] } };
  'size-usage': { ask: { size: string }; reply: { machines: number } };
  'directory-entry': { ask: { kind: DirectoryKind; id: string }; reply: EntryAnswer };
  idempotency: { ask: { identity: string; key: string }; reply: KnownOutcome };
  /** Which of these keys have an outcome at the asked site. */
  'keys-known': { ask: { keys: Array<{ identity: string; key: string }> }; reply: { known: KeyedView[] } };
  /** What the asked site holds of global networks, by network. */
  'network-held': { ask: { networks: string[] }; reply: { held: Record<string, Record<Family, number>> } };
  /** What the asked site has of a network. */
  'network-parts': { ask: { network: string }; reply: SiteParts };
  /** Would the asked site promise these? For dry runs. */
  'promise.check': { ask: { h: string; site: string; claims: Claim[] }; reply: Record<string, never> };
}
/** All kinds, for whoever registers them. */
export const QUESTIONS: ReadonlyArray<keyof Questions> = [
  'project-usage',
  'image-usage',
  'size-usage',
  'directory-entry',
  'idempotency',
  'promise.check',
  'network-held',
  'network-parts',
  'keys-known',
];

/** What people want to know of the outcome of a key. */
export interface KeyedView {
  identity: string;
  key: string;
  /** Method and path. */
  request: string;
  /** Address or id of what came of it; empty: it has none. */
  thing: string;
  atMs: number;
}

export function keyedView({ identity, key, request, reply, atMs }: KeyedOutcome): KeyedView {
  const { address, id } = (typeof reply === 'object' && reply !== null ? reply : {}) as Record<string, unknown>;
  const thing = [address, id].find((one) => typeof one === 'string') ?? '';
  return { identity, key, request: request.split(' ').slice(0, 2).join(' '), thing: String(thing), atMs };
}

/** Keys that are asked for at once. */
export const MOST_KEYS = 1_000;

/** What a site knows of an Idempotency-Key. */
export interface KnownOutcome {
  outcome: KeyedOutcome | null;
  /** The first request is running there. */
  running: boolean;
}
export interface EntryAnswer {
  entry: DirectoryRecord | null;
}

/** Everything that this site owns; its tables hold copies of others' rows, too. */
export const ownScopes = (site: Site): Scope[] => [siteScope(site.id), ...site.places.hosted().map(partitionScope)];
export const hostedScopes = (site: Site): Scope[] => site.places.hosted().map(partitionScope);

export async function projectUsage(site: Site, project: string): Promise<ProjectUsage> {
  const filter = { scopes: ownScopes(site), project };
  const [machines, networks, ips] = await Promise.all([
    site.rows.count('allocation', filter),
    site.rows.count('network', filter),
    site.rows.count('ip', filter),
  ]);
  return { machines, networks, ips };
}

/** Machine ids by image. */
export async function imageUsage(site: Site): Promise<Map<string, string[]>> {
  const users = new Map<string, string[]>();
  for (const { value } of await site.rows.rows('allocation', { scopes: hostedScopes(site) })) {
    const machines = users.get(value.image);
    if (machines === undefined) users.set(value.image, [value.machine]);
    else machines.push(value.machine);
  }
  return users;
}

export async function sizeUsage(site: Site, size: string): Promise<number> {
  const machines = await site.rows.rows('machine', { scopes: hostedScopes(site) });
  return machines.filter(({ value }) => value.size === size).length;
}

/** Answers another member's question, who waits as long as `asker`; the counterpart of `Federation.askOthers`. */
export async function answerQuestion(site: Site, kind: string, body: unknown, asker?: Asker): Promise<unknown> {
  switch (kind) {
    case 'project-usage':
      return projectUsage(site, (body as Questions['project-usage']['ask']).project);
    case 'image-usage': {
      const users = await imageUsage(site);
      return { machines: users.get((body as Questions['image-usage']['ask']).image) ?? [] };
    }
    case 'size-usage':
      return { machines: await sizeUsage(site, (body as Questions['size-usage']['ask']).size) };
    case 'directory-entry': {
      const asked = body as Questions['directory-entry']['ask'];
      const entry = site.directory.entry(asked.kind, asked.id);
      return { entry: entry === undefined ? null : withoutLost(entry) };
    }
    case 'idempotency': {
      const { identity, key } = body as Questions['idempotency']['ask'];
      // In this order: what ends in between is found as an outcome.
      const running = site.outcomes.running.has(outcomeName(identity, key));
      return { outcome: (await site.outcomes.find(identity, key)) ?? null, running } satisfies KnownOutcome;
    }
    case 'keys-known': {
      const { keys } = body as Questions['keys-known']['ask'];
      const asked = keys.slice(0, MOST_KEYS).map(({ identity, key }) => site.outcomes.find(identity, key));
      const known = (await Promise.all(asked)).flatMap((outcome) =>
        outcome === undefined ? [] : [keyedView(outcome)],
      );
      return { known } satisfies Questions['keys-known']['reply'];
    }
    case 'promise.check': {
      const { h, site: proposer, claims } = body as Questions['promise.check']['ask'];
      const registry = addressOf(siteScope(site.id), 'registry', site.id);
      const asked = { h, site: proposer, claims, partitions: site.places.hosted() };
      const answer = await site.ask(registry, 'promise', asked, { who: proposer, dry: true, asker });
      return isRefusal(answer) ? answer : {};
    }
    case 'network-held': {
      const { networks } = body as Questions['network-held']['ask'];
      const copies = networks.flatMap((id) => site.directory.get('globalnetwork', id) ?? []);
      return { held: Object.fromEntries(await heldHere(site, copies)) } satisfies Questions['network-held']['reply'];
    }
    case 'network-parts':
      return networkParts(site, (body as Questions['network-parts']['ask']).network, {
        who: 'federation',
        asker,
      });
    default:
      return invalid(`question "${kind}" is unknown to site ${site.id}`);
  }
}
