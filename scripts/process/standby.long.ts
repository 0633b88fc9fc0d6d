import assert from 'node:assert/strict';
import { setTimeout as wait } from 'node:timers/promises';
import { test } from '../../storage/testing/register.ts';
import { seedOfRun } from './kill-rounds.ts';
import { runStandbyRounds } from './standby-rounds.ts';

const ROUNDS = Number(process.env['ROUNDS'] ?? 50);
const STALLS = Number(process.env['STALLS'] ?? 20);
/** The median is what reliability.md F01 asks of each, and half a second here; a single one may meet a busy machine. */
const WITHIN_MS = { p50: 3_000, p99: 15_000 };

test(`reliability.md F01: the active process killed ${ROUNDS} × under 64 clients, another one standing by`, () =>
  runStandbyRounds({
    rounds: ROUNDS,
    seed: seedOfRun(),
    addressClients: 52,
    machineClients: 12,
    quietMs: [50, 600],
    withinMs: WITHIN_MS,
    async fault(active) {
      await active.child.end('SIGKILL');
      return () => active.start();
    },
  }));

/** Short, so that a hundred of them are half a minute; of twenty rounds four are that long. */
const LEASE_MS = 300;
const LEASES = [2, 10, 2, 10, 100];

test(`reliability.md F04: the active process stalled ${STALLS} × for 2, 10 and 100 leases: it writes nothing afterwards`, () =>
  runStandbyRounds({
    rounds: STALLS,
    seed: seedOfRun(),
    addressClients: 24,
    machineClients: 8,
    quietMs: [50, 400],
    plant: { env: { HANSE_LEASE_MS: String(LEASE_MS) } },
    withinMs: WITHIN_MS,
    async fault(active, round) {
      const { pid } = active.child;
      const stalledMs = LEASE_MS * LEASES[round % LEASES.length]!;
      process.kill(pid, 'SIGSTOP');
      const from = performance.now();
      return async () => {
        await wait(Math.max(0, stalledMs - (performance.now() - from)));
        process.kill(pid, 'SIGCONT');
        await active.child.untilEnded();
        assert.equal(active.child.ended, 70, `it ended with ${active.child.ended}`);
        const lines = active.child
          .log()
          .split('\n')
          .filter((line) => line.includes(`"pid":${pid},`) && line.includes('"msg":"fenced"'));
        assert.equal(lines.length, 1, lines.join('\n'));
        const { epoch, standing } = JSON.parse(lines[0]!) as { epoch: number; standing: number };
        assert.ok(standing > epoch, lines[0]);
        await active.start();
      };
    },
  }));
