// What each site knows of a network: the parts of its partitions, and at the home of a global one the ledger of blocks.
import { addressOf, partitionScope, siteScope, type Scope } from '../../actors/address.ts';
import type { Ask } from '../../actors/protocol.ts';
import type { BlockRecord } from '../../actors/block/record.ts';
import { isRefusal, unreachable, type Refusal } from '../../actors/refusal.ts';
import type { SpareUsage, UsagePart } from '../../actors/network/usage.ts';
import { noSuchNetwork } from '../../actors/network/network-rules.ts';
import type { AskOptions, Site } from '../site.ts';

export interface PartitionPart extends UsagePart {
  partition: string;
  /** Of the partition. */
  site: string;
}

/** One site's answer. */
export interface SiteParts {
  parts: PartitionPart[];
  /** Whether it is a global network, given out by blocks. */
  isGlobal: boolean;
  /** Of the home of a global network. */
  ledger: { blocks: BlockRecord[]; spare: SpareUsage[] } | null;
}

/** All answers together. */
export interface NetworkParts extends SiteParts {
  /** Of a global network, as this site's copy of the directory has it. */
  prefixes: readonly string[];
  /** Who could not be asked, in words. */
  unreachable: string[];
}

const PARTS_WITHIN_MS = 2_000;

/** How the question for usage begins: with what the actor may have forgotten. */
export function watched(site: Pick<Site, 'growth'>, scope: Scope, network: string): Ask<'network', 'usage'> {
  const before = site.growth?.(scope, network);
  return before === undefined ? {} : { before };
}

/** What this site has of a network; nothing, if it has never heard of it. */
export async function networkParts(site: Site, network: string, as: AskOptions): Promise<SiteParts | Refusal> {
  const none: SiteParts = { parts: [], isGlobal: false, ledger: null };
  const place = site.places.network(network);
  if (place === undefined) return none;
  const options = { ...as, withinMs: PARTS_WITHIN_MS };
  if (place.partition !== '') {
    const at = addressOf(partitionScope(place.partition), 'network', network);
    const part = await site.ask(at, 'usage', watched(site, at.scope, network), options);
    if (isRefusal(part)) return part;
    return { parts: [{ ...part, partition: place.partition, site: site.id }], isGlobal: false, ledger: null };
  }
  const asked = site.places.hosted().map(async (partition): Promise<PartitionPart | undefined | Refusal> => {
    const at = addressOf(partitionScope(partition), 'block', network);
    const part = await site.ask(at, 'usage', watched(site, at.scope, network), options);
    // A partition that has not heard of it yet holds nothing.
    if (isRefusal(part)) return part.kind === 'NotFound' ? undefined : part;
    return { ...part, partition, site: site.id };
  });
  const parts: PartitionPart[] = [];
  for (const part of await Promise.all(asked)) {
    if (isRefusal(part)) return part;
    if (part !== undefined) parts.push(part);
  }
  if (place.home !== site.id) return { parts, isGlobal: true, ledger: null };
  const ledger = await site.ask(addressOf(siteScope(site.id), 'network', network), 'ledger', {}, options);
  return isRefusal(ledger) ? ledger : { parts, isGlobal: true, ledger };
}

/** Asks every member; NotFound when nobody knows the network, Unavailable when that can't be said. */
export async function allNetworkParts(site: Site, network: string, as: AskOptions): Promise<NetworkParts | Refusal> {
  const [own, others] = await Promise.all([
    networkParts(site, network, as),
    site.federation.askOthers('network-parts', { network }, PARTS_WITHIN_MS + 500, as.asker),
  ]);
  if (isRefusal(own)) return own;
  const prefixes = site.directory.get('globalnetwork', network)?.prefixes ?? [];
  const all: NetworkParts = { ...own, parts: [...own.parts], prefixes, unreachable: [] };
  for (const [member, answer] of others) {
    if (isRefusal(answer)) {
      all.unreachable.push(`site ${member}: ${answer.message}`);
      continue;
    }
    const { parts, isGlobal, ledger } = answer as SiteParts;
    all.parts.push(...parts);
    all.isGlobal ||= isGlobal;
    all.ledger ??= ledger;
  }
  const isKnown = all.parts.length > 0 || all.ledger !== null || site.places.network(network) !== undefined;
  if (isKnown) return all;
  return all.unreachable.length === 0
    ? noSuchNetwork(network)
    : unreachable(`it is not known whether there is a network "${network}": ${all.unreachable.join('; ')}`);
}
