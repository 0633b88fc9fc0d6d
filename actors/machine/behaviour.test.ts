import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { allocation as request, layout, machineRecord } from '../allocation/testing/plant.ts';
import { singleActor } from '../allocation/testing/single-actor.ts';
import { isRefusal } from '../refusal.ts';
import { machineBehaviour } from './behaviour.ts';
import type { BmcReport } from './messages.ts';
import type { AllocationRecord } from './record.ts';

const open = () => singleActor(machineBehaviour, 'm');
type Actor = ReturnType<typeof open>;

const registered = (): Actor => {
  const actor = open();
  const { hardware, bios, ipmi, size, rack, partition } = machineRecord('m', 'r0', 0);
  actor.reserve('r', 'register', { hardware, bios, ipmi, size, rack, partition, tags: ['reg'], hammerVersion: 'v1' });
  actor.end('r', 'committed');
  actor.ask('event', { event: 'Alive', message: '', partition: 'p' });
  return actor;
};

const anAllocation = (): AllocationRecord => {
  const { creator, name, description, hostname, project, sshPubKeys, userData, tags, firewallRules } =
    request().request;
  const given = { creator, name, description, hostname, project, sshPubKeys, userData, tags, firewallRules };
  return {
    ...given,
    uuid: 'a1',
    machine: '',
    created: 0,
    image: 'ubuntu-24.4.20260101',
    filesystemLayout: null,
    networks: [],
    asn: 4_210_000_001,
    role: 'machine',
    dnsServers: [],
    ntpServers: [],
    consolePassword: '',
    bootInfo: null,
    reinstall: false,
    succeeded: false,
  };
};
const allocate = (actor: Actor, operation: string, byUuid = false) =>
  actor.reserve(operation, 'allocate', { allocation: anAllocation(), byUuid, size: 's1', layout });

const kindOf = (answer: object): string => (isRefusal(answer) ? answer.kind : 'wait' in answer ? 'wait' : 'ok');
const viewOf = (actor: Actor) => {
  const view = actor.ask('get', {});
  assert.ok('machine' in view);
  return view;
};
const summaries = (actor: Actor) =>
  actor.hints.map(({ body }) =>
    Object.keys(body as object)
      .slice(1)
      .join(),
  );

describe('machine: events (machines.md §4, §5.4)', () => {
  it('an unknown machine becomes a stub of the partition that the event came from', () => {
    const actor = open();
    assert.equal(kindOf(actor.ask('get', {})), 'NotFound');
    const event = { event: 'PXE Booting', message: '', partition: 'p' };
    assert.deepEqual(actor.ask('event', event), { known: false, stored: true });
    const { machine, provisioning } = viewOf(actor);
    assert.deepEqual([machine.partition, machine.size, machine.rack], ['p', '', '']);
    assert.equal(provisioning!.events[0]!.event, 'PXE Booting');
    assert.deepEqual(actor.ask('event', event), { known: true, stored: true });
  });

  it('W36: a nonsense event does not make a machine', () => {
    const actor = open();
    assert.deepEqual(actor.ask('event', { event: 'Reset Fail Count', message: '', partition: 'p' }), {
      known: false,
      stored: false,
    });
    assert.equal(kindOf(actor.ask('get', {})), 'NotFound');
  });

  it('machines.md §23.1 no. 15: a buffered phone-home is dropped, not even the time moves', () => {
    const actor = registered();
    for (const event of ['Registering', 'Waiting']) actor.ask('event', { event, message: '', partition: 'p' });
    const before = viewOf(actor).provisioning;
    actor.pass(60_000);
    const answer = actor.ask('event', { event: 'Phoned Home', message: '', partition: 'p' });
    assert.deepEqual(answer, { known: true, stored: false });
    assert.deepEqual(viewOf(actor).provisioning, before);
  });

  it('only a changed liveliness is told to the allocator', () => {
    const actor = registered();
    actor.hints.length = 0;
    for (let i = 0; i < 3; i++) actor.ask('event', { event: 'Alive', message: '', partition: 'p' });
    assert.deepEqual(summaries(actor), []);
    actor.pass(6 * 60_000);
    assert.deepEqual(actor.ask('evaluateLiveliness', {}), { liveliness: 'Dead' });
    actor.ask('event', { event: 'Alive', message: '', partition: 'p' });
    assert.deepEqual(summaries(actor), ['provisioning', 'provisioning']);
  });
});

describe('machine: BMC reports (machines.md §12)', () => {
  const report = (part: Partial<BmcReport> = {}): BmcReport => ({
    partition: 'p',
    ip: '192.0.2.7',
    fru: {},
    biosVersion: '',
    bmcVersion: '',
    powerState: '',
    ledState: '',
    powerMetric: null,
    powerSupplies: [],
    ...part,
  });

  it('an unknown id is created with BMC address and LED alone', () => {
    const actor = open();
    assert.deepEqual(actor.ask('bmcReport', report({ ledState: 'LED-ON', biosVersion: '9' })), { outcome: 'created' });
    const { machine } = viewOf(actor);
    assert.deepEqual([machine.ipmi.address, machine.led.value, machine.bios.version], ['192.0.2.7:623', 'LED-ON', '']);
  });

  it('W38: a stub without report is adopted; empty values keep what is stored, power supplies are replaced', () => {
    const actor = open();
    actor.ask('event', { event: 'PXE Booting', message: '', partition: 'p' });
    const supplies = [{ health: 'OK', state: 'Enabled' }];
    const first = report({
      biosVersion: '1',
      bmcVersion: '2',
      powerState: 'ON',
      powerSupplies: supplies,
      fru: { boardMfg: 'SM' },
    });
    assert.deepEqual(actor.ask('bmcReport', first), { outcome: 'updated' });
    assert.deepEqual(actor.ask('bmcReport', report({ ledState: 'BLINK', fru: { boardPartNumber: 'X' } })), {
      outcome: 'updated',
    });
    const { machine } = viewOf(actor);
    assert.deepEqual(
      [
        machine.bios.version,
        machine.ipmi.bmcVersion,
        machine.ipmi.powerState,
        machine.ipmi.powerSupplies,
        machine.led.value,
      ],
      ['1', '2', 'ON', [], ''],
    );
    assert.deepEqual([machine.ipmi.fru.boardMfg, machine.ipmi.fru.boardPartNumber], ['SM', 'X']);
  });

  it('W47: the stored port is kept, IPv6 goes in brackets', () => {
    const actor = registered();
    const address = () => viewOf(actor).machine.ipmi.address;
    actor.ask('bmcReport', report({ ip: '2001:db8::1' }));
    assert.equal(address(), '[2001:db8::1]:623');
    actor.state.machine!.value.ipmi.address = '[2001:db8::1]:1623';
    actor.ask('bmcReport', report({ ip: '192.0.2.9' }));
    assert.equal(address(), '192.0.2.9:1623');
    actor.ask('bmcReport', report({ ip: 'nonsense' }));
    assert.equal(address(), '192.0.2.9:1623');
  });

  it('a report of another partition is left alone', () => {
    assert.deepEqual(registered().ask('bmcReport', report({ partition: 'q' })), { outcome: 'skipped' });
  });
});

describe('machine: state, power, update (machines.md §10)', () => {
  it('RESERVED is stored as TAINTED with its issuer; a description is needed; making it available clears both', () => {
    const actor = registered();
    assert.equal(kindOf(actor.ask('setState', { value: 'LOCKED', description: '' })), 'Invalid');
    assert.equal(kindOf(actor.ask('setState', { value: 'x' as '', description: 'd' })), 'Invalid');
    actor.ask('setState', { value: 'RESERVED', description: 'd' });
    assert.deepEqual(viewOf(actor).machine.state, {
      value: 'TAINTED',
      description: 'd',
      issuer: 'u@x',
      metalHammerVersion: 'v1',
    });
    actor.ask('setState', { value: '', description: '' });
    assert.deepEqual([viewOf(actor).machine.state.value, viewOf(actor).machine.state.issuer], ['', '']);
  });

  for (const [command, reboots] of [
    ['ON', false],
    ['OFF', true],
    ['RESET', true],
    ['CYCLE', true],
    ['BIOS', false],
    ['DISK', false],
    ['PXE', false],
  ] as const) {
    it(`power ${command}: ${reboots ? 'Planned Reboot and ' : ''}a message on the partition's topic`, () => {
      const actor = registered();
      actor.ask('power', { command, description: '', superUserPassword: '' });
      assert.deepEqual(
        actor.messages.map(({ topic }) => topic),
        ['p-machine'],
      );
      const { cmd } = actor.messages[0]!.body as { cmd: { cmd: string } };
      assert.equal(cmd.cmd, command);
      assert.equal(viewOf(actor).provisioning!.events[0]?.event, reboots ? 'Planned Reboot' : undefined);
    });
  }

  it('LED: stored with its description; a machine without BMC user is told the superuser, which is not stored', () => {
    const actor = registered();
    actor.ask('power', { command: 'LED-ON', description: 'here', superUserPassword: 'secret' });
    assert.deepEqual(viewOf(actor).machine.led, { value: 'LED-ON', description: 'here' });
    const { cmd } = actor.messages[0]!.body as { cmd: { ipmi: { user: string; password: string } } };
    assert.deepEqual([cmd.ipmi.user, cmd.ipmi.password], ['root', 'secret']);
    assert.equal(viewOf(actor).machine.ipmi.password, '');
  });

  it('update: only allocated machines; nothing can be emptied; tags are rebuilt', () => {
    const actor = registered();
    assert.equal(kindOf(actor.ask('update', { description: 'd' })), 'Invalid');
    allocate(actor, 'o', true);
    actor.end('o', 'committed');
    actor.ask('update', { description: 'd', tags: ['b', 'a=1', 'a=2'], sshPubKeys: [] });
    const { allocation } = viewOf(actor);
    assert.deepEqual(
      [allocation!.description, allocation!.tags],
      ['d', ['a=2', 'b', 'machine.metal-stack.io/rack=r0']],
    );
    actor.ask('update', { tags: [] });
    assert.equal(viewOf(actor).allocation!.tags.length, 3);
  });

  it('console password: free machine 422', () => {
    assert.equal(kindOf(registered().ask('consolePassword', {})), 'Unprocessable');
  });
});

describe('machine: allocate and what goes on meanwhile', () => {
  const waiting = (): Actor => {
    const actor = registered();
    actor.ask('wait', {});
    return actor;
  };

  it('an elected machine must wait, be alive, available and of the size; all else is a conflict, so that another is elected', () => {
    const actor = registered();
    assert.equal(kindOf(allocate(actor, 'o')), 'Conflict');
    actor.ask('wait', {});
    const other = { allocation: anAllocation(), byUuid: false, size: 's2', layout };
    assert.equal(kindOf(actor.reserve('o', 'allocate', other)), 'Conflict');
    actor.ask('setState', { value: 'TAINTED', description: 'd' });
    assert.equal(kindOf(allocate(actor, 'o')), 'Conflict');
    actor.ask('setState', { value: '', description: '' });
    actor.pass(6 * 60_000);
    actor.ask('evaluateLiveliness', {});
    assert.equal(kindOf(allocate(actor, 'o')), 'Conflict');
    assert.equal(kindOf(allocate(actor, 'o', true)), 'ok');
  });

  it('held: reads, events and BMC reports go on, other writes wait, another allocate is refused', () => {
    const actor = waiting();
    assert.equal(kindOf(allocate(actor, 'one')), 'ok');
    assert.equal(kindOf(allocate(actor, 'two')), 'Conflict');
    assert.equal(kindOf(actor.reserve('two', 'free', {})), 'wait');
    assert.equal(kindOf(actor.ask('setState', { value: 'LOCKED', description: 'd' })), 'wait');
    assert.equal(kindOf(actor.ask('event', { event: 'Alive', message: '', partition: 'p' })), 'ok');
    assert.equal(viewOf(actor).allocation, null);
    actor.end('one', 'cancelled');
    assert.equal(viewOf(actor).allocation, null);
    assert.equal(kindOf(allocate(actor, 'two')), 'ok');
    actor.end('two', 'committed');
    assert.equal(viewOf(actor).allocation!.machine, 'm');
    assert.equal(kindOf(allocate(actor, 'three')), 'Conflict');
    assert.equal(kindOf(allocate(actor, 'three', true)), 'Unprocessable');
  });

  it('an event during the reservation does not outdate what the commit tells the allocator', () => {
    const actor = waiting();
    allocate(actor, 'one');
    actor.hints.length = 0;
    actor.pass(6 * 60_000);
    actor.ask('evaluateLiveliness', {});
    actor.end('one', 'committed');
    assert.deepEqual(summaries(actor), ['provisioning', 'allocation']);
  });

  it('W15: free ends waiting; events of a machine being freed wait', () => {
    const actor = waiting();
    actor.reserve('f', 'free', {});
    assert.equal(kindOf(actor.ask('event', { event: 'Alive', message: '', partition: 'p' })), 'wait');
    actor.end('f', 'committed');
    assert.equal(viewOf(actor).machine.waiting, false);
  });
});
