// What `npm start`, `npm test` and `npm run build` share: the right Node, a repaired driver, a fresh build.
// Runs before each of them, so it loads nothing it doesn't need: about 0.3 s when there is nothing to do.
import { repairDriver } from '../storage/driver/repair.ts';
import { build, isStale, sourcesOf } from './build.ts';
import { projectRoot } from './root.ts';

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

const prepare = async (isForced: boolean): Promise<void> => {
  // 20.11 brought import.meta.dirname.
  if (major < 20 || (major === 20 && minor < 11))
    throw new Error(
      `hanse needs Node 20.11 or newer and this is ${process.versions.node}: install a newer one from nodejs.org`,
    );
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
