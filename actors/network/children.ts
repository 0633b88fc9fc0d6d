// What a super network gives to its children (networks.md §1.4, check 9).
import { impossibleLength, noChildPrefix } from '../ipam/refusal-texts.ts';
import type { ChildSpace } from '../ipam/child-prefixes.ts';
import type { Family } from '../ipam/address.ts';
import type { Prefix } from '../ipam/prefix.ts';
import { conflict, isRefusal, unprocessable, type Refusal } from '../refusal.ts';
import { oldestReservation } from './counts.ts';
import { prefixesOf } from './ip-rules.ts';
import { childLengths, type ChildLengths } from './network-rules.ts';
import type { NetworkRecord } from './record.ts';
import { childrenOf, type NetworkState } from './state.ts';

export interface CutPrefix {
  cidr: string;
  root: string;
}

/** Why a top-level prefix has no room, in numbers. */
function fullText(state: NetworkState, space: ChildSpace, length: number, nowMs: number): string {
  const { parent, children, availableSmallest } = space;
  const moving = [...state.prefixesInFlight.values()].filter(({ root }) => root === parent.canonical);
  const parts = [`${children} children`];
  if (moving.length > 0) parts.push(`${moving.length} of them part of operations under way`);
  const oldest = oldestReservation(moving, nowMs);
  if (oldest !== undefined) parts.push(oldest);
  parts.push(`${availableSmallest} blocks of /${parent.family === 'IPv4' ? 30 : 126} free`);
  return `${noChildPrefix(space, length)} (${parts.join(', ')})`;
}

/** The first prefix of the family with room gives one. */
function cutOne(
  state: NetworkState,
  network: NetworkRecord,
  family: Family,
  length: number,
  nowMs: number,
): { space: ChildSpace; child: Prefix } | Refusal {
  const failures: string[] = [];
  for (const { prefix } of prefixesOf(network)) {
    if (prefix.family !== family || state.leaving.has(prefix.canonical)) continue;
    const space = childrenOf(state, prefix.canonical);
    const child = space?.acquire(length);
    if (space !== undefined && child !== undefined) return { space, child };
    const why = impossibleLength(prefix, length) ?? (space === undefined ? '' : fullText(state, space, length, nowMs));
    failures.push(`error creating new prefix from:${prefix.canonical} in ipam: invalid_argument: ${why}`);
  }
  return unprocessable(
    failures.length > 0
      ? `cannot allocate free child prefix in ipam: ${failures.join('\n')}`
      : `cannot allocate free child prefix in one of the given parent prefixes in ipam: [${network.prefixes.join(' ')}]`,
  );
}

/** One prefix per family, IPv4 first. Nothing is taken by asking: the reservation's hold takes them. */
export function cutChildPrefixes(
  state: NetworkState,
  network: NetworkRecord,
  ask: { lengths: ChildLengths; family?: Family; malformed?: Refusal },
  nowMs: number,
): CutPrefix[] | Refusal {
  if (!network.privateSuper) return unprocessable(`network ${network.id} is not a private super network`);
  const lengths = childLengths(network, ask);
  if (isRefusal(lengths)) return lengths;
  const cuts: Array<{ space: ChildSpace; child: Prefix }> = [];
  let refused: Refusal | undefined;
  for (const family of ['IPv4', 'IPv6'] as const) {
    const length = lengths[family];
    if (length === undefined || refused !== undefined) continue;
    const cut = cutOne(state, network, family, length, nowMs);
    if (isRefusal(cut)) refused = cut;
    else cuts.push(cut);
  }
  for (const { space, child } of cuts) space.release(child);
  return refused ?? cuts.map(({ space, child }) => ({ cidr: child.canonical, root: space.parent.canonical }));
}

/** Which of the child's prefixes are still taken; one that is gone already needs nothing. */
export function releasedChildren(state: NetworkState, ask: { child: string; prefixes: string[] }): string[] | Refusal {
  const taken = ask.prefixes.filter((cidr) => state.prefixRows.get(cidr)?.value.network === ask.child);
  const busy = taken.find((cidr) => state.prefixesInFlight.has(cidr));
  return busy === undefined ? taken : conflict(`prefix ${busy} is being changed by another operation; try again`);
}
