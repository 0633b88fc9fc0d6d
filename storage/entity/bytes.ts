import { addressBytes, parseAddress } from '../../actors/ipam/address.ts';
import { firstBytes, lastBytes, parsePrefix } from '../../actors/ipam/prefix.ts';
import { bytesText } from '../array.ts';

/** An address as the text of a `bytea`, 4 or 16 bytes big endian: both engines order and compare those alike. */
export function addressColumn(field: string, address: string): string {
  const parsed = parseAddress(address);
  if (parsed === undefined) throw new RangeError(`${field}: "${address}" is not an IPv4 or IPv6 address`);
  return bytesText(addressBytes(parsed));
}

/** First and last address of a prefix, both as the text of a `bytea`. */
export function rangeColumns(field: string, cidr: string): [first: string, last: string] {
  const parsed = parsePrefix(cidr);
  if (parsed === undefined) throw new RangeError(`${field}: "${cidr}" is not a prefix like 10.0.0.0/8`);
  return [bytesText(firstBytes(parsed)), bytesText(lastBytes(parsed))];
}
