// What keeps a global network, or a prefix of it, from being removed: what is in use in one partition, and what is on its
// way between partitions (networks.md §1.6, §1.7).
import { formatAddress, parseAddress, type Address } from '../ipam/address.ts';
import { contains } from '../ipam/prefix.ts';
import { pieceOf, usedIn, type Piece } from '../network/address-space.ts';
import { prefixesOf } from '../network/ip-rules.ts';
import type { InUse, Lender } from './record.ts';
import { partitionOf, type BlockState } from './state.ts';

interface Found {
  lowest: Address;
  count: number;
}

/** Addresses in use here, by prefix of the network, lent ones not included; and single ones that are not where they belong. */
export function inUseIn(
  state: BlockState,
  isConcerned: (prefix: { text: string; family: Address['family'] }) => boolean,
): InUse {
  const { space } = state;
  const prefixes = state.copy === null ? [] : prefixesOf(state.copy.value.network);
  const found = new Map<string, Found>();
  const add = (prefix: string, lowest: Address | undefined, count: number): void => {
    if (lowest === undefined || count === 0) return;
    const known = found.get(prefix);
    if (known === undefined) found.set(prefix, { lowest, count });
    else
      found.set(prefix, {
        lowest: lowest.value < known.lowest.value ? lowest : known.lowest,
        count: known.count + count,
      });
  };
  const lentOf = new Map<Piece, number>();
  const borrowers = new Map<string, Lender>();
  const moving: InUse['moving'] = [];
  for (const [text, loan] of space.loans) {
    const address = parseAddress(text);
    const prefix = address && prefixes.find((one) => contains(one.prefix, address));
    if (prefix === undefined || !isConcerned({ text: prefix.text, family: address!.family })) continue;
    const at = { prefix: prefix.text, address: text };
    if (loan.as === 'lent') {
      const piece = pieceOf(space, address!);
      if (piece !== undefined) lentOf.set(piece, (lentOf.get(piece) ?? 0) + 1);
      borrowers.set(loan.to, { partition: loan.to, site: loan.site });
      const [from, to] = loan.state === 'sent' ? [partitionOf(state), loan.to] : [loan.to, partitionOf(state)];
      moving.push({ ...at, from, to });
    } else if (loan.state === 'held') add(prefix.text, address, 1);
    else moving.push({ ...at, from: partitionOf(state), to: loan.from });
  }
  let isDoubtful = false;
  for (const piece of space.pieces) {
    if (!isConcerned({ text: piece.prefix, family: piece.set.prefix.family })) continue;
    isDoubtful ||= piece.doubtful === true;
    const used = usedIn(space, piece) - (lentOf.get(piece) ?? 0);
    if (used <= 0) continue;
    const resting = space.left.get(piece)?.resting;
    const lowest = piece.set.lowestHeld((address) => {
      const text = formatAddress(address);
      return resting?.has(text) === true || space.loans.get(text)?.as === 'lent';
    });
    add(piece.prefix, lowest, used);
  }
  const addresses = [...found].map(([prefix, { lowest, count }]) => ({
    prefix,
    address: formatAddress(lowest),
    count,
  }));
  return { addresses, moving: moving.slice(0, 1), borrowers: [...borrowers.values()], isDoubtful };
}
