// What `npm start`, `npm test` and `npm run build` share: a repaired driver, a fresh build.
// Runs before each of them, so it loads nothing it doesn't need: about 0.3 s when there is nothing to do.
import { repairDriver } from '../storage/driver/repair.ts';
import { build, isStale, sourcesOf } from './build.ts';
import { projectRoot } from './root.ts';

const prepare = async (isForced: boolean): Promise<void> => {
  if (repairDriver() === 'repaired now') console.log('repaired the database driver (postgres.js)');
  const sources = sourcesOf(projectRoot);
  if (!isForced && !isStale(projectRoot, sources)) return;
  const { entries, bytes, tookMs } = await build(projectRoot, sources);
  if (entries.length > 0)
    console.log(
      `built ${entries.length} programs, ${Math.round(bytes / 1024)} KiB, in ${Math.round(tookMs)} ms: ${entries.join(' ')}`,
    );
};

try {
  await prepare(process.argv.includes('--force'));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
