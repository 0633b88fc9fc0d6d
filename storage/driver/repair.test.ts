import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { after, before, test } from 'node:test';
import { assertRepaired, driverFolder, isRepaired, repairDriver, repairText } from './repair.ts';
import { repairs } from './repairs.ts';
import { killRounds } from './repair.rounds.ts';

const scratch = mkdtempSync(join(tmpdir(), 'hanse-driver-'));
const folder = join(scratch, 'postgres');

/** The installed driver with every repair taken out again. */
const restore = (): void => {
  rmSync(folder, { recursive: true, force: true });
  cpSync(driverFolder(), folder, { recursive: true });
  for (const source of ['src', 'cjs/src'])
    for (const { file, from, to } of repairs) {
      const path = join(folder, source, file);
      writeFileSync(
        path,
        readFileSync(path, 'utf8').replace(to, () => from),
      );
    }
};

before(() => repairDriver());
after(() => rmSync(scratch, { recursive: true, force: true }));

test('database.md §3.1: an original driver is repaired in both its copies, once, and a process can tell', () => {
  restore();
  assert.equal(isRepaired(folder), false);
  assert.throws(() => assertRepaired(folder), /unrepaired; run npm start or npm run build/);
  assert.equal(repairDriver(folder), 'repaired now');
  assert.equal(isRepaired(folder), true);
  assert.equal(repairDriver(folder), 'was repaired');
  assertRepaired(folder);
  for (const file of [
    'src/connection.js',
    'cjs/src/connection.js',
    'src/index.js',
    'cjs/src/index.js',
    'src/query.js',
    'cjs/src/query.js',
  ])
    assert.equal(readFileSync(join(folder, file), 'utf8'), readFileSync(join(driverFolder(), file), 'utf8'));
});

test('a driver repaired in part is repaired wholly', () => {
  restore();
  const path = join(folder, 'src', 'connection.js');
  const first = repairs.find(({ file }) => file === 'connection.js');
  writeFileSync(
    path,
    readFileSync(path, 'utf8').replace(first?.from ?? '', () => first?.to ?? ''),
  );
  assert.equal(isRepaired(folder), false);
  repairDriver(folder);
  assert.equal(isRepaired(folder), true);
});

test('another text or version is refused aloud, and nothing is written', () => {
  restore();
  const path = join(folder, 'src', 'connection.js');
  writeFileSync(
    path,
    readFileSync(path, 'utf8').replace('const x = socket.write(chunk, fn)', 'const x = socket.send(chunk, fn)'),
  );
  const other = readFileSync(join(folder, 'cjs', 'src', 'connection.js'), 'utf8');
  assert.throws(() => repairDriver(folder), /can't be repaired: .*connection\.js/);
  assert.equal(readFileSync(join(folder, 'cjs', 'src', 'connection.js'), 'utf8'), other);
  const manifest = join(folder, 'package.json');
  writeFileSync(manifest, readFileSync(manifest, 'utf8').replace('"3.4.9"', '"3.5.0"'));
  assert.throws(() => repairDriver(folder), /3\.5\.0 is installed.*3\.4\.9/);
  assert.throws(() => assertRepaired(folder), /unrepaired/);
});

test('each repair finds its place exactly once in the original text', () => {
  restore();
  for (const { file, from, to } of repairs) {
    const text = readFileSync(join(folder, 'src', file), 'utf8');
    assert.equal(text.split(from).length, 2, from);
    assert.equal(text.split(to).length, 1, to);
    assert.equal(typeof repairText(file, text).state, 'string');
  }
});

/** Runs a client of the driver in `folder` against a server that misbehaves, in a process of its own; returns what it printed or why it died. */
const inProcess = async (
  answer: 'cut in transaction' | 'reset at the first message' | 'reset at the second message',
  client: string,
): Promise<string> => {
  const frame = (type: string, body: Buffer): Buffer => {
    const head = Buffer.alloc(5);
    head.write(type);
    head.writeInt32BE(body.length + 4, 1);
    return Buffer.concat([head, body]);
  };
  const ready = (state: string): Buffer => frame('Z', Buffer.from(state));
  const server = createServer((socket) => {
    let isSecond = false;
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      if (bytes[0] === 0) socket.write(Buffer.concat([frame('R', Buffer.alloc(4)), ready('I')]));
      else if (answer === 'reset at the first message' || isSecond) socket.resetAndDestroy();
      else if (answer === 'reset at the second message') {
        isSecond = true;
        socket.write(Buffer.concat([frame('C', Buffer.from('SELECT 0\0')), ready('I')]));
      } else if (bytes[0] === 81) {
        socket.write(Buffer.concat([frame('C', Buffer.from('BEGIN\0')), ready('T')]));
        setTimeout(() => socket.destroy(), 10);
      }
    });
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const port = (server.address() as AddressInfo).port;
  const path = join(scratch, 'client.mjs');
  writeFileSync(
    path,
    `import postgres from ${JSON.stringify(pathToFileURL(join(folder, 'src', 'index.js')).href)};
     const open = (options) => postgres({ host: '127.0.0.1', port: ${port}, user: 'u', database: 'd', max: 1, ...options });
     const sleep = (ms) => new Promise((go) => setTimeout(go, ms));
     ${client}
     process.exit();`,
  );
  const child = spawn(process.execPath, [path]);
  let output = '';
  child.stdout.on('data', (part: Buffer) => (output += part.toString()));
  child.stderr.on('data', (part: Buffer) => (output += part.toString()));
  const code = await new Promise((exit) => child.once('close', exit));
  server.close();
  return `${String(code)} ${output.trim()}`;
};

const goesOn = `
  const sql = open({ fetch_types: false });
  const inner = [];
  const work = async (s) => {
    await sleep(60);
    await s\`select 1\`.catch((error) => inner.push(error.code));
    throw new Error('over');
  };
  await sql.begin(work).catch((error) => inner.push(error.code));
  await sleep(150);
  console.log(inner.join());`;

test('database.md §3.1: a transaction that goes on after its connection was cut ends the process with the original, and fails with the repaired driver', async () => {
  restore();
  assert.match(await inProcess('cut in transaction', goesOn), /^1 [^]*reading 'write'/);
  repairDriver(folder);
  assert.equal(await inProcess('cut in transaction', goesOn), '0 CONNECTION_CLOSED,CONNECTION_CLOSED');
});

test('a reset while array types are read ends the process with the original, and fails the query with the repaired driver', async () => {
  const client =
    'await open({ fetch_types: true })`select 1`.catch((error) => console.log(error.code)); await sleep(100);';
  restore();
  assert.match(await inProcess('reset at the first message', client), /^1 /);
  repairDriver(folder);
  assert.equal(await inProcess('reset at the first message', client), '0 ECONNRESET');
});

test('a query that comes between the error and the close of its connection hangs with the original, and fails with the repaired driver', async () => {
  const client = `
    const sql = open({ fetch_types: false });
    await sql.unsafe('select 1');
    await sql.unsafe('select 2').catch(() => {});
    console.log(await Promise.race([sql.unsafe('select 3').catch((error) => error.code), sleep(500).then(() => 'hangs')]));`;
  restore();
  assert.equal(await inProcess('reset at the second message', client), '0 hangs');
  repairDriver(folder);
  assert.equal(await inProcess('reset at the second message', client), '0 CONNECTION_CLOSED');
});

test('database.md §8: the server is killed 5 times under load; the process lives, every query settles, nothing acknowledged is missing', async () => {
  await killRounds(5);
});
