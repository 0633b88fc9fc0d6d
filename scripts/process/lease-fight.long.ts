// Two processes of a site that both believe to be its owner: the database's clock jumps, so the lease is over for everybody
// but its holder, who asks for it only seconds later and writes on.
import assert from 'node:assert/strict';
import { EXIT_FENCED } from '../exit-codes.ts';
import { callApi } from '../api-client.ts';
import { test } from '../../storage/testing/register.ts';
import { openSession } from '../../storage/testing/sessions.ts';
import { until, type Child } from './child.ts';
import type { Operation } from './history.ts';
import { seedOfRun } from './kill-rounds.ts';
import { PROBE, runStandbyRounds } from './standby-rounds.ts';
import type { SitePair, SiteProcess } from './site-pair.ts';

/** A holder asks once in 2.7 s whether it still is one. */
const LEASE_MS = 10_000;
const ROUNDS = Number(process.env['FIGHTS'] ?? 8);
/** So often the clock jumps until somebody took the lease: its holder may have renewed it just then. */
const JUMP_MS = 100;
const WITHIN_MS = 30_000;

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
    .map((line) => JSON.parse(line) as Said)
    .filter(({ pid }) => pid === child.pid);

const isTakeover = ({ msg }: Said): boolean => msg === 'the scopes are ours: loading';
const isFenced = ({ msg }: Said): boolean => msg === 'fenced';
/** It heard of its end from a write of its own that the database refused. */
const isLateWrite = ({ why }: Said): boolean => /^shard \d+ was fenced/.test(why ?? '');

/** Clients that ask while two processes fight; the reader and the janitor ask afterwards. */
const OF_LOAD = /^[am]\d+$/;

/**
 * What the loser's memory says is old while the clock is wrong, and only the clock keeps it from saying so (design.md §5).
 * What it writes is refused by the epoch, whatever any clock says: what anybody was told of writes is judged.
 */
const isOfWrite = ({ client, verb, outcome }: Operation): boolean =>
  !OF_LOAD.test(client) || (verb !== 'read' && outcome.kind !== 'refused');

/** Only the loser's lease runs out: the heir, too, may lose what it has taken. */
async function jumpUntilTaken(pair: SitePair, loser: SiteProcess, heir: SiteProcess): Promise<void> {
  const session = openSession(pair.site.databaseUrl);
  try {
    await session.say('set session characteristics as transaction isolation level read committed');
    await until(
      `${heir.name} takes the lease over`,
      async () => {
        if (linesOf(heir.child).some(isTakeover)) return true;
        await session.say(`update lease set expires = clock_timestamp() - interval '1 second' where pid = $1`, [
          loser.child.pid,
        ]);
        return false;
      },
      WITHIN_MS,
      JUMP_MS,
    );
  } finally {
    await session.end();
  }
}

/** Asks the process that lost for a write until it is gone: it must not acknowledge one. Answers how often it answered. */
async function writeAtLoser(pair: SitePair, loser: SiteProcess, project: string): Promise<number> {
  let answered = 0;
  await until(
    `${loser.name} ends`,
    async () => {
      if (!loser.child.isRunning) return true;
      const body = { networkid: PROBE, projectid: project };
      const asked = callApi(loser.url, pair.site.credentials(), 'POST', '/v1/ip/allocate', body, { timeoutMs: 5_000 });
      const answer = await asked.catch(() => undefined);
      if (answer === undefined) return false;
      assert.notEqual(answer.status, 201, `it acknowledged a write after another one took over: ${answer.text}`);
      answered++;
      return false;
    },
    WITHIN_MS,
  );
  return answered;
}

/** Answers whether a write of its own told the loser. */
function judgeLoser({ child, name }: SiteProcess): boolean {
  assert.equal(child.ended, EXIT_FENCED, `${name} ended with ${child.ended}\n${child.lastLines()}`);
  const lines = linesOf(child);
  assert.deepEqual(
    lines.filter(({ level }) => level === 'fatal'),
    [],
  );
  const fenced = lines.filter(isFenced);
  assert.equal(fenced.length, 1, JSON.stringify(fenced));
  const { epoch = NaN, standing = NaN } = fenced[0]!;
  const wasLate = isLateWrite(fenced[0]!);
  // Whoever hears of it from the lease may hear before the new owner has raised the epoch.
  assert.ok(wasLate ? standing > epoch : standing >= epoch, JSON.stringify(fenced));
  return wasLate;
}

test(`reliability.md F05, I07: the lease is taken from a living owner ${ROUNDS} ×: there are never two writers, and the loser says so in one line`, async () => {
  const told = { late: 0, answered: 0, epochs: [] as number[] };
  await runStandbyRounds({
    rounds: ROUNDS,
    seed: seedOfRun(),
    addressClients: 24,
    machineClients: 8,
    quietMs: [50, 400],
    plant: { env: { HANSE_LEASE_MS: String(LEASE_MS) } },
    withinMs: { p50: 10_000, p99: 30_000 },
    isTelling: isOfWrite,
    async fault(loser, _round, pair, project) {
      const heir = pair.other(loser);
      await jumpUntilTaken(pair, loser, heir);
      told.epochs.push(linesOf(heir.child).find(isTakeover)!.epoch!);
      const answered = writeAtLoser(pair, loser, project);
      // It is waited for in the repair, and must not be nobody's until then.
      answered.catch(() => {});
      return async () => {
        told.answered += await answered;
        if (judgeLoser(loser)) told.late++;
        await loser.start();
      };
    },
  });
  console.log(`${told.late} of ${ROUNDS} heard of it from a write of their own; ${told.answered} refusals meanwhile`);
  assert.equal(new Set(told.epochs).size, ROUNDS, 'no epoch has two owners');
  assert.ok(told.late > 0, 'nobody wrote on');
});
