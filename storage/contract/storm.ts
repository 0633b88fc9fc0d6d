import assert from 'node:assert/strict';
import { isRefusal } from '../../actors/refusal.ts';
import { freshScope, groupOf, ipChange } from '../testing/samples.ts';
import { withStores } from '../testing/sessions.ts';
import type { Started } from './server.ts';
import { test } from '../testing/register.ts';

const OWNERS = 3;
const ACKNOWLEDGED = 60;
/** Of each takeover at most, so that they are many. */
const GROUPS = 3;
const LONGEST_MS = 60_000;

interface Written {
  owner: number;
  epoch: number;
  version: number;
}

/** reliability.md F05: several owners believe in themselves, and no lease keeps them apart. */
export function stormContract({ url }: Started): void {
  test('reliability.md F05: owners that take over from each other all the time never write side by side', async () => {
    const scope = freshScope();
    const written: Written[] = [];
    let takeovers = 0;
    let fenced = 0;
    const deadline = performance.now() + LONGEST_MS;
    const isOver = (): boolean => written.length >= ACKNOWLEDGED || performance.now() > deadline;

    const owner = (index: number): Promise<void> =>
      withStores(url(), async ({ store, site }) => {
        while (!isOver()) {
          // One that lost against the others may try again.
          const fences = await site.takeOver([scope], 1).catch(() => []);
          if (fences.length === 0) continue;
          takeovers++;
          const rows = await store.load(scope, [{ table: 'ip', owner: 'net' }], fences);
          if (isRefusal(rows)) continue;
          let version = rows[0]?.version ?? 0;
          for (let n = 1; n <= GROUPS; n++) {
            const change = ipChange(scope, 'net', '10.0.0.1', { prev: version, version: version + 1 });
            const group = groupOf(fences, [change], n);
            let { outcome } = await store.commit(group);
            if (outcome === 'unknown') {
              const resolution = await store.resolve(group.id);
              if (resolution.outcome === 'committed') outcome = 'committed';
            }
            // Its memory is of its own epoch: it may be fenced, never wrong.
            assert.notEqual(outcome, 'refused', `owner ${index} at version ${version}`);
            if (outcome === 'fenced') fenced++;
            if (outcome !== 'committed') break;
            version++;
            written.push({ owner: index, epoch: fences[0]!.epoch, version });
          }
        }
      });
    await Promise.all(Array.from({ length: OWNERS }, (_, index) => owner(index)));

    assert.ok(written.length >= ACKNOWLEDGED, `${written.length} writes, ${takeovers} takeovers in ${LONGEST_MS} ms`);
    assert.ok(fenced > 0, 'nobody was ever fenced');
    written.sort((a, b) => a.version - b.version);
    assert.deepEqual(
      written.map(({ version }) => version),
      written.map((_, index) => index + 1),
      'each version was acknowledged to one owner',
    );
    for (const [index, { epoch }] of written.entries()) {
      const before = written[index - 1]?.epoch ?? 0;
      assert.ok(epoch >= before, `I07: epoch ${epoch} wrote after epoch ${before}`);
    }
  });
}
