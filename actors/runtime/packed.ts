// Addresses of `ip` rows without the rows.
import { addressBytes, addressLength, parseAddress, type Family } from '../ipam/address.ts';
import { standingOf } from '../network/standing.ts';
import type { PackedAddresses, RowsOf } from '../ports.ts';
import type { Row } from '../records.ts';
import { ADDRESSES_AT_ONCE } from './behaviour.ts';

/** The same addresses, {@link ADDRESSES_AT_ONCE} at most in each part. */
export function portionsOf(packed: readonly PackedAddresses[]): PackedAddresses[] {
  const portions: PackedAddresses[] = [];
  for (const { family, bytes } of packed) {
    const length = ADDRESSES_AT_ONCE * addressLength(family);
    for (let at = 0; at < bytes.byteLength; at += length) {
      portions.push({ family, bytes: bytes.subarray(at, at + length) });
    }
  }
  return portions;
}

/** Splits loaded rows as a database does that was asked for packed ones. */
export function packRows(rows: readonly Row[], wanted: readonly RowsOf[]): { rows: Row[]; packed: PackedAddresses[] } {
  const owners = new Set(wanted.filter(({ packed }) => packed).map(({ owner }) => owner));
  const found: Record<Family, Uint8Array[]> = { IPv4: [], IPv6: [] };
  const rest = rows.filter((row) => {
    if (row.table !== 'ip' || !owners.has(row.owner) || standingOf(row.value) !== null) return true;
    const address = parseAddress(row.value.address);
    if (address !== undefined) found[address.family].push(addressBytes(address));
    return false;
  });
  const packed = (['IPv4', 'IPv6'] as const).flatMap((family): PackedAddresses[] => {
    const length = addressLength(family);
    const bytes = new Uint8Array(found[family].length * length);
    found[family].forEach((one, i) => bytes.set(one, i * length));
    return bytes.byteLength === 0 ? [] : [{ family, bytes }];
  });
  return { rows: rest, packed };
}
