import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { decide, unpowered, type Decided, type Happening, type MachineState } from './machine.ts';

const after = (state: MachineState, ...happenings: Happening[]): Decided =>
  happenings.reduce<Decided>((so, happening) => decide(so.state, happening), { state, consequences: [] });
const command = (name: string): Happening => ({ what: 'command', command: name });
const running = (): MachineState => after(unpowered(), { what: 'found', installed: 'ubuntu-24.4' }).state;
const waiting = (): MachineState => after(unpowered(), { what: 'found', installed: null }).state;

test('a rack that starts again finds allocated machines running, others boot PXE', () => {
  assert.equal(running().runs, 'system');
  assert.equal(waiting().runs, 'boot image');
  assert.deepEqual(decide(unpowered(), { what: 'found', installed: null }).consequences, [
    { do: 'stop' },
    { do: 'boot image', boot: 1 },
  ]);
});

test('machines.md §11.2 delete: free → PXE reset → wiped → installed again', () => {
  const freed = decide(running(), { what: 'deleted' });
  assert.equal(freed.state.runs, 'boot image');
  assert.equal(freed.state.installed, 'ubuntu-24.4');
  const boot = freed.state.boot;
  const wiped = decide(freed.state, { what: 'wiped', boot });
  assert.equal(wiped.state.installed, null);
  const installed = decide(wiped.state, { what: 'installed', boot, image: 'debian-12' });
  assert.deepEqual(installed.consequences, [{ do: 'system', boot, image: 'debian-12' }]);
  assert.equal(after(installed.state, command('DISK'), command('RESET')).state.runs, 'system');
});

test('machines.md §11.2: power, boot target and LED commands', () => {
  assert.equal(after(running(), command('OFF')).state.runs, 'nothing');
  assert.equal(after(running(), command('OFF'), command('ON')).state.runs, 'system');
  assert.deepEqual(decide(running(), command('ON')).consequences, []);
  assert.equal(after(running(), command('PXE'), command('CYCLE')).state.runs, 'boot image');
  assert.equal(after(running(), command('BIOS'), command('RESET')).state.runs, 'firmware setup');
  assert.equal(after(running(), command('LED-ON')).state.led, 'LED-ON');
  assert.equal(after(running(), command('REINSTALL')).state.runs, 'boot image');
  assert.deepEqual(decide(running(), command('UPDATE-FIRMWARE')), { state: running(), consequences: [] });
});

test('a disk without a system boots from the network', () => {
  assert.equal(after(waiting(), command('DISK'), command('RESET')).state.runs, 'boot image');
});

test('what an earlier boot says no longer counts', () => {
  const old = waiting();
  const reset = decide(old, command('RESET')).state;
  assert.deepEqual(decide(reset, { what: 'installed', boot: old.boot, image: 'x' }), {
    state: reset,
    consequences: [],
  });
  assert.deepEqual(decide(reset, { what: 'crashed', boot: old.boot }), { state: reset, consequences: [] });
  assert.equal(decide(reset, { what: 'crashed', boot: reset.boot }).state.boot, reset.boot + 1);
});

test('whatever comes: off runs nothing, boots only grow, a system runs only from an installed disk', () => {
  const happening = fc.oneof(
    fc.constantFrom('ON', 'OFF', 'RESET', 'CYCLE', 'PXE', 'DISK', 'BIOS', 'LED-ON', 'REINSTALL', 'x').map(command),
    fc.constant<Happening>({ what: 'deleted' }),
    fc.record({ what: fc.constantFrom('wiped' as const, 'crashed' as const), boot: fc.nat(9) }),
    fc.record({ what: fc.constant('installed' as const), boot: fc.nat(9), image: fc.constant('i') }),
  );
  fc.assert(
    fc.property(fc.array(happening, { maxLength: 30 }), (happenings) => {
      let state = waiting();
      for (const one of happenings) {
        const { state: next, consequences } = decide(state, one);
        assert.ok(next.boot >= state.boot);
        assert.equal(next.power === 'OFF', next.runs === 'nothing');
        if (next.runs === 'system') assert.notEqual(next.installed, null);
        if (next.boot > state.boot) assert.equal(consequences[0]?.do, 'stop');
        state = next;
      }
    }),
  );
});
