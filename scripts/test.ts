// Lists the test files itself: `tsx --test` without arguments finds no .ts file on Node 20 and still exits 0.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { projectRoot } from './root.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { long: { type: 'boolean', default: false }, concurrency: { type: 'string', default: '2' } },
});

const rooms = ['actors', 'http', 'router', 'storage', 'scripts'];
const root = projectRoot;
const suffix = values.long ? '.long.ts' : '.test.ts';
const files = rooms
  .flatMap((room) =>
    readdirSync(join(root, room), { recursive: true, encoding: 'utf8' }).map((name) => join(room, name)),
  )
  .filter((name) => name.endsWith(suffix) && positionals.every((wanted) => name.includes(wanted)))
  .sort();

if (files.length === 0) {
  console.error(`no ${suffix} file matches ${positionals.join(' ') || 'the rooms'}: a run without tests is a failure`);
  process.exit(1);
}

const concurrency = values.long ? '1' : values.concurrency;
const run = spawnSync(
  process.execPath,
  [
    '--import',
    'tsx',
    '--test',
    `--test-concurrency=${concurrency}`,
    ...files.map((file) => relative(root, join(root, file))),
  ],
  { cwd: root, stdio: 'inherit', env: { ...process.env, TZ: 'UTC', LC_ALL: 'C' } },
);
process.exit(run.status ?? 1);
