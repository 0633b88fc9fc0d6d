// Two processes of a site that both believe to be its owner, again and again.
import assert from 'node:assert/strict';
import { setTimeout as wait } from 'node:timers/promises';
import { seededRandom } from '../rack/random.ts';
import { EXIT_FENCED, EXIT_LATER } from '../exit-codes.ts';
import { test } from '../../storage/testing/register.ts';
import { openSession } from '../../storage/testing/sessions.ts';
import { until, type Child } from './child.ts';
import { startFleet } from './fleet.ts';
import { createJudge } from './judge.ts';
import { seedOfRun } from './kill-rounds.ts';
import { addNetwork, seedPlace } from './seed.ts';
import { withSitePair } from './site-pair.ts';
import { startWorkload } from './workload.ts';

/**
 * The first process asks for long only once in 2.7 s whether the lease is its own: it writes on when the other one owns the
 * site already. The second one has the shortest lease there is: on a busy machine it loses it by itself.
 */
const LEASES_MS = [10_000, 50] as const;
const TAKEOVERS = Number(process.env['TAKEOVERS'] ?? 6);
/** Operations that clients see done meanwhile, so that there is something to be lost. */
const DONE = 50;
const WITHIN_MS = 400_000;
const LOOK_MS = 50;
/** So often it is looked whether the clock may jump. */
const JUMP_MS = 250;
const NETWORK = 'load';
const ADDRESSES = Array.from({ length: 62 }, (_, i) => `172.31.1.${i + 1}`);

interface Said {
  pid: number;
  msg: string;
  level: string;
  epoch?: number;
  standing?: number;
  why?: string;
}

const linesOf = (child: Child): Said[] =>
  child
    .log()
    .split('\n')
    .filter((line) => line.startsWith('{') && line.endsWith('}'))
    .map((line) => JSON.parse(line) as Said);

const isTakeover = ({ msg }: Said): boolean => msg === 'the scopes are ours: loading';
const isFenced = ({ msg }: Said): boolean => msg === 'fenced';
/** It heard of its end from a write of its own that the database refused. */
const isLateWrite = (said: Said): boolean => isFenced(said) && /shard \d+ was fenced/.test(said.why ?? '');

/** Starts whoever has ended again, each with its lease, as a launcher does. */
function startFight(children: readonly Child[]) {
  const run = { isOver: false };
  const ended: Array<{ pid: number; how: number | string | undefined }> = [];
  async function launch(child: Child, leaseMs: number): Promise<void> {
    while (!run.isOver) {
      child.start({ HANSE_LEASE_MS: String(leaseMs) });
      while (child.isRunning && !run.isOver) await wait(LOOK_MS);
      if (!child.isRunning) ended.push({ pid: child.pid, how: child.ended });
    }
  }
  const launching = children.map((child, i) => launch(child, LEASES_MS[i]!));
  return {
    ended,
    async end() {
      run.isOver = true;
      await Promise.all(launching);
    },
  };
}

test('reliability.md F05, I07: two processes fight for the lease: the owner changes again and again, there are never two writers, and the loser says so in one line', () => {
  const seed = seedOfRun();
  console.log(`seed ${seed} (SEED=${seed} repeats the choices)`);
  return withSitePair({}, async (pair) => {
    const { site } = pair;
    const seeded = await seedPlace(pair.plant, site, 'muc');
    await addNetwork(site, seeded, NETWORK, '172.31.1.0/26');
    const fleet = await startFleet({
      site,
      partition: 'muc',
      machines: 4,
      grpcPorts: pair.processes.map(({ grpcPort }) => grpcPort),
    });
    const session = openSession(site.databaseUrl);
    const children = pair.processes.map(({ child }) => child);
    const said = (): Said[] => children.flatMap(linesOf);
    try {
      await fleet.untilWaiting(60_000);
      const load = startWorkload({
        site,
        seeded,
        network: NETWORK,
        addresses: ADDRESSES,
        addressClients: 12,
        machineClients: 4,
        random: seededRandom(seed),
      });
      const judge = createJudge(load, site.databaseUrl);
      const done = (): number =>
        load.history.operations.filter(({ verb, outcome }) => verb !== 'read' && outcome.kind === 'done').length;
      try {
        const before = { done: done(), pids: new Set(children.map(({ pid }) => pid)) };
        for (const child of children) await child.end('SIGKILL');
        const fought = (): Said[] => said().filter(({ pid }) => !before.pids.has(pid));
        const fight = startFight(children);
        try {
          await session.say('set session characteristics as transaction isolation level read committed');
          await until(
            `${TAKEOVERS} takeovers, some from a process that wrote on, and ${DONE} operations done`,
            async () => {
              // The database's clock jumps: the lease is over for everybody but its holder.
              const roles = await Promise.all(pair.processes.map((process) => process.role()));
              if (roles.includes('active') && roles.includes('standby'))
                await session.say(`update lease set expires = clock_timestamp() - interval '1 second'`);
              const lines = fought();
              return (
                lines.filter(isTakeover).length >= TAKEOVERS && lines.some(isLateWrite) && done() - before.done >= DONE
              );
            },
            WITHIN_MS,
            JUMP_MS,
          );
        } finally {
          await fight.end();
        }
        const { ended } = fight;
        for (const child of children) await child.end('SIGKILL');

        const lines = fought();
        const takeovers = lines.filter(isTakeover);
        const epochs = takeovers.map(({ epoch }) => epoch!);
        console.log(
          `${takeovers.length} takeovers, ${lines.filter(isLateWrite).length} of them from a process that wrote on; ${done() - before.done} writes done meanwhile; ended: ${ended.map(({ how }) => how).join()}`,
        );
        assert.equal(new Set(epochs).size, epochs.length, 'no epoch has two owners');
        assert.equal(new Set(takeovers.map(({ pid }) => pid)).size, takeovers.length, 'nobody takes over twice');
        assert.deepEqual(
          lines.filter(({ level }) => level === 'fatal'),
          [],
        );
        for (const { pid, how } of ended) {
          // Or its lease was over before the takeover, or the database too slow for it.
          assert.ok(how === EXIT_FENCED || how === EXIT_LATER, `process ${pid} ended with ${how}`);
          const own = lines.filter((line) => line.pid === pid);
          if (how === EXIT_FENCED && own.some(isTakeover))
            assert.equal(own.filter(isFenced).length, 1, JSON.stringify(own));
          // Whoever hears of it from the lease may hear before the new owner has raised the epoch.
          for (const said of own.filter(isFenced))
            assert.ok(
              isLateWrite(said) ? said.standing! > said.epoch! : said.standing! >= said.epoch!,
              JSON.stringify(own),
            );
        }

        for (const process of pair.processes) await process.start();
        await pair.untilBoth();
        // What was written for an epoch after its end is found by the audit of the streams.
        await judge.round(`after the fight, seed ${seed}`);
      } finally {
        await load.stop();
      }
      await judge.end(`seed ${seed}`);
      console.log(`${load.answered} answers, ${JSON.stringify(load.history.counts())}`);
    } finally {
      await session.end();
      await fleet.stop();
    }
  });
});
