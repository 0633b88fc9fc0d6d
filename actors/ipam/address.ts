// One address of either family, exact: IPv4 as a number, because it fits and is fast, IPv6 as a bigint.
import ipaddr from 'ipaddr.js';
import type { Prefix } from './prefix.ts';

/** The address families by metal-api's own spelling. */
export type Family = 'IPv4' | 'IPv6';

/** `value` is the address as an unsigned integer, 0 … 2^32 − 1. */
export interface IPv4Address {
  readonly family: 'IPv4';
  readonly value: number;
}

/** `value` is the address as an unsigned integer, 0 … 2^128 − 1. */
export interface IPv6Address {
  readonly family: 'IPv6';
  readonly value: bigint;
}

export type Address = IPv4Address | IPv6Address;

/** Bits of an address: 32 or 128. */
export const addressBits = (family: Family): 32 | 128 => (family === 'IPv4' ? 32 : 128);

/** Bytes of an address: 4 or 16. */
export const addressLength = (family: Family): 4 | 16 => (family === 'IPv4' ? 4 : 16);

/** The family of an address or prefix as it is stored. */
export const familyOf = (text: string): Family => (text.includes(':') ? 'IPv6' : 'IPv4');

/** The family that a request names, in any case (networks.md N13: one spelling inside). `undefined` for anything else. */
export function parseFamily(text: string): Family | undefined {
  const lower = text.toLowerCase();
  return lower === 'ipv4' ? 'IPv4' : lower === 'ipv6' ? 'IPv6' : undefined;
}

// The longest text of an address is 45 characters; more than that never reaches a regular expression.
const LONGEST_TEXT = 45;
const ZERO = 0x30;
const DOT = 0x2e;

// Read once a character: every row of an address passes through here several times.
function parseIPv4(text: string): number | undefined {
  let value = 0;
  let byte = 0;
  let digits = 0;
  let dots = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === DOT) {
      if (digits === 0 || ++dots > 3) return undefined;
      value = value * 256 + byte;
      byte = 0;
      digits = 0;
      continue;
    }
    const digit = code - ZERO;
    // ipaddr.js reads 010 as octal and 0x0a as hexadecimal: two spellings of one address are how filters get passed by.
    if (digit < 0 || digit > 9 || (digits > 0 && byte === 0)) return undefined;
    byte = byte * 10 + digit;
    if (byte > 255) return undefined;
    digits++;
  }
  return dots === 3 && digits > 0 ? value * 256 + byte : undefined;
}

function parseIPv6(text: string): bigint | undefined {
  let groups = text;
  const dotted = text.includes('.') ? text.slice(text.lastIndexOf(':') + 1) : undefined;
  if (dotted !== undefined) {
    // ipaddr.js takes ::1.2.3.4 for ::ffff:1.2.3.4 and allows octal there, so the dotted tail is turned into groups here.
    const tail = parseIPv4(dotted);
    if (tail === undefined) return undefined;
    groups = `${text.slice(0, -dotted.length)}${(tail >>> 16).toString(16)}:${(tail & 0xffff).toString(16)}`;
  }
  if (!ipaddr.IPv6.isValid(groups)) return undefined;
  let value = 0n;
  for (const group of ipaddr.IPv6.parse(groups).parts) value = (value << 16n) | BigInt(group);
  return value;
}

/**
 * The address that `text` names, in any spelling of RFC 4291 (IPv6) or dotted decimal (IPv4). `undefined` for everything else: leading zeros and
 * octal or hexadecimal parts of IPv4, zone ids, prefixes, blanks. `::ffff:10.0.0.9` stays IPv6 (networks.md §2.2: never contained in an IPv4 prefix).
 */
export function parseAddress(text: string): Address | undefined {
  if (text.length > LONGEST_TEXT || text.includes('%')) return undefined;
  if (text.includes(':')) {
    const value = parseIPv6(text);
    return value === undefined ? undefined : { family: 'IPv6', value };
  }
  const value = parseIPv4(text);
  return value === undefined ? undefined : { family: 'IPv4', value };
}

const dotted = (value: number): string =>
  `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`;

const MAPPED = 0xffffn;

/** Canonical text: dotted decimal, or RFC 5952 (IPv4-mapped addresses mixed as its section 5 recommends and Go prints them). */
export function formatAddress(address: Address): string {
  if (address.family === 'IPv4') return dotted(address.value);
  const { value } = address;
  if (value >> 32n === MAPPED) return `::ffff:${dotted(Number(value & 0xffff_ffffn))}`;
  const parts: number[] = [];
  for (let shift = 112n; shift >= 0n; shift -= 16n) parts.push(Number((value >> shift) & 0xffffn));
  return new ipaddr.IPv6(parts).toRFC5952String();
}

/** The address in network byte order: 4 or 16 bytes, as a database row or a frame holds it. */
export function addressBytes(address: Address): Uint8Array {
  const { family, value } = address;
  if (family === 'IPv4') return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
  const bytes = new Uint8Array(addressLength(family));
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, value >> 64n);
  view.setBigUint64(8, BigInt.asUintN(64, value));
  return bytes;
}

/** The address of a family whose bytes begin there. Throws a RangeError where they reach beyond the view. */
export const readAddress = (view: DataView, at: number, family: Family): Address =>
  family === 'IPv4'
    ? { family, value: view.getUint32(at) }
    : { family, value: (view.getBigUint64(at) << 64n) | view.getBigUint64(at + 8) };

/** The inverse of {@link addressBytes}. Throws a RangeError unless there are exactly 4 or 16 bytes. */
export function addressFromBytes(bytes: Uint8Array): Address {
  const { buffer, byteOffset, byteLength } = bytes;
  if (byteLength !== 4 && byteLength !== 16) throw new RangeError(`an address has 4 or 16 bytes, not ${byteLength}`);
  return readAddress(new DataView(buffer, byteOffset, byteLength), 0, byteLength === 4 ? 'IPv4' : 'IPv6');
}

/** The address `offset` places after the first one of the prefix. Throws a RangeError if it would lie outside. */
export function addressAt(prefix: Prefix, offset: bigint | number): Address {
  const exact = BigInt(offset);
  const value = BigInt(prefix.first) + exact;
  if (exact < 0n || value > BigInt(prefix.last)) {
    throw new RangeError(`offset ${exact} is outside of ${prefix.canonical}`);
  }
  return prefix.family === 'IPv4' ? { family: 'IPv4', value: Number(value) } : { family: 'IPv6', value };
}

/** How many places after the first address of the prefix the address lies. Throws a RangeError if the prefix does not contain it. */
export function offsetIn(prefix: Prefix, address: Address): bigint {
  if (prefix.family !== address.family || address.value < prefix.first || address.value > prefix.last) {
    throw new RangeError(`${formatAddress(address)} is outside of ${prefix.canonical}`);
  }
  return BigInt(address.value) - BigInt(prefix.first);
}
