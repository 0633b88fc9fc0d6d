// The process that makes an open load: requests begin at their times, whether or not those before are answered.
import { connect } from 'node:net';
import { createEncoder, NOTHING, readAnswer } from './load-wire.ts';
import type { OpenPlan, OpenResult, Slice } from './open-load.ts';
import { SLICE_MS } from './open-load.ts';

const TICK_MS = 2;
/** What is not answered by then is not counted as done. */
const LAST_MS = 5_000;
/** All sockets read into it, one after the other: streams of their own cost a sixth of the generator. */
const READ = Buffer.allocUnsafe(65_536);

interface Connection {
  ask(): void;
}

function run(plan: OpenPlan, tell: (result: OpenResult) => void): void {
  const encode = createEncoder(plan);
  const idle: Connection[] = [];
  const slices: Slice[] = [];
  let broken = 0;
  let open = 0;
  let startMs = 0;
  const cpu = process.cpuUsage();

  const sliceAt = (atMs: number): Slice => {
    const n = Math.floor((atMs - startMs) / SLICE_MS);
    while (slices.length <= n) slices.push({ due: 0, begun: 0, refused: 0, goodMs: [] });
    return slices[n]!;
  };

  const dial = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const socket = connect({
        host: plan.host,
        port: plan.port,
        noDelay: true,
        onread: {
          buffer: READ,
          callback(size) {
            hear(READ.subarray(0, size));
            return true;
          },
        },
      });
      let waiting: Buffer = NOTHING;
      let sentMs = 0;
      let isAsking = false;
      const connection: Connection = {
        ask() {
          isAsking = true;
          open++;
          sentMs = performance.now();
          socket.write(encode(plan.request));
        },
      };
      const hear = (piece: Buffer): void => {
        const bytes = waiting.length === 0 ? piece : Buffer.concat([waiting, piece]);
        const answer = readAnswer(bytes);
        waiting = Buffer.from(answer === undefined ? bytes : answer.rest);
        if (answer === undefined) return;
        isAsking = false;
        open--;
        const nowMs = performance.now();
        const slice = sliceAt(nowMs);
        if (answer.status === plan.wantedStatus) slice.goodMs.push(nowMs - sentMs);
        else slice.refused++;
        idle.push(connection);
      };
      socket.once('connect', () => {
        idle.push(connection);
        resolve();
      });
      socket.on('error', reject);
      socket.on('close', () => {
        if (isAsking) open--;
        broken++;
        const at = idle.indexOf(connection);
        if (at >= 0) idle.splice(at, 1);
      });
    });

  const finish = (): void => {
    const { user, system } = process.cpuUsage(cpu);
    tell({ slices, broken, cpuMs: (user + system) / 1_000 });
  };

  async function make(): Promise<void> {
    for (let n = 0; n < plan.connections; n++) await dial();
    startMs = performance.now();
    let phaseMs = startMs;
    for (const { perSecond, seconds } of plan.phases) {
      const endMs = phaseMs + seconds * 1_000;
      let begun = 0;
      for (;;) {
        const nowMs = performance.now();
        const due = Math.floor(((Math.min(nowMs, endMs) - phaseMs) * perSecond) / 1_000);
        const slice = sliceAt(Math.min(nowMs, endMs - 1));
        for (; begun < due; begun++) {
          slice.due++;
          const connection = idle.shift();
          // All of them wait for their answers: nobody comes through any more.
          if (connection === undefined) continue;
          slice.begun++;
          connection.ask();
        }
        if (nowMs >= endMs) break;
        await new Promise((resolve) => setTimeout(resolve, TICK_MS));
      }
      phaseMs = endMs;
    }
    const latest = performance.now() + LAST_MS;
    while (open > 0 && performance.now() < latest) await new Promise((resolve) => setTimeout(resolve, TICK_MS));
    finish();
  }
  make().catch((error: unknown) => {
    console.error(error);
    process.exit(1);
  });
}

process.once('message', (plan: OpenPlan) => run(plan, (result) => void process.send?.(result, () => process.exit(0))));
process.once('disconnect', () => process.exit(0));
