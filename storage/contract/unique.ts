import assert from 'node:assert/strict';
import type { Scope } from '../../actors/address.ts';
import type { Change, ChangeOf } from '../../actors/records.ts';
import type { ClaimRecord } from '../../actors/registry/record.ts';
import type { Stores } from '../contract.ts';
import { freshScope, groupOf, holdingChange, ipChange, ipRecord, prefixChange } from '../testing/samples.ts';
import { test } from '../testing/register.ts';

/** database.md §6: unique keys as the last line behind the actors. */
export function uniqueContract({ store, site }: Stores): void {
  const owned = async (count = 1) => {
    const scopes = Array.from({ length: count }, freshScope);
    const fences = await site().takeOver(scopes, 1);
    const write = (...changes: Change[]) => store().commit(groupOf(fences, changes));
    return { scopes, scope: scopes[0]!, write };
  };
  const refusedBy = (constraint: string) => ({ outcome: 'refused', constraint });

  test('an address is live once: in a network over all partitions, in a partition over all networks', async () => {
    const { scopes, scope, write } = await owned(2);
    const network = `global-${scope}`;
    const global = (at: Scope, address: string) =>
      ipChange(at, network, address, { value: ipRecord(network, address) });
    assert.equal((await write(global(scope, '203.0.113.9'))).outcome, 'committed');
    assert.deepEqual(await write(ipChange(scope, 'n2', '203.0.113.9')), refusedBy('ip_live_address'));
    assert.deepEqual(await write(global(scopes[1]!, '203.0.113.9')), refusedBy('ip_live_network'));
    const long = global(scope, '2001:0db8:0:0::1');
    assert.equal((await write(global(scope, '2001:db8::1'))).outcome, 'committed');
    assert.equal((await write(long)).outcome, 'refused', 'spellings of an address are one address');
    assert.equal((await write(ipChange(scopes[1]!, 'n2', '203.0.113.9'))).outcome, 'committed');
  });

  test('what one row of a group releases, another one may take', async () => {
    const { scope, write } = await owned();
    const held = ipChange(scope, 'n1', '10.0.0.1');
    assert.equal((await write(held)).outcome, 'committed');
    const taken = ipChange(scope, 'n2', '10.0.0.1');
    assert.equal((await write(taken, { ...held, prev: 1, version: 2, value: null })).outcome, 'committed');
  });

  test('a child prefix begins where no other of its root does; the root itself begins with its first child', async () => {
    const { scope, write } = await owned();
    const root = '10.0.0.0/14';
    assert.equal((await write(prefixChange(scope, root, root))).outcome, 'committed');
    assert.equal((await write(prefixChange(scope, root, '10.0.0.0/22'))).outcome, 'committed');
    assert.deepEqual(await write(prefixChange(scope, root, '10.0.0.0/24')), refusedBy('prefix_live_first'));
    assert.equal((await write(prefixChange(scope, root, '10.0.4.0/22'))).outcome, 'committed');
    assert.equal((await write(prefixChange(scope, '10.0.0.0/8', '10.0.4.0/24'))).outcome, 'committed', 'another root');
  });

  test('database.md §6: children of one root are disjoint, within a group as well as over groups', async () => {
    const { scope, write } = await owned();
    const root = '10.0.0.0/14';
    const child = (cidr: string, more = {}) => prefixChange(scope, root, cidr, more);
    const refused = async (...changes: Change[]) => assert.equal((await write(...changes)).outcome, 'refused');
    const committed = async (...changes: Change[]) => assert.equal((await write(...changes)).outcome, 'committed');
    await committed(prefixChange(scope, root, root), child('10.0.4.0/22'));
    await refused(child('10.0.0.0/21'));
    await refused(child('10.0.6.0/24'));
    await refused(child('10.0.7.255/32'));
    await refused(child('10.1.0.0/24'), child('10.1.0.64/26'));
    await refused(child('10.1.0.128/25'), child('10.1.0.0/24'));
    await committed(child('10.1.0.0/24'), child('10.1.1.0/24'), child('10.0.8.0/22'), child('10.0.0.0/22'));
    await committed(prefixChange(scope, '10.0.0.0/8', '10.0.0.0/21'));
    // What the same group gives back is free for it, and only that.
    const gone = child('10.0.4.0/22', { prev: 1, version: 2, value: null });
    await refused(gone, child('10.0.0.0/21', { version: 3 }));
    await committed(gone, child('10.0.4.0/23', { version: 3 }), child('10.0.6.0/23', { version: 4 }));
    await committed(prefixChange(scope, 'fd00::/8', 'fd00::/64'), prefixChange(scope, 'fd00::/8', 'fd00:0:0:1::/64'));
    await refused(prefixChange(scope, 'fd00::/8', 'fd00::/63'));
  });

  test('design.md §12: claimed prefixes of a site are disjoint; a promised one may overlap what its network gives up for it', async () => {
    const { scopes, scope, write } = await owned(2);
    let versions = 0;
    const claim = (value: string, holder: string, more: Partial<ClaimRecord> & { prev?: number; at?: Scope } = {}) => {
      const { prev = 0, at = scope, ...record } = more;
      const owner = at.slice(at.indexOf(':') + 1);
      return {
        table: 'claim',
        scope: at,
        key: `prefix|${value}`,
        owner,
        prev,
        version: ++versions,
        value: { what: 'prefix', value, holder, site: owner, state: 'owned', h: 'h', ...record },
      } as ChangeOf<'claim'>;
    };
    const gone = (change: ChangeOf<'claim'>): ChangeOf<'claim'> => ({
      ...change,
      prev: change.version,
      version: ++versions,
      value: null,
    });
    const refused = async (...changes: Change[]) => assert.equal((await write(...changes)).outcome, 'refused');
    const committed = async (...changes: Change[]) => assert.equal((await write(...changes)).outcome, 'committed');
    const first = claim('10.0.4.0/22', 'a');
    await committed(first, claim('2001:db8::/48', 'a'), claim('p', 'p', { what: 'partition' }));
    for (const cidr of ['10.0.4.0/23', '10.0.6.0/24', '10.0.0.0/8', '2001:db8:0:1::/64'])
      await refused(claim(cidr, 'b'));
    await refused(claim('10.1.0.0/24', 'b'), claim('10.1.0.128/25', 'c'));
    await refused(claim('10.1.0.0/24', 'b'), claim('10.1.0.0/16', 'b'));
    // Families never overlap, whatever their bytes say; and another site's registry is another's.
    await committed(claim('32.1.13.0/24', 'b'), claim('::ffff:10.0.0.0/112', 'b'), claim('10.0.8.0/22', 'b'));
    await committed(claim('10.0.4.0/23', 'b', { at: scopes[1]! }));

    await refused(claim('10.0.0.0/21', 'b', { state: 'promised' }));
    const larger = claim('10.0.0.0/21', 'a', { state: 'promised' });
    await committed(larger);
    await refused(claim('10.0.2.0/24', 'b'), claim('10.0.3.0/25', 'c', { state: 'promised' }));
    const made = { ...larger, prev: larger.version, value: { ...larger.value!, state: 'owned' as const } };
    await refused({ ...made, version: ++versions });
    await committed({ ...made, version: ++versions }, gone(first));
  });

  test('a block is given once, whoever keeps the ledger', async () => {
    const { scopes, scope, write } = await owned(2);
    const network = `global-${scope}`;
    const given = (at: Scope, first: string): Change => ({
      table: 'block',
      scope: at,
      key: `${network}|${first}`,
      owner: network,
      prev: 0,
      version: 1,
      value: {
        network,
        first,
        length: 28,
        prefix: '203.0.113.0/24',
        holder: 'p',
        holderSite: 's',
        h: 'h',
        state: 'sent',
      },
    });
    assert.equal((await write(given(scope, '203.0.113.0'))).outcome, 'committed');
    assert.deepEqual(await write(given(scopes[1]!, '203.0.113.0')), refusedBy('block_live_first'));
    assert.equal((await write(given(scopes[1]!, '203.0.113.16'))).outcome, 'committed');
  });

  test('a block is held once; while it is on its way back it may be held elsewhere', async () => {
    const { scopes, scope, write } = await owned(2);
    const network = `global-${scope}`;
    assert.equal((await write(holdingChange(scope, network, 'held'))).outcome, 'committed');
    assert.deepEqual(await write(holdingChange(scopes[1]!, network, 'held')), refusedBy('holding_live_first'));
    assert.equal((await write(holdingChange(scope, network, 'returning', 1))).outcome, 'committed');
    assert.equal((await write(holdingChange(scopes[1]!, network, 'held'))).outcome, 'committed');
  });
}
