// `npm start`: two plants on this machine, joined, with a simulated rack each and one address for all of it.
import { existsSync, writeFileSync } from 'node:fs';
import { isEngineProblem } from '../storage/engine/problem.ts';
import { endpointFile } from './endpoint.ts';
import { forget, openDatabases, openDataFolder, requireFreePorts, type Databases } from './start/ground.ts';
import { lockFolder, type FolderLock } from './start/lock.ts';
import { Problem, readOptions, USAGE, type Options } from './start/options.ts';
import { createPlant, SITES } from './start/plant.ts';
import { bold, createProgress, dim, green } from './start/screen.ts';
import { createSeeder } from './start/seed.ts';
import { summary } from './start/summary.ts';

const sites = SITES.map(({ site }) => site);

async function run(options: Options): Promise<void> {
  const startedMs = performance.now();
  const { data, seed } = options;
  const progress = createProgress();
  let ending = false;
  let lock: FolderLock | undefined;
  const plant = createPlant(
    options,
    (name, how) => {
      if (!ending) progress.note(`${name} died (${how}) and is started again`);
    },
    (pids) => lock?.note(pids),
  );
  let opening: Promise<Databases> | undefined;
  const stop = async (): Promise<void> => {
    ending = true;
    await plant.stop();
    // Also what is only being opened: a server that is half started would stay behind.
    const databases = await opening?.catch(() => undefined);
    await databases?.stop();
    lock?.release();
  };

  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (ending) return;
      console.log(`\n  ${dim('ending everything …')}`);
      void stop().then(() => {
        console.log(`  ${green('✓')} ended; \`npm start\` goes on where this was left\n`);
        process.exit(0);
      });
    });
  }

  try {
    openDataFolder(data);
    lock = await lockFolder(data, options.ports.router);
    await requireFreePorts(options.ports, sites);
    if (options.fresh) {
      progress.step('forgetting what was there');
      await forget(data);
      openDataFolder(data);
    }
    const isFirst = !existsSync(endpointFile(data));

    progress.step(process.env['DATABASE_URL'] === undefined ? 'bundled database' : 'database server');
    opening = openDatabases(options, sites, progress);
    const databases = await opening;
    if (ending) return;

    progress.step(`sites ${sites.join(' and ')}${isFirst ? '' : ', router'}`);
    plant.startSites(databases.urlOf);
    // Its certificate is there since the first start, so it need not wait for the sites.
    if (!isFirst) plant.startRouter();
    await plant.sitesReady();
    if (isFirst) {
      progress.step('fra joins muc');
      await plant.join();
      progress.step('router');
      plant.startRouter();
    }
    await plant.routerReady();

    progress.step(`simulated racks${isFirst ? `, seed ${seed}` : ''}`);
    plant.startRacks();
    await plant.racksReady();
    const endpoint = plant.endpoint();
    if (isFirst) {
      const seeder = createSeeder({
        routerUrl: endpoint.apiUrl,
        credentials: plant.credentials(),
        places: plant.places,
        note: (text) => progress.note(text),
      });
      await seeder.catalogue(seed);
      await seeder.partitions();
      await seeder.networks(seed);
    }
    writeFileSync(endpointFile(data), JSON.stringify(endpoint, null, 2), { mode: 0o600 });

    progress.step('machines boot');
    const machines = await plant.machinesWait(isFirst);
    progress.done();
    console.log(summary(endpoint, data, performance.now() - startedMs, machines));
  } catch (error) {
    if (ending) return;
    const isKnown = error instanceof Problem || isEngineProblem(error);
    progress.fail(
      isKnown ? (error as Error).message : error instanceof Error ? (error.stack ?? error.message) : String(error),
    );
    await stop();
    process.exit(1);
  }
}

try {
  const options = readOptions(process.argv.slice(2));
  if (options === 'help') console.log(USAGE);
  else {
    console.log(`\n${bold('Hanse')} ${dim('one control plane per plant, together one')}\n`);
    await run(options);
  }
} catch (error) {
  console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
}
