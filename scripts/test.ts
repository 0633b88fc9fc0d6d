// Lists the test files itself: `tsx --test` without arguments finds no .ts file on Node 20 and still exits 0.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
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
    ...(values.long ? files : inProcesses(files)).map((file) => relative(root, join(root, file))),
  ],
  { cwd: root, stdio: 'inherit', env: { ...process.env, TZ: 'UTC', LC_ALL: 'C' } },
);
process.exit(run.status ?? 1);

/**
 * Node 20 gives each file a process of its own, and to start one with tsx and the house's modules costs more than most files
 * take: those of one folder share a process, by a file that imports them. Alone stay files right in a room and those of
 * scripts/process, which start processes or servers and are better spread, and those whose hooks are the whole process's.
 */
function inProcesses(names: readonly string[]): string[] {
  const generated = join('dist', 'test');
  rmSync(join(root, generated), { recursive: true, force: true });
  mkdirSync(join(root, generated), { recursive: true });
  return [...new Set(names.map(dirname))].flatMap((folder) => {
    const inFolder = names.filter((name) => dirname(name) === folder);
    if (rooms.includes(folder) || folder === join('scripts', 'process')) return inFolder;
    const [alone, together] = [inFolder.filter(hooksTheProcess), inFolder.filter((name) => !hooksTheProcess(name))];
    if (together.length < 2) return inFolder;
    const shared = join(generated, `${folder.replaceAll(sep, '-')}.test.ts`);
    writeFileSync(
      join(root, shared),
      together.map((name) => `import '${relative(generated, name).replaceAll(sep, '/')}';\n`).join(''),
    );
    return [shared, ...alone];
  });
}

function hooksTheProcess(name: string): boolean {
  return /^(before|after)(Each)?\(/m.test(readFileSync(join(root, name), 'utf8'));
}
