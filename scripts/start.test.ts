import assert from 'node:assert/strict';
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { callApi } from './api-client.ts';
import { endpointIn, freeRouterPort, launch, temporaryData } from './process/launcher.fixture.ts';

const data = temporaryData();
after(() => data.remove());

describe('npm start', () => {
  it('starts both plants, ends on Ctrl-C, and goes on with its data', { timeout: 150_000 }, async () => {
    const port = await freeRouterPort();
    const args = ['--data', data.folder, '--port', String(port)];
    const first = launch(args);
    await first.ready();
    const endpoint = endpointIn(data.folder);
    const admin = { user: 'Metal-Admin', key: endpoint.keys.admin };
    assert.equal(statSync(join(data.folder, 'endpoint.json')).mode & 0o777, 0o600);
    assert.match(first.output(), new RegExp(`router +http://127.0.0.1:${port}`));

    const made = await callApi(endpoint.apiUrl, admin, 'PUT', '/v1/project', {
      meta: { id: 'kept' },
      name: 'kept',
      tenant_id: 'metal-stack',
    });
    assert.equal(made.status, 201, made.text);
    assert.equal(await first.interrupt(), 0, first.output());
    assert.match(first.output(), /ended; `npm start` goes on where this was left/);
    await assert.rejects(callApi(endpoint.apiUrl, admin, 'GET', '/v1/partition'));

    const second = launch(args);
    await second.ready();
    const found = await callApi(endpoint.sites['fra'] as string, admin, 'GET', '/v1/project/kept');
    assert.equal(found.status, 200, found.text);
    const machines = await callApi(endpoint.apiUrl, admin, 'GET', '/v1/machine');
    assert.equal((JSON.parse(machines.text) as unknown[]).length, 16);
    assert.equal(await second.interrupt(), 0);
  });

  it('a port in use is one sentence that names it', async () => {
    const taken = createServer();
    const port = await freeRouterPort();
    await new Promise<void>((resolve) => taken.listen(port - 10, '127.0.0.1', resolve));
    const launched = launch(['--data', data.folder, '--port', String(port)]);
    assert.equal(await launched.ended(), 1);
    assert.match(
      launched.output(),
      new RegExp(`error: port ${(taken.address() as AddressInfo).port} \\(REST of muc\\) is in use: `),
    );
    taken.close();
  });

  it('a data folder that cannot be written is one sentence that says what to do', async () => {
    const folder = join(data.folder, 'a-file', 'below');
    const launched = launch(['--data', join(process.execPath, 'below'), '--port', String(await freeRouterPort())]);
    assert.equal(await launched.ended(), 1);
    assert.match(
      launched.output(),
      /error: the data folder .* can't be written \(\w+\): give another with --data FOLDER/,
    );
    assert.equal(existsSync(folder), false);
  });

  it('an unknown option shows what there is', async () => {
    const launched = launch(['--seeds', 'demo']);
    assert.equal(await launched.ended(), 1);
    assert.match(launched.output(), /--seeds[\s\S]*usage: npm start/);
    mkdirSync(data.folder, { recursive: true });
  });
});
