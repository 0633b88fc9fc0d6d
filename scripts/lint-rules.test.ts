import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { projectRoot } from './root.ts';

// The directions of the house are lint rules, not habits (style.md §2, §3); this shows that they fire.
const violations: Array<{ file: string; code: string; rule: string; what: string }> = [
  {
    file: 'actors/machine/a.ts',
    code: "import { x } from '../../http/app.ts';\nx();\n",
    rule: 'no-restricted-imports',
    what: 'actors import http',
  },
  {
    file: 'actors/machine/b.ts',
    code: "import { x } from '../../router/locate.ts';\nx();\n",
    rule: 'no-restricted-imports',
    what: 'actors import router',
  },
  {
    file: 'actors/machine/c.ts',
    code: "import { x } from '../../storage/index.ts';\nx();\n",
    rule: 'no-restricted-imports',
    what: 'actors import storage',
  },
  {
    file: 'actors/machine/d.ts',
    code: "import { x } from '../../scripts/world.ts';\nx();\n",
    rule: 'no-restricted-imports',
    what: 'actors import scripts',
  },
  {
    file: 'actors/machine/e.ts',
    code: "import { Hono } from 'hono';\nnew Hono();\n",
    rule: 'no-restricted-imports',
    what: 'actors import hono',
  },
  {
    file: 'actors/machine/f.ts',
    code: "import postgres from 'postgres';\npostgres();\n",
    rule: 'no-restricted-imports',
    what: 'actors import postgres',
  },
  {
    file: 'actors/machine/g.ts',
    code: "import { start } from 'nact';\nstart();\n",
    rule: 'no-restricted-imports',
    what: 'another room than actors/runtime imports nact',
  },
  {
    file: 'actors/machine/h.ts',
    code: "import { Piscina } from 'piscina';\nnew Piscina();\n",
    rule: 'no-restricted-imports',
    what: 'another room than actors/runtime imports piscina',
  },
  {
    file: 'http/v1/a.ts',
    code: "import { pack } from 'msgpackr';\npack(1);\n",
    rule: 'no-restricted-imports',
    what: 'http imports msgpackr',
  },
  {
    file: 'http/v1/b.ts',
    code: "import { x } from '../../storage/index.ts';\nx();\n",
    rule: 'no-restricted-imports',
    what: 'http imports storage',
  },
  {
    file: 'http/v1/c.ts',
    code: "import { x } from '../../scripts/world.ts';\nx();\n",
    rule: 'no-restricted-imports',
    what: 'http imports scripts',
  },
  {
    file: 'router/a.ts',
    code: "import { x } from '../http/app.ts';\nx();\n",
    rule: 'no-restricted-imports',
    what: 'router imports http',
  },
  {
    file: 'router/b.ts',
    code: "import { x } from '../storage/index.ts';\nx();\n",
    rule: 'no-restricted-imports',
    what: 'router imports storage',
  },
  {
    file: 'storage/a.ts',
    code: "import { x } from '../router/locate.ts';\nx();\n",
    rule: 'no-restricted-imports',
    what: 'storage imports router',
  },
  {
    file: 'actors/runtime/a.ts',
    code: "import { x } from '../../http/app.ts';\nx();\n",
    rule: 'no-restricted-imports',
    what: 'the runtime imports http',
  },
  {
    file: 'actors/machine/i.ts',
    code: 'export const now = (): number => Date.now();\n',
    rule: 'no-restricted-globals',
    what: 'actors read the clock',
  },
  {
    file: 'actors/machine/j.ts',
    code: 'export const later = (run: () => void): void => void setTimeout(run, 1);\n',
    rule: 'no-restricted-globals',
    what: 'actors set timers',
  },
  {
    file: 'actors/machine/k.ts',
    code: 'export const now = (): number => performance.now();\n',
    rule: 'no-restricted-globals',
    what: 'actors read the monotonic clock',
  },
  {
    file: 'actors/runtime/b.ts',
    code: 'export const luck = (): number => Math.random();\n',
    rule: 'no-restricted-properties',
    what: 'the runtime draws by itself',
  },
  {
    file: 'router/c/a.ts',
    code: "import { b } from './b.ts';\nexport const a = (): number => b() + 1;\n",
    rule: 'no-cycle',
    what: 'two files import each other',
  },
];

const innocents = [
  { file: 'actors/runtime/c.ts', code: "import { start } from 'nact';\nstart();\n" },
  { file: 'http/v1/d.ts', code: "import { x } from '../../actors/refusal.ts';\nx();\n" },
  { file: 'scripts/a.ts', code: "import { x } from '../storage/index.ts';\nx();\n" },
  { file: 'router/c/b.ts', code: "import { a } from './a.ts';\nexport const b = (): number => a() + 1;\n" },
];

interface Diagnostic {
  code: string;
  filename: string;
}

describe('import rules', () => {
  let folder = '';
  let found: Diagnostic[] = [];

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'hanse-lint-'));
    copyFileSync(join(projectRoot, '.oxlintrc.json'), join(folder, '.oxlintrc.json'));
    for (const { file, code } of [...violations, ...innocents]) {
      mkdirSync(join(folder, dirname(file)), { recursive: true });
      writeFileSync(join(folder, file), code);
    }
    const run = spawnSync(
      process.execPath,
      [join(projectRoot, 'node_modules', 'oxlint', 'bin', 'oxlint'), '--format', 'json'],
      {
        cwd: folder,
        encoding: 'utf8',
      },
    );
    found = (JSON.parse(run.stdout) as { diagnostics: Diagnostic[] }).diagnostics;
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const firedIn = (file: string): string[] =>
    found.filter(({ filename }) => filename.endsWith(file)).map(({ code }) => code);

  for (const { file, rule, what } of violations) {
    it(`fires when ${what}`, () => {
      assert.ok(
        firedIn(file).some((code) => code.includes(rule)),
        `${rule} did not fire in ${file}; fired: ${firedIn(file).join(', ') || 'nothing'}`,
      );
    });
  }

  for (const { file } of innocents.filter(({ file: name }) => !name.startsWith('router/c/'))) {
    it(`does not fire in ${file}`, () => {
      assert.deepEqual(
        firedIn(file).filter((code) => code.includes('restricted')),
        [],
      );
    });
  }
});
