// What the database enforces beside fences and versions, as functions over rows: unique keys, prefixes that must not meet, and
// that a group stands behind its own fences.
import type { Scope } from '../../address.ts';
import { parseAddress } from '../../ipam/address.ts';
import { overlaps as prefixesOverlap, parsePrefix } from '../../ipam/prefix.ts';
import { isInUseHere } from '../../network/standing.ts';
import type { Group } from '../../ports.ts';
import type { Change, ChangeOf } from '../../records.ts';

export const fenceName = (at: { scope: Scope; shard: number }): string => `${at.scope}/${at.shard}`;
export const streamName = (at: { scope: Scope; shard: number; epoch: number }): string =>
  `${at.scope}/${at.shard}/${at.epoch}`;

/** One text an address, however it is written. Throws a RangeError that names the field. */
function bytes(field: string, text: string): string {
  const parsed = parseAddress(text);
  if (parsed === undefined) throw new RangeError(`${field}: "${text}" is not an IPv4 or IPv6 address`);
  return `${parsed.family}${parsed.value}`;
}

/** Unique keys that a live row occupies, as `<constraint>:<key>`. */
export function uniqueKeys(row: Change): string[] {
  if (row.value === null) return [];
  switch (row.table) {
    case 'ip': {
      const address = bytes('ip.address', row.value.address);
      const here = `ip_live_address:${row.scope}|${address}`;
      // What is lent, or on its way back, is shown by the row at the other end.
      return isInUseHere(row.value) ? [`ip_live_network:${row.value.network}|${address}`, here] : [here];
    }
    case 'prefix': {
      if (row.value.root === row.key) return [];
      const parsed = parsePrefix(row.value.cidr);
      if (parsed === undefined)
        throw new RangeError(`prefix.cidr: "${row.value.cidr}" is not a prefix like 10.0.0.0/8`);
      return [`prefix_live_first:${row.scope}|${row.value.root}|${parsed.family}${parsed.first}`];
    }
    case 'block':
      return [`block_live_first:${row.value.network}|${bytes('block.first', row.value.first)}`];
    case 'holding':
      return row.value.state === 'held'
        ? [`holding_live_first:${row.value.network}|${bytes('holding.first', row.value.first)}`]
        : [];
    default:
      return [];
  }
}

/** Why a group must not even be sent: everything it writes has to stand behind a fence of its own. */
export function unfenced(group: Group): string | undefined {
  const scopes = new Set<Scope>(group.fences.map(({ scope }) => scope));
  const streams = new Set(group.fences.map(streamName));
  for (const change of group.changes) {
    if (!scopes.has(change.scope))
      return `fence: no fence for ${change.scope}, which ${change.table} ${change.key} belongs to`;
  }
  for (const entry of group.entries) {
    if (!streams.has(streamName(entry)))
      return `fence: no fence for shard ${entry.shard} of ${entry.scope} at epoch ${entry.epoch}, which log entry ${entry.n} belongs to`;
  }
  return group.fences.length === 0 ? 'fence: a group needs at least one' : undefined;
}

export const isChild = (row: ChangeOf<'prefix'>): boolean => row.value !== null && row.value.root !== row.key;

/** Child prefixes of one root that overlap. */
export function meet(a: ChangeOf<'prefix'>, b: ChangeOf<'prefix'>): boolean {
  if (a.scope !== b.scope || a.value?.root !== b.value?.root) return false;
  const [one, other] = [parsePrefix(a.key), parsePrefix(b.key)];
  return one !== undefined && other !== undefined && prefixesOverlap(one, other);
}

export const isPrefixClaim = (row: ChangeOf<'claim'>): boolean => row.value?.what === 'prefix';

/** Claimed prefixes that meet: only a promised one may overlap what is kept for the same network. */
export function claimsMeet(a: ChangeOf<'claim'>, b: ChangeOf<'claim'>): boolean {
  if (a.value === null || b.value === null || a.scope !== b.scope) return false;
  const [one, other] = [parsePrefix(a.value.value), parsePrefix(b.value.value)];
  const isReplacing =
    a.value.holder === b.value.holder && (a.value.state === 'promised' || b.value.state === 'promised');
  return one !== undefined && other !== undefined && prefixesOverlap(one, other) && !isReplacing;
}
