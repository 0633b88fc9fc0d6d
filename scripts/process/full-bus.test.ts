import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import nsq, { type Message } from 'nsqjs';
import { createBus } from '../../http/agents/bus.ts';
import { test } from '../../storage/testing/register.ts';
import { projectRoot } from '../root.ts';
import { freePort, until } from './child.ts';
import { createSmallDisk, noSmallDisk } from './small-disk.ts';

const binary = join(projectRoot, 'scripts/peers/bin/nsqd');
const TOPIC = 'p1-machine';
const TEXT = 'x'.repeat(2_000);
const [FIRST, SECOND, THIRD] = [5, 40, 5];

/** Writes every message to its disk: none is taken that has no space. */
const startNsqd = (port: number, folder: string) =>
  spawn(
    binary,
    [`-tcp-address=127.0.0.1:${port}`, '-http-address=127.0.0.1:0', `-data-path=${folder}`, '-mem-queue-size=0'],
    { stdio: 'ignore' },
  );

test(
  'reliability.md F16: while the disk of nsqd is full, messages wait at the site; with space they come, none lost, in order, and neither is restarted',
  async () => {
    const disk = createSmallDisk(2);
    const port = await freePort('127.0.0.1');
    const nsqd = startNsqd(port, disk.folder);
    const ended = once(nsqd, 'exit');
    const saved: number[] = [];
    const bus = createBus({
      backlog: () => Promise.resolve(),
      saveCursors: (cursors) => Promise.resolve(void saved.push(cursors[0]!.n)),
      nsqd: { host: '127.0.0.1', port },
      saveEveryMs: 20,
    });
    let last = 0;
    const publish = (count: number): void => {
      for (const until = last + count; last < until;) {
        const n = ++last;
        bus.publish({
          scope: 'partition:p1',
          shard: 0,
          epoch: 1,
          n,
          operation: `o${n}`,
          what: 'machine.power',
          who: 'test',
          atMs: Date.now(),
          changes: [],
          messages: [{ topic: TOPIC, body: { n, text: TEXT } }],
        });
      }
    };
    const got: number[] = [];
    const reader = new nsq.Reader(TOPIC, 'core', {
      nsqdTCPAddresses: [`127.0.0.1:${port}`],
      maxInFlight: 1,
      lookupdPollInterval: 1,
    });
    reader.on('error', () => undefined);
    reader.on('message', (message: Message) => {
      got.push((JSON.parse(message.body.toString()) as { n: number }).n);
      message.finish();
    });
    try {
      publish(FIRST);
      await until('nsqd has the first', () => saved.at(-1) === FIRST, 20_000);
      disk.fill();
      publish(SECOND);
      // More than one attempt: some may still find room in a page that is there.
      await until('messages wait', () => bus.state().waiting > 0 && bus.state().nsqd === 'disconnected', 20_000);
      assert.ok((saved.at(-1) ?? 0) < FIRST + SECOND, 'none is said to be done that nsqd does not have');
      disk.free();
      publish(THIRD);
      await until('nsqd has them all', () => saved.at(-1) === last, 30_000);
      assert.equal(nsqd.exitCode, null);
      reader.connect();
      await until('all came', () => new Set(got).size === last, 20_000);
      // At least once: what was sent again follows those that it came before.
      const first = got.filter((n, i) => got.indexOf(n) === i);
      assert.deepEqual(
        first,
        Array.from({ length: last }, (_, i) => i + 1),
      );
    } finally {
      reader.close();
      await bus.stop();
      nsqd.kill('SIGKILL');
      await ended;
      disk.remove();
    }
  },
  { skip: existsSync(binary) ? noSmallDisk() : 'nsqd is not built (scripts/peers/build.sh)' },
);
