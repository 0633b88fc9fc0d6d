// What must be unique over all sites, as one side of a join brings it, and where two sides collide (design.md §11).
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { DirectoryKind, DirectoryRecord } from '../../actors/directory/record.ts';
import { overlaps, parsePrefix } from '../../actors/ipam/prefix.ts';
import type { ClaimRecord } from '../../actors/registry/record.ts';
import type { JoinReason } from '../link/join-exchange.ts';

const name = z.string().min(1).max(128);

export const inventorySchema = z.object({
  site: name,
  /** Id of the tenant that both sides have anyway; the joiner takes over the federation's. */
  providerTenant: z.string().max(128),
  partitions: z.array(name).max(1_024),
  claims: z
    .array(
      z.object({
        what: z.enum(['prefix', 'network', 'partition']),
        value: name,
        holder: name,
        /** The site that has it. */
        site: name,
      }),
    )
    .max(100_000),
  /** Directory entries that are not deleted; equal content has an equal digest, whatever its times say. */
  entries: z.array(z.object({ kind: z.string().max(64), id: name, digest: z.string().max(64) })).max(100_000),
  /** Global networks; `vrf` 0: none. */
  globals: z.array(z.object({ id: name, vrf: z.int().min(0), shared: z.boolean() })).max(10_000),
  /** VRF numbers that partitions have taken from their pools. */
  vrfs: z.array(z.int().min(0)).max(100_000),
});
export type Inventory = z.infer<typeof inventorySchema>;

export interface InventorySources {
  site: string;
  providerTenant: string;
  partitions: readonly string[];
  claims: readonly ClaimRecord[];
  /** Deleted ones are left out. */
  entries: readonly DirectoryRecord[];
  vrfs: readonly number[];
}

/** Times and counters of changes say nothing about what an entity is. */
const INCIDENTAL = new Set(['created', 'changed', 'createdTime', 'updatedTime', 'version']);

function canonical(value: unknown, depth = 0): unknown {
  if (Array.isArray(value)) return value.map((one) => canonical(one, depth + 2));
  if (typeof value !== 'object' || value === null) return value;
  return (
    Object.entries(value)
      // Only those of the entity and its `meta`: a label may be called version.
      .filter(([key]) => !(depth < 2 && INCIDENTAL.has(key)))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, one]) => [key, canonical(one, depth === 0 && key === 'meta' ? 1 : depth + 2)])
  );
}

const digestOf = (entity: unknown): string =>
  createHash('sha256')
    .update(JSON.stringify(canonical(entity)))
    .digest('base64url');

/** How each site is reached is its own business. */
const NOT_COMPARED: readonly DirectoryKind[] = ['member'];

export function inventoryOf(sources: InventorySources): Inventory {
  const live = sources.entries.filter(({ kind, entity }) => entity !== null && !NOT_COMPARED.includes(kind));
  return {
    site: sources.site,
    providerTenant: sources.providerTenant,
    partitions: [...sources.partitions],
    claims: sources.claims.flatMap(({ what, value, holder, site }) =>
      what === 'prefix' || what === 'network' || what === 'partition' ? [{ what, value, holder, site }] : [],
    ),
    entries: live.map(({ kind, id, entity }) => ({ kind, id, digest: digestOf(entity) })),
    globals: live.flatMap(({ kind, id, entity }) =>
      kind === 'globalnetwork' && entity !== null ? [{ id, vrf: entity.vrf, shared: entity.vrfShared }] : [],
    ),
    vrfs: [...sources.vrfs],
  };
}

const partitionsOf = (side: Inventory): Map<string, string> =>
  new Map([
    ...side.entries.filter(({ kind }) => kind === 'partition').map(({ id }): [string, string] => [id, side.site]),
    ...side.partitions.map((id): [string, string] => [id, side.site]),
    ...side.claims.filter(({ what }) => what === 'partition').map(({ value, site }): [string, string] => [value, site]),
  ]);

const networksOf = (side: Inventory): Map<string, string> =>
  new Map([
    ...side.globals.map(({ id }): [string, string] => [id, side.site]),
    ...side.claims.filter(({ what }) => what === 'network').map(({ value, site }): [string, string] => [value, site]),
  ]);

function* sameIds(what: string, kind: string, ours: Map<string, string>, theirs: Map<string, string>) {
  for (const [id, site] of theirs) {
    const here = ours.get(id);
    if (here === undefined) continue;
    yield { kind, message: `${what} ${id} exists at site ${site} and at site ${here}`, details: { id } };
  }
}

function* prefixes(ours: Inventory, theirs: Inventory) {
  const parsed = (side: Inventory) =>
    side.claims.flatMap((claim) => {
      const prefix = claim.what === 'prefix' ? parsePrefix(claim.value) : undefined;
      return prefix === undefined ? [] : [{ ...claim, prefix }];
    });
  const here = parsed(ours);
  for (const there of parsed(theirs)) {
    for (const own of here) {
      if (!overlaps(own.prefix, there.prefix)) continue;
      const text = (claim: typeof own): string => `${claim.value} of network ${claim.holder} (site ${claim.site})`;
      yield {
        kind: 'Prefix',
        message: `prefix ${text(there)} overlaps ${text(own)}`,
        details: { prefix: there.value, other: own.value },
      };
    }
  }
}

/** A global network's VRF is wired in every partition, so nobody else's network may have its number. */
function* vrfs(ours: Inventory, theirs: Inventory) {
  for (const [one, other] of [
    [theirs, ours],
    [ours, theirs],
  ] as const) {
    const global = new Set(other.globals.map(({ vrf }) => vrf));
    const taken = new Set(other.vrfs.filter((vrf) => !global.has(vrf)));
    for (const { id, vrf } of one.globals) {
      if (vrf === 0 || !taken.has(vrf)) continue;
      const message = `VRF ${vrf} of global network ${id} (site ${one.site}) is taken by another network at site ${other.site}`;
      yield { kind: 'Vrf', message, details: { vrf, network: id } };
    }
  }
  for (const there of theirs.globals) {
    const same = ours.globals.find(({ vrf, shared }) => vrf !== 0 && vrf === there.vrf && !(shared && there.shared));
    if (same === undefined) continue;
    const message = `VRF ${there.vrf} belongs to global network ${there.id} (site ${theirs.site}) and to ${same.id} (site ${ours.site})`;
    yield { kind: 'Vrf', message, details: { vrf: there.vrf } };
  }
}

/** Kinds whose equal ids collide whatever their content is. */
const ALWAYS_UNIQUE = ['partition', 'globalnetwork'];

function* differing(ours: Inventory, theirs: Inventory) {
  const known = new Map(ours.entries.map(({ kind, id, digest }) => [`${kind}|${id}`, digest]));
  for (const { kind, id, digest } of theirs.entries) {
    const here = known.get(`${kind}|${id}`);
    if (here === undefined || here === digest || ALWAYS_UNIQUE.includes(kind)) continue;
    if (kind === 'tenant' && (id === ours.providerTenant || id === theirs.providerTenant)) continue;
    const message = `${kind} ${id} of site ${theirs.site} differs from the one of site ${ours.site}: make them equal, or delete one`;
    yield { kind: 'Differing', message, details: { kind, id } };
  }
}

/**
 * Every reason against a join of two sides; none: they may be one. `differing`: directory entries of one id that are
 * not equal (equal ones become one). The provider tenant may differ: the federation's is taken over.
 */
export function compareInventories(
  ours: Inventory,
  theirs: Inventory,
): { collisions: JoinReason[]; differing: JoinReason[] } {
  return {
    collisions: [
      ...sameIds('partition', 'Partition', partitionsOf(ours), partitionsOf(theirs)),
      ...sameIds('network', 'Network', networksOf(ours), networksOf(theirs)),
      ...prefixes(ours, theirs),
      ...vrfs(ours, theirs),
    ],
    differing: [...differing(ours, theirs)],
  };
}
