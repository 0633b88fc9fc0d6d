import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import {
  applyEvent,
  emptyContainer,
  evaluateLiveliness,
  isProvisioningEventKind,
  needsResurrection,
  PROVISIONING_EVENTS,
  type EventContainer,
  type ProvisioningEventKind,
} from './provisioning.ts';

const MINUTE_MS = 60_000;
const START_MS = 1_000_000_000;

const container = (state: ProvisioningEventKind | null, more: Partial<EventContainer> = {}): EventContainer => ({
  ...emptyContainer(),
  events: state === null ? [] : [{ time: START_MS, event: state, message: 'stored' }],
  lastEventTime: state === null ? null : START_MS,
  liveliness: 'Dead',
  ...more,
});
/** Events newest first, `*` for the bracketed note. */
const log = (result: EventContainer) =>
  result.events.map(
    ({ event, message }) => event + (message.startsWith('[unexpectedly received in state ') ? '*' : ''),
  );
const apply = (before: EventContainer, event: ProvisioningEventKind, sinceMs = 10_000, message = '') =>
  applyEvent(before, { event, message }, START_MS + sinceMs);
const changed = (before: EventContainer, event: ProvisioningEventKind, sinceMs?: number, message?: string) => {
  const result = apply(before, event, sinceMs, message);
  assert.ok(result !== 'dropped', `${event} is not dropped`);
  assert.equal(result.lastEventTime, START_MS + (sinceMs ?? 10_000));
  assert.equal(result.liveliness, 'Alive');
  return result;
};

describe('provisioning events', () => {
  it('machines.md §23.1 #1, #2: the first event', () => {
    assert.deepEqual(log(changed(container(null), 'PXE Booting')), ['PXE Booting']);
    assert.deepEqual(log(changed(container(null), 'Alive')), []);
  });

  it('machines.md §23.1 #3: PXE again only moves the time', () => {
    const result = changed(container('PXE Booting', { failedMachineReclaim: true }), 'PXE Booting');
    assert.deepEqual(log(result), ['PXE Booting']);
    assert.equal(result.failedMachineReclaim, false);
  });

  it('machines.md §23.1 #4, #5: unexpected Preparing, expected Installing', () => {
    const loop = changed(container('Registering'), 'Preparing', 10_000, 'why');
    assert.deepEqual(log(loop), ['Preparing*', 'Registering']);
    assert.equal(loop.crashLoop, true);
    assert.deepEqual(loop.lastErrorEvent, loop.events[0]);
    assert.equal(loop.events[0]!.message, '[unexpectedly received in state registering]: why');
    const fine = changed(container('Registering'), 'Installing');
    assert.deepEqual(log(fine), ['Installing', 'Registering']);
    assert.equal(fine.lastErrorEvent, null);
  });

  it('machines.md §23.1 #6, #7, #8: crash loop is set, stays, is cleared', () => {
    const crashed = changed(container('Installing'), 'Crashed');
    assert.deepEqual([log(crashed), crashed.crashLoop], [['Crashed', 'Installing'], true]);
    assert.deepEqual(crashed.lastErrorEvent, crashed.events[0]);
    const again = changed(container('Crashed', { crashLoop: true }), 'PXE Booting');
    assert.deepEqual([log(again), again.crashLoop], [['PXE Booting', 'Crashed'], true]);
    const home = changed(container('Booting New Kernel', { crashLoop: true }), 'Phoned Home');
    assert.deepEqual([log(home), home.crashLoop], [['Phoned Home', 'Booting New Kernel'], false]);
  });

  it('machines.md §23.1 #9, #10, #11: events of a running machine', () => {
    assert.deepEqual(log(changed(container('Phoned Home'), 'Phoned Home')), ['Phoned Home']);
    const alive = changed(container('Phoned Home'), 'Alive', 10_000, 'sending alive');
    assert.deepEqual(log(alive), ['Phoned Home']);
    assert.equal(alive.lastErrorEvent?.message, '[unexpectedly received in state phoned home]: sending alive');
    const pxe = changed(container('Phoned Home'), 'PXE Booting');
    assert.deepEqual([log(pxe), pxe.crashLoop], [['PXE Booting*', 'Phoned Home'], true]);
    assert.equal(pxe.events[0]!.message, '[unexpectedly received in state phoned home]');
  });

  it('machines.md §23.1 #12, #13, #14: reclaim that fails, then does not', () => {
    const reclaim = container('Machine Reclaim');
    assert.equal(apply(reclaim, 'Phoned Home', 2 * MINUTE_MS), 'dropped');
    assert.equal(apply(reclaim, 'Phoned Home', 5 * MINUTE_MS), 'dropped');
    const failed = changed(reclaim, 'Phoned Home', 6 * MINUTE_MS);
    assert.deepEqual([log(failed), failed.failedMachineReclaim], [['Machine Reclaim'], true]);
    const pxe = changed({ ...reclaim, failedMachineReclaim: true }, 'PXE Booting');
    assert.deepEqual([log(pxe), pxe.failedMachineReclaim], [['PXE Booting', 'Machine Reclaim'], false]);
  });

  it('machines.md §23.1 #15, #16, #17: buffered phone-home', () => {
    assert.equal(apply(container('Waiting'), 'Phoned Home', MINUTE_MS), 'dropped');
    assert.deepEqual(log(changed(container('Waiting'), 'Phoned Home', 5 * MINUTE_MS)), ['Phoned Home', 'Waiting']);
    assert.deepEqual(log(changed(container('Waiting'), 'Phoned Home', 6 * MINUTE_MS)), ['Phoned Home', 'Waiting']);
    assert.deepEqual(log(changed(container('PXE Booting'), 'Phoned Home', 6 * MINUTE_MS)), ['PXE Booting']);
  });

  it('machines.md §23.1 #18, #19: planned reboot', () => {
    const home = changed(container('Planned Reboot', { crashLoop: true }), 'Phoned Home');
    assert.deepEqual([log(home), home.crashLoop], [['Phoned Home', 'Planned Reboot'], false]);
    assert.deepEqual(log(changed(container('Planned Reboot'), 'Planned Reboot')), ['Planned Reboot', 'Planned Reboot']);
  });

  it('machines.md §4.4: the whole table, six minutes after the last event', () => {
    const states = [
      null,
      'PXE Booting',
      'Preparing',
      'Registering',
      'Waiting',
      'Installing',
      'Booting New Kernel',
      'Phoned Home',
      'Planned Reboot',
      'Machine Reclaim',
      'Crashed',
      'Alive',
    ] as const;
    const rows: [ProvisioningEventKind, string][] = [
      ['PXE Booting', 'Ar Tr X! X! X! X! X! X! Ar Ar Ar X'],
      ['Preparing', 'Ar Ar X! X! X! X! X! X! Ar Ar Ar X'],
      ['Registering', 'A X A X X X X X X X X X'],
      ['Waiting', 'A X X A X X X X X X X X'],
      ['Installing', 'A X X A A X X X X X X X'],
      ['Booting New Kernel', 'A X X X X A X X X X X X'],
      ['Phoned Home', 'Ac Tr Ar A A X Ac T Ac TR X X'],
      ['Planned Reboot', 'Ac Ac Ac Ac Ac Ac Ac Ac Ac Ac Ac Ac'],
      ['Machine Reclaim', 'Ac Ac Ac Ac Ac Ac Ac Ac Ac Ac Ac Ac'],
      ['Alive', 'T T T T T T T Xn Xn Xn Xn X'],
      ['Crashed', 'A1 A1 A1 A1 A1 A1 A1 X X X X X'],
    ];
    for (const [event, cells] of rows) {
      for (const [i, cell] of cells.split(' ').entries()) {
        const name = `${event} in ${states[i]}`;
        const isSet = container(states[i] ?? null, { crashLoop: true, failedMachineReclaim: true });
        const isClear = container(states[i] ?? null);
        const afterSet = changed(isSet, event, 6 * MINUTE_MS);
        const afterClear = changed(isClear, event, 6 * MINUTE_MS);
        const isUnexpected = cell.startsWith('X');
        const isAppended = !cell.startsWith('T') && cell !== 'Xn';
        assert.equal(afterClear.events.length - isClear.events.length, isAppended ? 1 : 0, `${name}: log`);
        assert.equal(log(afterClear)[0]?.endsWith('*') ?? false, isUnexpected && isAppended, `${name}: note`);
        assert.equal(afterClear.lastErrorEvent !== null, isUnexpected || cell === 'A1', `${name}: error`);
        assert.equal(afterClear.crashLoop, cell === 'X!' || cell === 'A1', `${name}: crash loop set`);
        assert.equal(afterSet.crashLoop, !cell.endsWith('c'), `${name}: crash loop cleared`);
        assert.equal(afterSet.failedMachineReclaim, !cell.endsWith('r'), `${name}: reclaim cleared`);
        assert.equal(afterClear.failedMachineReclaim, cell === 'TR', `${name}: reclaim failed`);
      }
    }
  });

  it('machines.md §23.1 #20, W21: any events at any times keep the log sorted and at most 100 long', () => {
    const step = fc.tuple(fc.constantFrom(...PROVISIONING_EVENTS), fc.integer({ min: -600_000, max: 600_000 }));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150, size: 'max' }), (steps) => {
        let now = START_MS;
        let current = emptyContainer();
        for (const [event, sinceMs] of steps) {
          now += sinceMs;
          const next = applyEvent(current, { event, message: '' }, now);
          if (next !== 'dropped') current = next;
          const times = current.events.map((entry) => entry.time);
          assert.ok(times.every((time, i) => i === 0 || time <= times[i - 1]!));
          assert.ok(times.length === 0 || times[0]! <= current.lastEventTime!);
          assert.ok(times.length <= 100);
        }
      }),
      { numRuns: 30 },
    );
  });

  it('machines.md §4.1: unknown kinds', () => {
    assert.ok(isProvisioningEventKind('PXE Booting'));
    assert.ok(!isProvisioningEventKind('Reset Fail Count'));
  });
});

describe('liveliness', () => {
  it('machines.md §3: the periodic look', () => {
    const alive = container('Waiting', { liveliness: 'Alive' });
    assert.equal(evaluateLiveliness(alive, false, START_MS + 5 * MINUTE_MS), alive);
    assert.equal(evaluateLiveliness(alive, false, START_MS + 5 * MINUTE_MS + 1).liveliness, 'Dead');
    assert.equal(evaluateLiveliness(alive, true, START_MS + 5 * MINUTE_MS + 1).liveliness, 'Unknown');
    assert.equal(evaluateLiveliness(container('Waiting'), true, START_MS).liveliness, 'Alive');
    const never = container(null);
    assert.equal(evaluateLiveliness(never, false, START_MS), never);
  });

  it('machines.md §3: resurrection', () => {
    assert.ok(needsResurrection(container('Waiting'), START_MS + 61 * MINUTE_MS));
    assert.ok(!needsResurrection(container('Waiting'), START_MS + 59 * MINUTE_MS));
    assert.ok(needsResurrection(container('Waiting', { failedMachineReclaim: true, liveliness: 'Alive' }), START_MS));
    assert.ok(!needsResurrection(container(null, { failedMachineReclaim: true }), START_MS));
  });
});
