// What the rows of an address space are, as far as memory knows: for comparing it with them. Not only how many there are, since
// an address that is free in memory and has a row is given out once more, whatever other one makes up for it in the count.
import { parseAddress } from '../ipam/address.ts';
import { addText, digestText, emptyDigest, type Digest } from '../ipam/digest.ts';
import { pieceOf, type AddressSpace, type Piece } from './address-space.ts';

/** How many, and which: the same digest, the same ones. */
export interface Which {
  count: number;
  digest: string;
}

export interface AuditedSpace {
  /** Addresses of each piece that have a row. */
  held: Map<Piece, Which>;
  /** Rows of addresses that rest, or did. */
  resting: Which;
}

const which = ({ count, digest }: { count: number; digest: Digest }): Which => ({ count, digest: digestText(digest) });

/**
 * Of an address whose rest is over nothing but the row is left, and when that was noticed does not show here. Yields where
 * others may have their turn; the space must not change meanwhile.
 */
export function* auditedSpace(space: AddressSpace): Generator<undefined, AuditedSpace> {
  const found = new Map<Piece, { count: number; digest: Digest }>();
  for (const piece of space.pieces) {
    const digest = emptyDigest();
    yield* piece.set.addTo(digest);
    found.set(piece, { count: piece.set.heldCount, digest });
    yield;
  }
  const resting = { count: space.resting.size, digest: emptyDigest() };
  for (const [text, { version }] of space.resting) {
    addText(resting.digest, `${text} ${version}`);
    const address = parseAddress(text);
    const piece = address === undefined ? undefined : pieceOf(space, address);
    const rows = piece === undefined ? undefined : found.get(piece);
    if (address !== undefined && piece?.set.has(address) === false && rows !== undefined) {
      rows.count++;
      piece.set.addAddressTo(rows.digest, address);
    }
    yield;
  }
  return { held: new Map([...found].map(([piece, rows]) => [piece, which(rows)])), resting: which(resting) };
}
