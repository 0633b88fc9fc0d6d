import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAddressSet } from '../ipam/address-set.ts';
import { parsePrefix } from '../ipam/prefix.ts';
import type { Change } from '../records.ts';
import { createAddressSpace, evolveIp, holdIps, setPieces, wake } from './address-space.ts';
import { heldText } from './counts.ts';
import type { IpRecord } from './record.ts';

const NOW_MS = 100_000;

function scene(prefixes: string[], closed: string[] = []) {
  const space = createAddressSpace();
  setPieces(
    space,
    prefixes.map((prefix) => ({
      prefix,
      set: createAddressSet(parsePrefix(prefix)!),
      open: !closed.includes(prefix),
    })),
  );
  const row = (address: string, value: Partial<IpRecord>): Change => ({
    scope: 'partition:p',
    owner: 'n',
    table: 'ip',
    key: `n|${address}`,
    prev: 0,
    version: 1,
    value: { changed: NOW_MS, ...value } as IpRecord,
  });
  const put = (address: string, value: Partial<IpRecord>): void => {
    const change = row(address, value);
    if (change.table === 'ip') evolveIp(space, change);
  };
  const reserve = (address: string, sinceMs: number): void => holdIps(space, 'o', [row(address, { changed: sinceMs })]);
  const text = (): string => {
    wake(space, NOW_MS);
    return heldText(space, 'IPv4', NOW_MS);
  };
  return { put, reserve, text };
}

const lent = { loan: { as: 'lent', to: 'q', site: 't', h: 'h', state: 'delivered' } } as const;
const restingFor = (ms: number): Partial<IpRecord> => ({ restingUntilMs: NOW_MS + ms });

test('what is kept back, lent or reserved is counted by family', () => {
  const { put, reserve, text } = scene(['10.20.0.0/29', 'fd20::/64']);
  put('fd20::1', restingFor(1_000));
  put('fd20::2', lent);
  reserve('fd20::3', NOW_MS - 9_000);
  put('10.20.0.1', {});
  assert.equal(text(), '1 prefix of /29, 1 of 6 addresses held');
  put('10.20.0.2', restingFor(30_000));
  put('10.20.0.3', lent);
  reserve('10.20.0.4', NOW_MS - 2_000);
  assert.equal(
    text(),
    '1 prefix of /29, 4 of 6 addresses held, 1 lent, 1 of them kept back after their release, the next for 30 s, oldest reservation 2 s',
  );
});

test('and in the prefixes that are counted: none of those on the way out', () => {
  const { put, reserve, text } = scene(['10.20.0.0/29', '10.20.1.0/29'], ['10.20.1.0/29']);
  put('10.20.1.1', restingFor(1_000));
  put('10.20.1.2', lent);
  reserve('10.20.1.3', NOW_MS - 9_000);
  assert.equal(text(), '1 prefix of /29, 0 of 6 addresses held, 1 prefix on the way out');
  put('10.20.0.1', restingFor(30_000));
  put('10.20.0.2', restingFor(0));
  assert.equal(
    text(),
    '1 prefix of /29, 1 of 6 addresses held, 1 prefix on the way out, 1 of them kept back after their release, the next for 30 s',
  );
});
