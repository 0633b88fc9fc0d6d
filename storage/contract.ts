// The contract of the store ports as a suite: whatever implements them has to pass it.
import { after, before } from 'node:test';
import type { ShardStore, SiteStore } from '../actors/ports.ts';
import { blindContract } from './contract/blind.ts';
import { commitContract } from './contract/commit.ts';
import { outcomeContract } from './contract/outcome.ts';
import { ownershipContract } from './contract/ownership.ts';
import { readingContract } from './contract/reading.ts';
import { siteContract } from './contract/site.ts';
import { uniqueContract } from './contract/unique.ts';
import { asked, type AskedStore } from './testing/samples.ts';
import { suite } from './testing/register.ts';

export interface OpenStores {
  shard: ShardStore;
  site: SiteStore;
  /** Another process's view of the same site, as far as leases are concerned: it takes pid 1 of each host for dead. */
  other: SiteStore;
  close(): Promise<void>;
}

export interface Stores {
  store: () => AskedStore;
  /** The same, as a shard has it. */
  shard: () => ShardStore;
  site: () => SiteStore;
  other: () => SiteStore;
}

/** Registers the suite. `open` is called once, before its first test. */
export function storeContract(name: string, open: () => Promise<OpenStores>, skip: string | false = false): void {
  suite(`store contract: ${name}`, { skip }, () => {
    let opened: OpenStores | undefined;
    let store: AskedStore | undefined;
    before(async () => {
      opened = await open();
      store = asked(opened.shard);
    });
    after(() => opened?.close());
    const stores: Stores = {
      store: () => store!,
      shard: () => opened!.shard,
      site: () => opened!.site,
      other: () => opened!.other,
    };
    commitContract(stores);
    uniqueContract(stores);
    blindContract(stores);
    ownershipContract(stores);
    readingContract(stores);
    siteContract(stores);
    outcomeContract(stores);
  });
}
