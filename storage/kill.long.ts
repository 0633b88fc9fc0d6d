import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { CommitOutcome, Resolution } from '../actors/ports.ts';
import { ensureDatabase } from './engine/database.ts';
import { startEngine } from './engine/engine.ts';
import { freshScope, groupOf, ipChange } from './testing/samples.ts';
import { withStores } from './testing/sessions.ts';
import { test } from './testing/register.ts';

const ROUNDS = 50;
const WRITERS = 3;

test('database.md §8: server killed 50 × under load: nothing acknowledged is missing, nothing refused is there, every call answers', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'hanse-store-kill-'));
  chmodSync(dataDir, 0o755);
  const begin = () => startEngine({ dataDir, log: () => {} });
  let engine = await begin();
  try {
    const url = await ensureDatabase(engine.url('postgres'), 'hanse_kill');
    await withStores(
      url,
      async ({ store, site }) => {
        const scope = freshScope();
        const fences = await site.takeOver([scope], WRITERS);
        const known = new Map<string, boolean>();
        const counts: Record<string, number> = {};
        const run = { isOver: false };
        const settle = async (id: string): Promise<boolean> => {
          for (;;) {
            const resolution: Resolution = await store.resolve(id);
            if (resolution.outcome !== 'unreachable') return resolution.outcome === 'committed';
          }
        };
        const writer = async (shard: number): Promise<void> => {
          const fence = fences.find((one) => one.shard === shard)!;
          for (let n = 1, address = 0; !run.isOver; address++) {
            const change = ipChange(scope, `net${shard}`, `10.${shard}.${address >> 8}.${address & 255}`);
            const group = groupOf([fence], [change], n);
            const asked = performance.now();
            const { outcome }: CommitOutcome = await store.commit(group);
            assert.ok(performance.now() - asked < 5000, `${outcome} after ${performance.now() - asked} ms`);
            counts[outcome] = (counts[outcome] ?? 0) + 1;
            assert.ok(outcome !== 'refused' && outcome !== 'fenced', outcome);
            const isIn = outcome === 'unknown' ? await settle(group.id) : outcome === 'committed';
            known.set(change.key, isIn);
            if (isIn) n++;
          }
        };
        const writers = Promise.all(Array.from({ length: WRITERS }, (_, shard) => writer(shard)));
        for (let round = 0; round < ROUNDS; round++) {
          await wait(50 + Math.random() * 300);
          process.kill(engine.pid, 'SIGKILL');
          engine = await begin();
        }
        await wait(500);
        run.isOver = true;
        await writers;
        const there = new Set((await site.rows('ip', { scopes: [scope] })).map((row) => row.key));
        for (const [key, isIn] of known) assert.equal(there.has(key), isIn, key);
        assert.ok((counts['committed'] ?? 0) > ROUNDS, JSON.stringify(counts));
        console.log(counts);
      },
      { groupsInFlight: WRITERS, commitMs: 2000 },
    );
  } finally {
    await engine.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
});
