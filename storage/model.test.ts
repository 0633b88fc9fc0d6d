// The database in memory under the same contract as the servers, so that what the simulation finds can be believed.
import { connectShard, type StoreWay } from '../actors/runtime/memory-store.ts';
import { createMemorySiteStore, createSiteTables } from '../actors/runtime/memory-site-store.ts';
import { createStoreModel } from '../actors/runtime/store-model.ts';
import { storeContract } from './contract.ts';

const nowMs = (): number => Date.now();
const soon = (delayMs: number, run: () => void): void => void setTimeout(run, delayMs);
const way: StoreWay = { fate: () => ({ thereMs: 1, backMs: 0 }), at: soon, back: soon, isDown: () => false };

storeContract('model', async () => {
  const model = createStoreModel(nowMs);
  const tables = createSiteTables();
  const open = (isAlive: (pid: number) => boolean) => createMemorySiteStore({ model, tables, way, nowMs, isAlive });
  return {
    shard: connectShard(model, way),
    site: open(() => true),
    other: open((pid) => pid !== 1),
    close: async () => {},
  };
});
