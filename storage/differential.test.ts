// The database in memory against the servers: the same random groups, the same outcomes, the same rows at the end
// (reliability.md §6.4). What the contract states by examples is looked for here where nobody thought of one.
import assert from 'node:assert/strict';
import type { Scope } from '../actors/address.ts';
import type { CommitOutcome, Fence } from '../actors/ports.ts';
import type { Change } from '../actors/records.ts';
import { isRefusal } from '../actors/refusal.ts';
import { connectShard, type StoreWay } from '../actors/runtime/memory-store.ts';
import { createMemorySiteStore, createSiteTables } from '../actors/runtime/memory-site-store.ts';
import { createStoreModel } from '../actors/runtime/store-model.ts';
import { seededRandom } from '../actors/runtime/virtual-world.ts';
import { createShardStore } from './shard-store.ts';
import { createSiteStore } from './site-store.ts';
import {
  asked,
  claimChange,
  freshScope,
  groupOf,
  holdingChange,
  ipChange,
  outcomeOf,
  poolChange,
  prefixChange,
  type AskedStore,
} from './testing/samples.ts';
import { suite, test } from './testing/register.ts';
import { testServers } from './testing/servers.ts';

const GROUPS = 250;
const SEEDS = [7, 11];
const KEYS = 12;
const ROOT = '10.8.0.0/20';
const ROUGHLY = ['10.8.0.0/22', '10.8.0.0/23', '10.8.2.0/23', '10.8.2.0/24', '10.8.3.128/25', '10.8.4.0/22'];
/** Chains of four within each other, beside each other, of both families. */
const CLAIMED = [
  ...ROUGHLY,
  ROOT,
  '10.8.3.192/26',
  '10.8.16.0/20',
  '10.9.0.0/16',
  '::/0',
  '::ffff:10.8.0.0/112',
  '2001:db8::/48',
];
const nowMs = (): number => Date.now();
const soon = (delayMs: number, run: () => void): void => void setTimeout(run, delayMs);
const way: StoreWay = { fate: () => ({ thereMs: 0, backMs: 0 }), at: soon, back: soon, isDown: () => false };

/** Versions name the row that was refused, unique keys their constraint; which of several comes first is nobody's promise. */
const classOf = (outcome: CommitOutcome): string => outcome.outcome;

for (const server of testServers()) {
  suite(`model against ${server.name}`, { skip: server.skip }, () => {
    for (const seed of SEEDS)
      test(`${GROUPS} random groups have the same outcomes, and leave the same rows (seed ${seed})`, async () => {
        const started = await server.start();
        const { url } = started;
        const real = createShardStore({ url, applicationName: 'differential' });
        const realSite = await createSiteStore({ url, applicationName: 'differential' });
        const model = createStoreModel(nowMs);
        const modelSite = createMemorySiteStore({ model, tables: createSiteTables(), way, nowMs });
        try {
          const stores: AskedStore[] = [asked(real), asked(connectShard(model, way))];
          const sites = [realSite, modelSite];
          const random = seededRandom(seed);
          const up = (most: number): number => Math.floor(random() * most);
          const scopes = [freshScope(), freshScope()];
          let fences: Fence[] = [];
          for (const site of sites) fences = await site.takeOver(scopes, 2);
          const known = new Map<string, number>();
          let version = 1;
          const counts: Record<string, number> = {};

          const drawn = (scope: Scope): Change => {
            const kind = random();
            if (kind < 0.25) return poolChange(scope, 'vrf', up(4), `n${up(3)}`);
            // Children that lie within each other, beside each other, and on each other.
            if (kind < 0.5) return prefixChange(scope, ROOT, ROUGHLY[up(ROUGHLY.length)]!);
            if (kind < 0.55) return holdingChange(scope, `global${up(2)} of ${scope}`, 'held');
            if (kind < 0.75)
              return claimChange(scope, CLAIMED[up(CLAIMED.length)]!, up(2) === 0 ? 'owned' : 'promised', `n${up(3)}`);
            return ipChange(scope, `net${up(2)}`, `10.0.0.${up(5)}`);
          };
          const changeOf = (): Change => {
            const scope = scopes[up(2)]!;
            const made = drawn(scope);
            const name = `${made.table}:${scope}:${made.key}`;
            const luck = random();
            const prev = luck < 0.7 ? (known.get(name) ?? 0) : luck < 0.85 ? 0 : up(version + 1);
            const released = prev > 0 && random() < 0.4;
            return { ...made, prev, version: ++version, value: released ? null : made.value } as Change;
          };

          let n = 0;
          for (let i = 0; i < GROUPS; i++) {
            if (random() < 0.06) {
              const own = fences.filter(({ shard }) => shard === up(2));
              const raised = await Promise.all(stores.map((store) => store.raise(own)));
              assert.equal(isRefusal(raised[0]), isRefusal(raised[1]));
              assert.deepEqual(raised[0], raised[1]);
              if (!isRefusal(raised[0])) fences = [...fences.filter((fence) => !own.includes(fence)), ...raised[0]!];
            }
            const changes = new Map<string, Change>();
            for (let j = up(4); j >= 0; j--) {
              const change = changeOf();
              changes.set(`${change.table}:${change.scope}:${change.key}`, change);
            }
            const stale = random() < 0.08;
            const proven = fences.map((fence) =>
              stale && fence.shard === 0 ? { ...fence, epoch: fence.epoch - 1 } : fence,
            );
            const keyed = random() < 0.3 ? [outcomeOf({ key: `${scopes[0]}-${up(KEYS)}` })] : [];
            const group = {
              ...groupOf(proven, [...changes.values()], random() < 0.1 ? n : ++n),
              outcomes: keyed,
            };
            const outcomes = await Promise.all(stores.map((store) => store.commit(group)));
            assert.equal(
              classOf(outcomes[0]!),
              classOf(outcomes[1]!),
              `group ${i}: ${JSON.stringify(outcomes)} ${JSON.stringify(group)}`,
            );
            counts[classOf(outcomes[0]!)] = (counts[classOf(outcomes[0]!)] ?? 0) + 1;
            if (outcomes[0]!.outcome === 'committed') {
              for (const [name, change] of changes) {
                if (change.value === null) known.delete(name);
                else known.set(name, change.version);
              }
            } else if (random() < 0.3) {
              const doubts = await Promise.all(stores.map((store) => store.resolve(group.id)));
              assert.deepEqual(doubts[0], doubts[1]);
            }
          }
          assert.ok(
            (counts['committed'] ?? 0) > 40 && (counts['refused'] ?? 0) > 40 && (counts['fenced'] ?? 0) > 5,
            JSON.stringify(counts),
          );
          const { identity } = outcomeOf();
          for (let key = 0; key < KEYS; key++) {
            const found = await Promise.all(sites.map((site) => site.findOutcome(identity, `${scopes[0]}-${key}`)));
            assert.deepEqual(found[0], found[1]);
          }
          for (const table of ['ip', 'pool', 'prefix', 'holding'] as const) {
            const rows = await Promise.all(
              sites.map(async (site) =>
                (await site.rows(table, { scopes })).sort((a, b) =>
                  `${a.scope}${a.key}` < `${b.scope}${b.key}` ? -1 : 1,
                ),
              ),
            );
            assert.deepEqual(rows[0], rows[1]);
          }
        } finally {
          await Promise.all([real.close(), realSite.close()]);
          await started.stop();
        }
      });
  });
}
