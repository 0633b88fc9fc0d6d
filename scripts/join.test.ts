import { after, test } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { projectRoot } from './root.ts';

const data = mkdtempSync(join(tmpdir(), 'hanse-join-'));
const folder = join(data, 'sites', 'fra');
mkdirSync(join(folder, 'identity'), { recursive: true });

/** A site that has one good token; its key changes with the join. */
let isMember = false;
const asked: string[] = [];
const storeKey = (admin: string): void =>
  writeFileSync(join(folder, 'identity', 'hmac.json'), JSON.stringify({ hmac: { view: 'v', edit: 'e', admin } }));
storeKey('own');
const server = createServer((request, response) => {
  const parts: Buffer[] = [];
  request.on('data', (part: Buffer) => parts.push(part));
  request.on('end', () => {
    asked.push(`${request.method} ${request.url} ${request.headers.authorization?.split(' ')[0]}`);
    const answer = (status: number, body: unknown): void => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(body));
    };
    if (request.url === '/v2/federation/invite') return answer(200, { token: 'hanse1.good' });
    if (request.url === '/v2/federation') {
      const members = [{ site: 'muc', partitions: ['muc'], up: true, lastFailure: null }];
      return answer(200, { site: 'fra', partitions: [], members: isMember ? members : [] });
    }
    if (!Buffer.concat(parts).includes('hanse1.good')) {
      const message = 'partition a exists at site fra and at site muc\nnetwork b exists at site fra and at site muc';
      return answer(422, JSON.stringify({ statuscode: 422, message }));
    }
    isMember = true;
    storeKey('shared');
    answer(200, { joined: true });
  });
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const api = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
after(() => {
  server.close();
  rmSync(data, { recursive: true, force: true });
});

async function run(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const { PATH } = process.env;
  const child = spawn(process.execPath, ['--import', 'tsx', join(projectRoot, 'scripts', 'join.ts'), ...args], {
    cwd: projectRoot,
    env: { PATH, HANSE_DATA: data },
  });
  const [out, err]: [string[], string[]] = [[], []];
  child.stdout.on('data', (part: Buffer) => out.push(part.toString()));
  child.stderr.on('data', (part: Buffer) => err.push(part.toString()));
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { code, out: out.join(''), err: err.join('') };
}

test('invites, lists every reason against a join, joins and waits for the site with its new keys', async () => {
  const place = ['--data', folder, '--api', api];
  assert.deepEqual(await run('--invite', ...place), { code: 0, out: 'hanse1.good\n', err: '' });
  const refused = await run('--token', 'hanse1.bad', ...place);
  assert.equal(refused.code, 1);
  assert.match(refused.err, /partition a exists.*\n {2}network b exists/);
  const joined = await run('--token', 'hanse1.good', ...place);
  assert.equal(joined.code, 0, joined.err);
  assert.match(joined.out, /muc\s+up\s+partition muc/);
  assert.ok(asked.every((line) => line.endsWith(' Metal-Admin')));
});

test('says what is missing', async () => {
  assert.match((await run()).err, /^usage: npm run join/);
  assert.match((await run('--status', '--data', folder)).err, /give it with --api URL/);
  assert.match((await run('--invite')).err, /no running site is known here/);
  assert.match((await run('--invite', '--data', data, '--api', api)).err, /no admin key in .*there is no such file/);
  const nobody = await run('--status', '--data', folder, '--api', 'http://127.0.0.1:1');
  assert.deepEqual([nobody.code, /does not answer/.test(nobody.err)], [1, true]);
});
