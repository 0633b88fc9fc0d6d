import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { singleActor } from '../allocation/testing/single-actor.ts';
import { createPlant, uplinks } from '../allocation/testing/plant.ts';
import { isRefusal } from '../refusal.ts';
import { switchBehaviour } from './behaviour.ts';
import type { SwitchRegistration } from './messages.ts';
import { shownStatus } from './nic-state.ts';

const registration = (part: Partial<SwitchRegistration> = {}): SwitchRegistration => ({
  name: 'r0-leaf01',
  description: null,
  partition: 'p',
  rack: 'r0',
  nics: [0, 1, 2].map((n) => ({ mac: '', name: `Ethernet${n}`, identifier: `Eth${n}`, vrf: '' })),
  os: { vendor: 'SONiC', version: '1', metalCoreVersion: '1' },
  managementIp: '192.0.2.1',
  managementUser: 'admin',
  ...part,
});
const open = () => singleActor(switchBehaviour, 'r0-leaf01');
type Actor = ReturnType<typeof open>;

const registered = (): Actor => {
  const actor = open();
  actor.ask('register', registration());
  return actor;
};
/** The machine of slot 0 hangs at Ethernet0. */
const connected = (): Actor => {
  const actor = registered();
  actor.reserve('c', 'connect', { machine: 'm', nics: uplinks('r0', 0) });
  actor.end('c', 'committed');
  return actor;
};
const outcome = (answer: object): string =>
  isRefusal(answer) ? `${answer.kind}: ${answer.message}` : 'wait' in answer ? 'wait' : 'ok';
const view = (actor: Actor) => {
  const found = actor.ask('get', {});
  assert.ok('switch' in found);
  return found;
};
const report = (portStates: Record<string, string> | null, error: string | null = null) => ({
  durationNs: 5,
  error,
  portStates,
  bgpPortStates: null,
});

describe('networks.md N27: a switch that was changed meanwhile is read again', () => {
  it('a commit that finds its memory wrong is decided anew', () => {
    const plant = createPlant();
    const { nics } = plant.must('switch', 'r0-leaf01', 'get', {}).switch;
    plant.store.faults.push('refused', 'refused');
    const asked = registration({ managementIp: '192.0.2.9', nics: nics.map((nic) => ({ ...nic, vrf: '' })) });
    const made = plant.must('switch', 'r0-leaf01', 'register', asked);
    assert.equal(made.view.switch.managementIp, '192.0.2.9');
    assert.deepEqual(plant.store.faults, []);
  });
});

describe('networks.md §5.2, §11.7: register', () => {
  it('new, then again', () => {
    const actor = open();
    const [first, second] = [actor.ask('register', registration()), actor.ask('register', registration())];
    assert.ok('created' in first && first.created);
    assert.ok('created' in second && !second.created);
  });

  it('two NICs with one identifier 400; N26 no os 400; unknown vendor 422', () => {
    const twice = [...registration().nics, registration().nics[0]!];
    assert.equal(
      outcome(open().ask('register', registration({ nics: twice }))),
      'Invalid: duplicate identifier found in nics',
    );
    const os = { vendor: '', version: '', metalCoreVersion: '' };
    assert.match(outcome(open().ask('register', registration({ os }))), /^Invalid: os must be given/);
    assert.equal(
      outcome(open().ask('register', registration({ os: { ...os, vendor: 'x' } }))),
      'Unprocessable: unknown switch os vendor x',
    );
  });

  it('NIC removed: free is dropped with its VRF, connected is refused', () => {
    const actor = connected();
    const { nics } = registration();
    assert.equal(outcome(actor.ask('register', registration({ nics: nics.slice(0, 2) }))), 'ok');
    assert.equal(view(actor).switch.nics.length, 2);
    assert.match(
      outcome(actor.ask('register', registration({ nics: nics.slice(1) }))),
      /^Unprocessable: nic with identifier Eth0 gets removed but the machine with id "m"/,
    );
  });

  it('NIC renamed: free keeps its VRF, connected is refused', () => {
    const actor = connected();
    const vrf = [...registration().nics, { mac: '', name: 'Ethernet9', identifier: 'Eth9', vrf: 'vrf7' }];
    actor.ask('register', registration({ nics: vrf }));
    const renamed = (key: string) =>
      vrf.map((nic) => (nic.identifier === key ? { ...nic, name: 'new', vrf: 'ignored' } : nic));
    assert.equal(outcome(actor.ask('register', registration({ nics: renamed('Eth9') }))), 'ok');
    assert.deepEqual(view(actor).ports.find((port) => port.nic === 'Eth9')!.vrf, 'vrf7');
    assert.match(
      outcome(actor.ask('register', registration({ nics: renamed('Eth0') }))),
      /wants to be renamed from "Ethernet0" to "new"/,
    );
  });

  it('N37: a switch with machines does not change its rack; without it does; name is kept when not given', () => {
    assert.match(
      outcome(connected().ask('register', registration({ rack: 'r9' }))),
      /^Unprocessable: .* from rack "r0" to "r9"/,
    );
    const actor = registered();
    assert.equal(outcome(actor.ask('register', registration({ rack: 'r9', name: null }))), 'ok');
    assert.deepEqual([view(actor).switch.rack, view(actor).switch.name], ['r9', 'r0-leaf01']);
  });
});

describe('networks.md §5.7: notify, update, toggle, delete', () => {
  it('N37: notify of an unknown switch is 404 and leaves nothing', () => {
    const actor = open();
    assert.match(outcome(actor.ask('notify', report(null))), /^NotFound: NotFound no switch with id/);
    assert.equal(actor.state.status, null);
  });

  it('error, then success: last_sync_error kept, last_sync newer', () => {
    const actor = registered();
    actor.ask('notify', report(null, 'x'));
    actor.pass(10_000);
    actor.ask('notify', report(null));
    const { lastSync, lastSyncError } = view(actor).status;
    assert.equal(lastSyncError!.error, 'x');
    assert.ok(lastSync!.atMs > lastSyncError!.atMs);
  });

  it('N28: a report writes the status, not the configuration', () => {
    const actor = registered();
    const { version } = actor.state.record!;
    const bgp = {
      neighbor: 'n',
      peerGroup: '',
      vrfName: '',
      bgpState: 'Established',
      bgpTimerUpEstablished: 1,
      sentPrefixCounter: 1,
      acceptedPrefixCounter: 1,
    };
    actor.ask('notify', { ...report({ Ethernet0: 'UP' }), bgpPortStates: { Ethernet1: bgp } });
    assert.equal(actor.state.record!.version, version);
    const { ports } = view(actor).status;
    assert.deepEqual([ports['Eth0']!.actual, ports['Eth1']!.actual, ports['Eth1']!.bgp], ['UP', 'UNKNOWN', bgp]);
    actor.ask('notify', { ...report(null), bgpPortStates: {} });
    assert.equal(view(actor).status.ports['Eth1']!.bgp, null);
  });

  it('toggle: unknown NIC 404, status UNKNOWN 400, port without machine 400, name without case', () => {
    const actor = connected();
    assert.match(
      outcome(actor.ask('toggle', { nic: 'Ethernet77', status: 'UP' })),
      /^NotFound: .*the nic "Ethernet77" does not exist in this switch/,
    );
    assert.match(
      outcome(actor.ask('toggle', { nic: 'Ethernet0', status: 'UNKNOWN' })),
      /^Invalid: the status "UNKNOWN" must be concrete/,
    );
    assert.match(
      outcome(actor.ask('toggle', { nic: 'Ethernet1', status: 'UP' })),
      /^Invalid: switch "r0-leaf01" does not have a connected machine at port "Ethernet1"/,
    );
    assert.equal(outcome(actor.ask('toggle', { nic: 'ETHERNET0', status: 'UP' })), 'ok');
  });

  it('networks.md §11.7: toggle DOWN on actual UP, notify UP, notify DOWN', () => {
    const actor = connected();
    const seen: string[] = [];
    const look = () => {
      const port = view(actor).status.ports['Eth0'];
      seen.push(`${shownStatus(port)} ${port!.actual}`);
    };
    actor.ask('notify', report({ Ethernet0: 'UP' }));
    actor.ask('toggle', { nic: 'Ethernet0', status: 'DOWN' });
    look();
    actor.ask('notify', report({ Ethernet0: 'UP' }));
    look();
    actor.ask('notify', report({ Ethernet0: 'DOWN' }));
    look();
    assert.deepEqual(seen, ['DOWN UP', 'DOWN UP', 'DOWN DOWN']);
  });

  it('N35: a link failure is not shown as wanted DOWN', () => {
    const actor = connected();
    actor.ask('notify', report({ Ethernet0: 'UP' }));
    actor.ask('notify', report({ Ethernet0: 'DOWN' }));
    const port = view(actor).status.ports['Eth0'];
    assert.deepEqual([shownStatus(port), port!.actual], ['UNKNOWN', 'DOWN']);
  });

  it('N36: update without console command keeps it; without mode it is operational', () => {
    const actor = registered();
    actor.ask('update', { consoleCommand: 'ssh x', mode: 'operational' });
    actor.ask('update', { mode: 'replace' });
    assert.deepEqual([view(actor).switch.consoleCommand, view(actor).switch.mode], ['ssh x', 'replace']);
    actor.ask('update', { mode: null });
    assert.equal(view(actor).switch.mode, 'operational');
  });

  it('delete: connected 400, with force it goes with ports and status', () => {
    const actor = connected();
    actor.ask('notify', report(null));
    assert.match(
      outcome(actor.ask('delete', { force: false })),
      /^Invalid: cannot delete switch r0-leaf01 while it still has machines connected to it/,
    );
    assert.equal(outcome(actor.ask('delete', { force: true })), 'ok');
    assert.deepEqual([actor.state.record, actor.state.status, actor.state.ports.size], [null, null, 0]);
    assert.deepEqual(actor.hints.at(-1)!.body, {
      switch: 'r0-leaf01',
      record: { version: (actor.hints.at(-1)!.body as { record: { version: number } }).record.version, value: null },
      ports: [
        {
          nic: 'Eth0',
          version: (actor.hints.at(-1)!.body as { ports: Array<{ version: number }> }).ports[0]!.version,
          machine: '',
        },
      ],
    });
  });
});

describe('machines.md §6.3, networks.md §5.4: ports of machines', () => {
  it('VRF set and cleared; a port with neither VRF nor machine has no row', () => {
    const actor = connected();
    actor.reserve('v', 'setVrf', { machine: 'm', vrf: 'vrf7' });
    actor.end('v', 'committed');
    assert.deepEqual(view(actor).ports, [{ switch: 'r0-leaf01', nic: 'Eth0', vrf: 'vrf7', machine: 'm' }]);
    actor.reserve('d', 'disconnect', { machine: 'm' });
    actor.end('d', 'committed');
    assert.deepEqual(view(actor).ports, []);
    assert.deepEqual(actor.reserve('n', 'setVrf', { machine: 'other', vrf: 'vrf7' }), { ports: [] });
  });

  it('N31: a VRF is a row of its port, the list of NICs is not written; two without a key are refused', () => {
    const actor = connected();
    const bare = ['a', 'b'].map((name) => ({ mac: '', name, identifier: '', vrf: '' }));
    const twice = registration({ nics: [...registration().nics, ...bare] });
    assert.match(outcome(actor.ask('register', twice)), /^Invalid: duplicate identifier/);
    const listed = structuredClone(view(actor).switch.nics);
    actor.reserve('v', 'setVrf', { machine: 'm', vrf: 'vrf7' });
    actor.end('v', 'committed');
    assert.deepEqual(view(actor).switch.nics, listed);
  });

  it('held ports wait, others go on; cancelled leaves nothing', () => {
    const actor = connected();
    actor.reserve('v', 'setVrf', { machine: 'm', vrf: 'vrf7' });
    assert.equal(outcome(actor.reserve('w', 'setVrf', { machine: 'm', vrf: '' })), 'wait');
    assert.equal(outcome(actor.ask('register', registration())), 'wait');
    assert.equal(outcome(actor.reserve('x', 'connect', { machine: 'k', nics: uplinks('r0', 1) })), 'ok');
    actor.end('v', 'cancelled');
    actor.end('x', 'cancelled');
    assert.deepEqual(view(actor).ports, [{ switch: 'r0-leaf01', nic: 'Eth0', vrf: '', machine: 'm' }]);
  });

  it('a machine that moved to another port of the switch takes its connection along', () => {
    const actor = connected();
    actor.reserve('c', 'connect', { machine: 'm', nics: uplinks('r0', 2) });
    actor.end('c', 'committed');
    assert.deepEqual(
      view(actor).ports.map(({ nic, machine }) => [nic, machine]),
      [['Eth2', 'm']],
    );
  });

  it('a switch without a name is not compared by it', () => {
    const actor = open();
    actor.ask('register', registration({ name: '' }));
    const reply = actor.reserve('c', 'connect', { machine: 'm', nics: uplinks('elsewhere', 1).slice(0, 1) });
    assert.ok('rack' in reply);
    assert.deepEqual([reply.ports, reply.rack, reply.vendor], [['Ethernet1'], 'r0', 'SONiC']);
  });
});
