// What a commit of many claims costs: the rule that they are disjoint must not look at every pair (design.md §12).
import assert from 'node:assert/strict';
import type { Change } from '../actors/records.ts';
import { claimChange, freshScope, groupOf } from './testing/samples.ts';
import { withStores } from './testing/sessions.ts';
import { test } from './testing/register.ts';
import { testServers } from './testing/servers.ts';

const MANY = 1_000;
/** Far above what it takes (0.1 s), far below what looking at all pairs takes (9 s and more). */
const LIMIT_MS = 2_000;

const cidrAt = (base: number, i: number): string => `${base}.${i >> 8}.${i & 255}.0/24`;

for (const server of testServers())
  test(
    `design.md §12: ${MANY} prefixes of one network are claimed at once, beside as many that are there: ${server.name}`,
    async () => {
      const started = await server.start();
      try {
        await withStores(started.url, async ({ store, site }) => {
          const scope = freshScope();
          const fences = await site.takeOver([scope], 1);
          const commit = async (changes: Change[]): Promise<string> => {
            const startedMs = performance.now();
            const { outcome } = await store.commit(groupOf(fences, changes));
            const tookMs = performance.now() - startedMs;
            assert.ok(tookMs < LIMIT_MS, `${changes.length} claims took ${Math.round(tookMs)} ms`);
            return outcome;
          };
          const many = (base: number, holder: string): Change[] =>
            Array.from({ length: MANY }, (_, i) => claimChange(scope, cidrAt(base, i), 'owned', holder));
          assert.equal(await commit(many(10, 'a')), 'committed');
          assert.equal(await commit(many(11, 'b')), 'committed');
          assert.equal(await commit([claimChange(scope, '12.0.0.0/8', 'owned', 'c')]), 'committed');
          // The last of many meets a stored one, or another one of the same request.
          assert.equal(await commit([...many(13, 'd'), claimChange(scope, '11.0.7.128/25', 'owned', 'd')]), 'refused');
          assert.equal(await commit([...many(13, 'd'), claimChange(scope, '13.3.0.0/22', 'owned', 'd')]), 'refused');
        });
      } finally {
        await started.stop();
      }
    },
    { skip: server.skip },
  );
