import { after, test } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { projectRoot } from './root.ts';

/** What stands for a site, or for a router in front of it. */
const asked: Array<{ line: string; headers: IncomingHttpHeaders }> = [];
const answers: Readonly<Record<string, object>> = {
  'GET /v2/inspect/links': { links: [] },
  'GET /v2/inspect/quarantine': { quarantine: [{ id: 'q1' }] },
  'POST /v2/inspect/quarantine/q1/retry': { outcome: { stored: true } },
  'DELETE /v2/inspect/quarantine/q1': { dropped: 'q1' },
};
let via: Record<string, string> = {};
const server = createServer((request, response) => {
  asked.push({ line: `${request.method} ${request.url}`, headers: request.headers });
  response.writeHead(200, { 'content-type': 'application/json', 'x-hanse-dry-run': 'true', ...via });
  response.end(JSON.stringify({ site: 'muc', ...answers[`${request.method} ${request.url}`] }));
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const api = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
const data = mkdtempSync(join(tmpdir(), 'hanse-commands-'));
after(() => {
  server.close();
  rmSync(data, { recursive: true, force: true });
});

const run = (script: string, ...args: string[]) => runIn({}, script, ...args);

async function runIn(
  environment: NodeJS.ProcessEnv,
  script: string,
  ...args: string[]
): Promise<{ code: number | null; out: string; err: string }> {
  const { PATH } = process.env;
  const child = spawn(process.execPath, ['--import', 'tsx', join(projectRoot, 'scripts', script), ...args], {
    cwd: projectRoot,
    env: { PATH, HANSE_DATA: data, METALCTL_API_URL: api, METALCTL_HMAC: 'key', ...environment },
  });
  const [out, err]: [string[], string[]] = [[], []];
  child.stdout.on('data', (part: Buffer) => out.push(part.toString()));
  child.stderr.on('data', (part: Buffer) => err.push(part.toString()));
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { code, out: out.join(''), err: err.join('') };
}

test('api sends the headers that are given, and shows what the answer says in its own', async () => {
  asked.length = 0;
  const headers = ['--header', 'X-Hanse-Dry-Run: true', '--header', 'Idempotency-Key:k1'];
  const { code, err } = await run('api.ts', 'DELETE', '/v1/ip/free/10.0.0.1', ...headers);
  assert.deepEqual([code, err], [0, 'x-hanse-dry-run: true\n']);
  assert.equal(asked[0]?.line, 'DELETE /v1/ip/free/10.0.0.1');
  assert.deepEqual(
    [asked[0]?.headers['x-hanse-dry-run'], asked[0]?.headers['idempotency-key']],
    ['true', 'k1'],
    'both arrived',
  );
  const wrong = await run('api.ts', 'GET', '/v1/ip', '--header', 'no colon');
  assert.deepEqual([wrong.code, /expected 'NAME: VALUE'/.test(wrong.err), asked.length], [2, true, 1]);
});

test('inspect refuses what it does not understand instead of passing over it', async () => {
  asked.length = 0;
  const extra = await run('inspect.ts', 'leases', 'extra');
  assert.deepEqual([extra.code, /too many arguments/.test(extra.err)], [1, true], extra.err);
  const kind = await run('inspect.ts', 'actors', '--kind', 'foo');
  assert.deepEqual([kind.code, /allocator, block, directory, machine/.test(kind.err)], [1, true], kind.err);
  assert.deepEqual(asked, [], 'nobody was asked');
});

test('inspect takes the id of a scope for every scope that has it', async () => {
  for (const [scope, query] of [
    ['muc', 'scope=partition%3Amuc&scope=site%3Amuc'],
    ['site:muc', 'scope=site%3Amuc'],
  ] as const) {
    asked.length = 0;
    await run('inspect.ts', 'actors', '--scope', scope, '-o', 'json');
    assert.deepEqual(
      asked.map(({ line }) => line),
      [`GET /v2/inspect/actors?limit=20&${query}`],
    );
  }
});

test('inspect tells of a message that was dropped or tried again as text, or as json when that is asked for', async () => {
  for (const [word, answer, text] of [
    ['drop', { site: 'muc', dropped: 'q1' }, /^dropped q1 of site muc\n$/],
    ['retry', { site: 'muc', outcome: { stored: true } }, /done now: message q1 of site muc[^]*"stored": true/],
  ] as const) {
    const plain = await run('inspect.ts', word, 'q1');
    assert.deepEqual([plain.code, plain.err], [0, '']);
    assert.match(plain.out, text);
    const json = await run('inspect.ts', word, 'q1', '-o', 'json');
    assert.deepEqual(JSON.parse(json.out), [answer]);
  }
});

test('inspect says when it is a router that it asks', async () => {
  const site = await run('inspect.ts', 'links');
  assert.deepEqual([site.code, site.err], [0, '']);
  via = { via: '1.1 hanse-router' };
  const router = await run('inspect.ts', 'links');
  assert.equal(router.code, 0);
  assert.match(router.err, /is a router: this is what one of its sites says, muc/);
});

test('a command that is given no address, or none that it can speak to, says which word it was and what would be right', async () => {
  const expected = /: "[^"]*" is no REST address, expected one such as http:\/\/127\.0\.0\.1:8080\n/;
  const wrongs: Array<[from: string, environment: NodeJS.ProcessEnv, script: string, ...args: string[]]> = [
    ['--api', {}, 'inspect.ts', '--api', 'nonsense', 'leases'],
    ['--api', {}, 'inspect.ts', '--api', 'localhost:8080', 'drop', 'x'],
    ['METALCTL_API_URL', { METALCTL_API_URL: '' }, 'inspect.ts', 'leases'],
    ['METALCTL_API_URL', { METALCTL_API_URL: 'https://muc' }, 'api.ts', 'GET', '/v1/machine'],
    ['--api', {}, 'join.ts', '--status', '--api', 'nonsense'],
    ['--api', {}, 'site-command.ts', 'status', '--site', 'muc', '--api', 'nonsense'],
    ['--api', {}, 'site-command.ts', 'accept-loss', '--site', 'muc', '--yes', '--api', 'nonsense'],
  ];
  for (const [from, environment, ...words] of wrongs) {
    const { code, out, err } = await runIn(environment, ...words);
    assert.deepEqual([code, out], [1, ''], `${words.join(' ')}: ${err}`);
    assert.match(err, expected, words.join(' '));
    assert.match(err, new RegExp(`^(error: )?${from}: `), words.join(' '));
  }
  const database = await runIn({ DATABASE_URL: 'a:secret@b' }, 'site-command.ts', 'backup', 'x', '--site', 'muc');
  const form = 'error: DATABASE_URL: expected postgres://user:password@host:port/database\n';
  assert.deepEqual([database.code, database.err], [1, form], 'without what may be a password');
});

test('a backup that has nowhere to lie says which folder is missing, before a database is opened', async () => {
  const backup = (...words: string[]) => run('site-command.ts', 'backup', '--site', 'muc', ...words);
  const missing = join(data, 'nowhere', 'deep');
  const { code, out, err } = await backup(join(missing, 'muc.hanse'));
  assert.deepEqual([code, out], [1, '']);
  assert.equal(err, `error: there is no folder ${missing}: make it first, or name a file elsewhere\n`);
  assert.match((await backup('--force', data)).err, /is a folder, expected the name of a file/);
  writeFileSync(join(data, 'old.hanse'), '');
  assert.match((await backup(join(data, 'old.hanse'))).err, /is there already: --force replaces it/);
  assert.match((await backup(join(data, 'old.hanse', 'muc.hanse'))).err, /there is no folder .*old\.hanse:/);
});
