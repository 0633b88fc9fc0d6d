import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import nsq, { type Message } from 'nsqjs';
import type { LogEntry } from '../../actors/ports.ts';
import { createBus } from './bus.ts';

const binary = fileURLToPath(new URL('../../scripts/peers/bin/nsqd', import.meta.url));
const skip = existsSync(binary) ? false : 'nsqd is not built (scripts/peers/build.sh)';

const freePort = async (): Promise<number> => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
};

const startNsqd = (port: number, folder: string): ChildProcess =>
  spawn(
    binary,
    [`-tcp-address=127.0.0.1:${port}`, '-http-address=127.0.0.1:0', `-data-path=${folder}`, '-mem-queue-size=0'],
    { stdio: 'ignore' },
  );

const endOf = (child: ChildProcess): Promise<unknown> =>
  child.exitCode === null ? new Promise((resolve) => child.once('exit', resolve)) : Promise.resolve();

test(
  'machines.md §11: messages reach nsqd at least once and in order, also over a restart of it',
  { skip },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hanse-nsqd-'));
    const port = await freePort();
    let nsqd = startNsqd(port, folder);
    const saved: number[] = [];
    const bus = createBus({
      backlog: () => Promise.resolve(),
      saveCursors: (cursors) => Promise.resolve(void saved.push(cursors[0]!.n)),
      nsqd: { host: '127.0.0.1', port },
      saveEveryMs: 20,
    });
    const got: number[] = [];
    const reader = new nsq.Reader('p1-machine', 'core', {
      nsqdTCPAddresses: [`127.0.0.1:${port}`],
      maxInFlight: 10,
      lookupdPollInterval: 1,
    });
    reader.on('error', () => undefined);
    reader.on('message', (message: Message) => {
      got.push((JSON.parse(message.body.toString()) as { n: number }).n);
      message.finish();
    });
    try {
      const publish = (n: number): void => {
        const entry: LogEntry = {
          scope: 'partition:p1',
          shard: 0,
          epoch: 1,
          n,
          operation: `o${n}`,
          what: 'machine.power',
          who: 'test',
          atMs: Date.now(),
          changes: [],
          messages: [{ topic: 'p1-machine', body: { n } }],
        };
        bus.publish(entry);
      };
      const until = async (holds: () => boolean): Promise<void> => {
        for (let i = 0; i < 600 && !holds(); i++) await sleep(20);
        assert.ok(holds(), `got ${got.join()}, saved ${saved.join()}, ${JSON.stringify(bus.state())}`);
      };
      for (let n = 1; n <= 5; n++) publish(n);
      await until(() => saved.at(-1) === 5);
      reader.connect();
      await until(() => got.length >= 5);
      nsqd.kill('SIGTERM');
      await endOf(nsqd);
      for (let n = 6; n <= 8; n++) publish(n);
      await sleep(100);
      assert.equal(saved.at(-1), 5);
      nsqd = startNsqd(port, folder);
      await until(() => saved.at(-1) === 8 && new Set(got).size === 8);
      assert.deepEqual(
        [...new Set(got)].sort((a, b) => a - b),
        [1, 2, 3, 4, 5, 6, 7, 8],
      );
    } finally {
      reader.close();
      await bus.stop();
      nsqd.kill('SIGKILL');
      await endOf(nsqd);
      rmSync(folder, { recursive: true, force: true });
    }
  },
);
