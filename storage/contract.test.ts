import { storeContract } from './contract.ts';
import { serverContract } from './contract/server.ts';
import { createShardStore } from './shard-store.ts';
import { createSiteStore } from './site-store.ts';
import { testServers } from './testing/servers.ts';

for (const server of testServers()) {
  storeContract(
    server.name,
    async () => {
      const started = await server.start();
      const { url } = started;
      const shard = createShardStore({ url, applicationName: 'contract' });
      const [site, other] = await Promise.all([
        createSiteStore({ url, applicationName: 'contract' }),
        createSiteStore({ url, applicationName: 'other', isAlive: (pid) => pid !== 1 }),
      ]);
      return {
        shard,
        site,
        other,
        close: async () => {
          await Promise.all([shard.close(), site.close(), other.close()]);
          await started.stop();
        },
      };
    },
    server.skip,
  );
  serverContract(server);
}
