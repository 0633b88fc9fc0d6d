import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { addressAt, formatAddress, type Address, type Family } from '../ipam/address.ts';
import { createAddressSet } from '../ipam/address-set.ts';
import { contains, parsePrefix, size } from '../ipam/prefix.ts';
import {
  createAddressSpace,
  evolveIp,
  freeAddresses,
  freeOnes,
  ipKey,
  lowestFree,
  pieceOf,
  setPieces,
  type AddressSpace,
  type Piece,
} from './address-space.ts';
import type { IpRecord } from './record.ts';

const piece = (cidr: string): Piece => ({
  prefix: cidr,
  set: createAddressSet(parsePrefix(cidr)!, { reserved: 'none' }),
  open: true,
});
let versions = 0;
const put = (space: AddressSpace, address: Address, isHeld: boolean): void => {
  const text = formatAddress(address);
  const value = isHeld ? ({ address: text } as IpRecord) : null;
  evolveIp(space, { key: ipKey('n', text), version: ++versions, value });
};

test('full blocks are not looked through again: a thousand of them cost an acquisition as much as one', () => {
  const space = createAddressSpace();
  let looks = 0;
  const pieces = Array.from({ length: 1_000 }, (_, n): Piece => {
    const { set, ...rest } = piece(`10.0.${n >> 6}.${(n & 63) * 4}/30`);
    // A set is made of closures, so that one in front of it sees every look for a free address.
    const watched = Object.create(set, { lowestFree: { value: () => (looks++, set.lowestFree()) } }) as typeof set;
    return { ...rest, set: watched };
  });
  setPieces(space, pieces);
  const take = (): void => put(space, lowestFree(space, 'IPv4')!.address, true);
  for (let n = 0; n < 4_000; n++) take();
  assert.equal(lowestFree(space, 'IPv4'), undefined);
  assert.ok(looks <= 2 * 4_000, `${looks} looks`);
  // One that is released in the middle is found, and what follows it is not looked through more than once.
  looks = 0;
  const middle = addressAt(parsePrefix('10.0.7.0/24')!, 9);
  for (let n = 0; n < 100; n++) {
    put(space, middle, false);
    take();
  }
  assert.ok(looks <= 200, `${looks} looks`);
});

// In no order, of both families and several lengths.
const CIDRS = ['10.0.1.0/30', '2001:db8::8/126', '10.0.0.8/31', '2001:db8::/127', '10.0.0.0/29', '10.0.3.7/32'];
const all = CIDRS.flatMap((cidr) => {
  const prefix = parsePrefix(cidr)!;
  return Array.from({ length: Number(size(prefix)) }, (_, n) => addressAt(prefix, n));
});
const FAMILIES: readonly Family[] = ['IPv4', 'IPv6'];

test('any sequence gives what a look through all pieces gives: lowest free, the next ones, how many, and whose', () => {
  const op = fc.oneof(
    { weight: 6, arbitrary: fc.record({ what: fc.constant('lowest' as const), family: fc.constantFrom(...FAMILIES) }) },
    { weight: 3, arbitrary: fc.record({ what: fc.constant('named' as const), at: fc.nat(all.length - 1) }) },
    { weight: 5, arbitrary: fc.record({ what: fc.constant('release' as const), at: fc.nat(all.length - 1) }) },
    { weight: 2, arbitrary: fc.record({ what: fc.constant('open' as const), at: fc.nat(CIDRS.length - 1) }) },
    {
      weight: 1,
      arbitrary: fc.record({
        what: fc.constant('pieces' as const),
        which: fc.shuffledSubarray(CIDRS, { minLength: 1 }),
      }),
    },
  );
  fc.assert(
    fc.property(fc.array(op, { maxLength: 120 }), (operations) => {
      const space = createAddressSpace();
      const known = new Map(CIDRS.map((cidr) => [cidr, piece(cidr)]));
      let order = CIDRS;
      const held = new Set<string>();
      setPieces(space, [...known.values()]);
      for (const one of operations) {
        const lowest = one.what === 'lowest' ? lowestFree(space, one.family)?.address : undefined;
        const address = 'at' in one && one.what !== 'open' ? all[one.at]! : lowest;
        if (one.what === 'pieces') {
          order = one.which;
          setPieces(
            space,
            order.map((cidr) => known.get(cidr)!),
          );
        } else if (one.what === 'open') {
          const changed = known.get(CIDRS[one.at]!)!;
          changed.open = !changed.open;
        } else if (address !== undefined && pieceOf(space, address) !== undefined) {
          put(space, address, one.what !== 'release');
          if (one.what === 'release') held.delete(formatAddress(address));
          else held.add(formatAddress(address));
        }
        for (const family of FAMILIES) {
          const free = order
            .map((cidr) => known.get(cidr)!)
            .filter(({ open, set }) => open && set.prefix.family === family)
            .flatMap(({ set }) => all.filter((other) => contains(set.prefix, other)))
            .map(formatAddress)
            .filter((text) => !held.has(text));
          const found = lowestFree(space, family)?.address;
          assert.equal(found && formatAddress(found), free[0]);
          const next = freeOnes(space, family, 5).map((other) => formatAddress(other.address));
          assert.deepEqual(next, free.slice(0, 5));
          assert.equal(freeAddresses(space, family), BigInt(free.length));
        }
        for (const other of all) {
          const expected = order.find((cidr) => contains(parsePrefix(cidr)!, other));
          assert.equal(pieceOf(space, other)?.prefix, expected);
        }
      }
    }),
    { numRuns: 150 },
  );
});
