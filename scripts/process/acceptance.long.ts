// metal-stack's own REST client against two plants, through the router and through the other plant's own address.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, test } from 'node:test';
import { peerPath, peerSkipReason } from '../peers.ts';
import { endpointIn, freeRouterPort, launch, temporaryData } from './launcher.fixture.ts';

const data = temporaryData();
after(() => data.remove());

function run(
  file: string,
  args: string[],
  env: Record<string, string>,
): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(file, args, { env: { PATH: process.env['PATH'] ?? '', ...env } });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')));
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')));
    child.on('close', (code) => resolve({ code, output }));
  });
}

test(
  'clients.md §4: the generated client of metalctl runs its sequence over both plants, twice',
  { skip: peerSkipReason('metal-go'), timeout: 600_000 },
  async () => {
    const launched = launch(['--data', data.folder, '--port', String(await freeRouterPort())]);
    await launched.ready();
    const endpoint = endpointIn(data.folder);
    try {
      for (let round = 0; round < 2; round++) {
        const { code, output } = await run(
          peerPath('metal-go') as string,
          ['-partitions', 'muc,fra', '-via', `fra=${endpoint.sites['muc']}`],
          {
            METALCTL_API_URL: endpoint.apiUrl,
            METALCTL_HMAC: endpoint.keys.admin,
            METALCTL_HMAC_AUTH_TYPE: 'Metal-Admin',
          },
        );
        const failed = output.split('\n').filter((line) => line.startsWith('not ok'));
        assert.deepEqual(failed, [], output);
        assert.equal(code, 0, output);
        assert.match(output, /^\d{3} passed, 0 failed$/m);
      }
    } finally {
      assert.equal(await launched.interrupt(), 0, launched.output());
    }
  },
);
