import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TraceFilter } from '../../http/trace.ts';
import type { DoneFilter, DoneRow, RefusedFilter, TraceRow, TraceStore } from '../../storage/trace.ts';
import { createTraces } from './traces.ts';

const refusedRow = (atMs: number, caller: string): TraceRow => ({
  id: `${atMs}`,
  atMs,
  rqid: `r${atMs}`,
  caller,
  tenant: 't',
  method: 'POST',
  path: '/v1/ip/allocate',
  forwardedFor: '',
  remoteAddr: '',
  status: 422,
  error: 'quota',
  body: '',
});
const doneRow = (atMs: number, who: string): DoneRow => ({
  operation: `o${atMs}`,
  what: 'network.allocateIp',
  who,
  atMs,
  changes: [{ note: `note ${atMs}` }],
});

/** Rows in memory, the oldest first; only who asked is looked at. */
function start(refused: TraceRow[], done: DoneRow[]) {
  const asked: { refused: Array<[RefusedFilter, number]>; done: Array<[DoneFilter, number]> } = {
    refused: [],
    done: [],
  };
  const newest = <T>(rows: T[], most: number): T[] => rows.toReversed().slice(0, most);
  const store: TraceStore = {
    write: async () => {},
    refused: async (filter, most) => {
      asked.refused.push([filter, most]);
      return newest(
        refused.filter(({ caller }) => (filter.caller ?? caller) === caller),
        most,
      );
    },
    done: async (filter, most) => {
      asked.done.push([filter, most]);
      return newest(
        done.filter(({ who }) => (filter.who ?? who) === who),
        most,
      );
    },
    sweep: async () => 0,
    close: async () => {},
  };
  const traces = createTraces({ store, tenant: 'own', uuid: () => '', after: () => () => {}, odd: assert.fail });
  const find = async (change: Partial<TraceFilter>) => {
    const { traces: found, wholeFromMs } = await traces.find({
      fromMs: 0,
      toMs: 1e9,
      limit: 0,
      ...change,
    } as TraceFilter);
    return { found: found.map(({ rqid }) => rqid), wholeFromMs };
  };
  return { find, asked };
}

test('networks.md §6.5: whoever is asked for is found, however much others did since', async () => {
  const crowd = Array.from({ length: 10_500 }, (_, i) => doneRow(100 + i, 'crowd'));
  const { find, asked } = start([refusedRow(1, 'ada')], [doneRow(2, 'ada'), ...crowd]);
  assert.deepEqual(await find({ user: 'ada' }), { found: ['r1', 'o2'], wholeFromMs: undefined });
  assert.deepEqual(await find({ user: 'ada', limit: 1 }), { found: ['o2'], wholeFromMs: undefined });
  assert.equal(asked.refused.at(-1)?.[1], 1, 'no more is read than is wanted');
});

test('networks.md §6.5: what was left out of a search is said, and only then', async () => {
  const done = Array.from({ length: 10_500 }, (_, i) => doneRow(100 + i, 'crowd'));
  const { find } = start([refusedRow(1, 'ada')], done);
  const all = await find({});
  assert.deepEqual([all.found.length, all.wholeFromMs], [10_001, 600]);
  assert.deepEqual(await find({ limit: 2 }), { found: ['o10598', 'o10599'], wholeFromMs: undefined });
  // A line of the log is looked through here, so only the newest are.
  assert.deepEqual(await find({ limit: 1, body: 'note 10597' }), { found: ['o10597'], wholeFromMs: undefined });
  assert.deepEqual(await find({ limit: 1, body: 'note 120"' }), { found: [], wholeFromMs: 600 });
});

test('the log is not read for what none of its lines has', async () => {
  const { find, asked } = start([], [doneRow(1, 'ada')]);
  for (const filter of [
    { status: 422 },
    { detail: 'POST' },
    { tenant: 'other' },
    { error: 'quota' },
    { remoteAddr: '::1' },
  ])
    assert.deepEqual((await find(filter)).found, []);
  assert.equal(asked.done.length, 0);
  assert.deepEqual((await find({ status: 200, detail: 'commit', tenant: 'own', path: 'allocateIp' })).found, ['o1']);
  assert.equal(asked.done[0]?.[0].what, 'allocateIp');
});
