import assert from 'node:assert/strict';
import { test } from '../../storage/testing/register.ts';
import { errorMessage } from '../api-client.ts';
import { withTwoPlants } from './two-plants.ts';

const MOST = 500;
const cidrs = (base: number, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${base}.${i >> 8}.${i & 255}.0/24`);
const network = (id: string, prefixes: string[]) => ({
  id,
  partitionid: 'muc',
  prefixes,
  destinationprefixes: ['0.0.0.0/0'],
  nat: true,
});

test('design.md §12: the largest network that may be is made, and changed, while others go on; one that is larger is refused at once', async () => {
  await withTwoPlants({}, async ({ muc, fra, seeded, untilQuiet }) => {
    let isOver = false;
    let allocated = 0;
    const others = (async () => {
      const wanted = { networkid: seeded.privateNetwork, projectid: seeded.project };
      for (; !isOver; allocated++) await muc.call('POST', '/v1/ip/allocate', wanted);
    })();
    await muc.call('PUT', '/v1/network', network('large', cidrs(20, MOST)));
    await muc.call('POST', '/v1/network', { id: 'large', prefixes: cidrs(22, MOST) });
    const larger = await muc.ask('PUT', '/v1/network', network('larger', cidrs(24, 1_000)));
    assert.equal(larger.status, 400);
    assert.equal(errorMessage(larger.text), `prefixes: 1000 are given, at most ${MOST} are taken`);
    isOver = true;
    await others;
    assert.ok(allocated > 0);

    const taken = await fra.ask('PUT', '/v1/network', { ...network('there', cidrs(22, MOST)), partitionid: 'fra' });
    assert.equal(taken.status, 422, taken.text);
    assert.match(
      errorMessage(taken.text),
      /^22\.0\.0\.0\/24 overlaps .* of network large \(site muc\); … and 484 more$/,
    );
    await untilQuiet();
  });
});
