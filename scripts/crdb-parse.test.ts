import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { allStatements } from '../storage/index.ts';
import { peerPath, peerSkipReason } from './peers.ts';

test(
  "database.md §5: every statement and every migration parses with CockroachDB's own parser",
  { skip: peerSkipReason('crdb-parse') },
  () => {
    const path = peerPath('crdb-parse');
    assert.ok(path);
    const parse = (sql: string) => spawnSync(path, ['-'], { input: sql, encoding: 'utf8' });
    const statements = [...new Set(allStatements())];
    assert.ok(statements.length > 150, `${statements.length} statements`);
    const together = parse(`${statements.join(';\n')};`);
    if (together.status === 0) {
      const [, parsed] = /^(\d+) statements parsed, 0 files failed$/m.exec(together.stdout) ?? [];
      assert.equal(Number(parsed), statements.length);
      return;
    }
    for (const statement of statements) {
      const { status, stdout } = parse(`${statement};`);
      assert.equal(status, 0, `${stdout}\n${statement}`);
    }
    assert.fail(`each statement parses, but not all together: ${together.stdout}`);
  },
);
