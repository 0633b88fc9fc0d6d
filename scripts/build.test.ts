import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { build, isStale, sourcesOf } from './build.ts';
import { projectRoot } from './root.ts';

const root = realpathSync(mkdtempSync(join(tmpdir(), 'hanse build ')));
after(() => rmSync(root, { recursive: true, force: true }));

const put = (path: string, text: string): void => {
  mkdirSync(join(root, path, '..'), { recursive: true });
  writeFileSync(join(root, path), text);
};

put('package.json', '{ "name": "hanse", "type": "module" }');
put('scripts/root.ts', readFileSync(join(projectRoot, 'scripts', 'root.ts'), 'utf8'));
put('storage/migrations/1.sql', 'select 1;');
put('actors/word.ts', `export const word: string = 'hanse';`);
put('actors/late.ts', `export const late = 'late';`);
const program = (name: string): string => `
  import { existsSync } from 'node:fs';
  import { join } from 'node:path';
  import { word } from '../actors/word.ts';
  import { projectRoot } from './root.ts';
  const { late } = await import('../actors/late.ts');
  console.log(['${name}', word, late, projectRoot, existsSync(join(projectRoot, 'storage/migrations/1.sql'))].join('|'));`;
put('scripts/start.ts', program('start'));
put('scripts/router.ts', program('router'));

const run = (name: string): string =>
  execFileSync(process.execPath, [join(root, 'dist', `${name}.js`)], { encoding: 'utf8', cwd: tmpdir() }).trim();

test('the programs that exist are built, run from any folder, and find the checkout', async () => {
  assert.equal(isStale(root, sourcesOf(root)), true);
  const { entries } = await build(root);
  assert.deepEqual(entries, ['dist/start.js', 'dist/router.js']);
  assert.equal(run('start'), `start|hanse|late|${root}|true`);
  assert.equal(run('router'), `router|hanse|late|${root}|true`);
  assert.ok(existsSync(join(root, 'dist', 'start.js.map')));
});

test('a build is stale after a change, a new file and a removed one, and not otherwise; tests do not count', async () => {
  const isFresh = (): boolean => !isStale(root, sourcesOf(root));
  assert.equal(isFresh(), true);
  const later = new Date(Date.now() + 5000);
  utimesSync(join(root, 'storage/migrations/1.sql'), later, later);
  assert.equal(isFresh(), false);
  await build(root);
  assert.equal(isFresh(), true);
  put('actors/another.ts', '');
  assert.equal(isFresh(), false);
  await build(root);
  rmSync(join(root, 'actors/another.ts'));
  assert.equal(isFresh(), false);
  await build(root);
  writeFileSync(join(root, 'actors/word.ts'), `export const word = 'changed';`);
  utimesSync(join(root, 'actors/word.ts'), new Date(later.getTime() + 1000), new Date(later.getTime() + 1000));
  assert.equal(isFresh(), false);
  await build(root);
  assert.match(run('start'), /changed/);
  rmSync(join(root, 'dist', 'router.js'));
  assert.equal(isFresh(), false);
});

test('a source that does not compile is refused and the last build stays', async () => {
  put('scripts/start.ts', 'const = 1;');
  const built = readFileSync(join(root, 'dist', 'start.js'), 'utf8');
  await assert.rejects(build(root), /Expected/);
  assert.equal(readFileSync(join(root, 'dist', 'start.js'), 'utf8'), built);
});

test('the checkout is found from its sources', () => {
  assert.equal(JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')).name, 'hanse');
});
