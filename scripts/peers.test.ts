import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { peerPath, peerSkipReason } from './peers.ts';

test('a machine without Go says why a peer is missing, with and without CI', (t) => {
  const empty = mkdtempSync(join(tmpdir(), 'hanse-peers-'));
  t.after(() => rmSync(empty, { recursive: true }));
  for (const ci of [{}, { CI: 'true' }, { HANSE_PEERS: 'build' }]) {
    const environment = { PATH: empty, PEERS_BIN: empty, ...ci };
    assert.match(String(peerSkipReason('nsqd', environment)), /^nsqd is not built, and this machine has no Go/);
    assert.equal(peerPath('nsqd', environment), undefined);
  }
});

test(
  'crdb-parse accepts what CockroachDB accepts, and names the token that it refuses',
  { skip: peerSkipReason('crdb-parse') },
  () => {
    const path = peerPath('crdb-parse');
    assert.ok(path);
    const parse = (sql: string) => spawnSync(path, ['-'], { input: sql, encoding: 'utf8' });
    const accepted = parse('create table t (id int primary key); upsert into t values (1);');
    assert.equal(accepted.status, 0);
    assert.match(accepted.stdout, /^2 statements parsed, 0 files failed$/m);
    const refused = parse('create tabel t (id int);');
    assert.equal(refused.status, 1);
    assert.match(refused.stdout, /tabel/);
  },
);

test('metal-go: a server that is not there is one failed step and exit 1', { skip: peerSkipReason('metal-go') }, () => {
  const path = peerPath('metal-go');
  assert.ok(path);
  const run = spawnSync(path, [], {
    encoding: 'utf8',
    env: { METALCTL_API_URL: 'http://127.0.0.1:1', METALCTL_HMAC: 'key', NO_PROXY: '*' },
  });
  assert.equal(run.status, 1);
  assert.match(run.stdout, /^not ok 1 version \(\d+ ms\)\n {4}.*127\.0\.0\.1:1/);
  assert.match(run.stdout, /\n0 passed, 1 failed\n$/);
});
