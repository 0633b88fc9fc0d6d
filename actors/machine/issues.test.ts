import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { isRefusal } from '../refusal.ts';
import { ALL_ISSUES, evaluateIssues, ISSUES, parseIssueFilter, type IssueFilter, type IssueMachine } from './issues.ts';
import { emptyContainer, type EventContainer, type ProvisioningEventKind } from './provisioning.ts';

const NOW_MS = 1_000_000_000_000;
const DAY_MS = 86_400_000;
const container = (event: ProvisioningEventKind, more: Partial<EventContainer> = {}): EventContainer => ({
  ...emptyContainer(),
  events: [{ time: NOW_MS, event, message: '' }],
  lastEventTime: NOW_MS,
  ...more,
});
const healthy: IssueMachine = {
  id: 'm1',
  partition: 'a',
  role: null,
  asns: [],
  bmcAddress: '10.0.0.1:623',
  bmcMac: 'aa',
  bmcLastUpdated: NOW_MS,
  container: container('Waiting'),
};
const issuesOf = (more: Partial<IssueMachine>, filter: Partial<IssueFilter> = {}) =>
  evaluateIssues([{ ...healthy, ...more }], { ...ALL_ISSUES, ...filter }, NOW_MS)[0]?.issues ?? [];

describe('issues', () => {
  it('machines.md §13: each single-machine issue', () => {
    assert.deepEqual(issuesOf({}), []);
    assert.deepEqual(issuesOf({ partition: '' }), ['no-partition']);
    assert.deepEqual(issuesOf({ container: container('Waiting', { liveliness: 'Dead' }) }), ['liveliness-dead']);
    assert.deepEqual(issuesOf({ container: container('Waiting', { liveliness: 'Unknown' }) }), ['liveliness-unknown']);
    assert.deepEqual(issuesOf({ container: container('Waiting', { failedMachineReclaim: true }) }), [
      'failed-machine-reclaim',
    ]);
    assert.deepEqual(issuesOf({ container: container('Phoned Home') }), ['failed-machine-reclaim']);
    assert.deepEqual(issuesOf({ container: container('Phoned Home'), role: 'machine' }), []);
    assert.deepEqual(issuesOf({ container: container('Preparing', { crashLoop: true }) }), ['crashloop']);
    assert.deepEqual(issuesOf({ container: container('Waiting', { crashLoop: true }) }), []);
    const error = (ageMs: number) =>
      container('Waiting', { lastErrorEvent: { time: NOW_MS - ageMs, event: 'Crashed', message: '' } });
    assert.deepEqual(issuesOf({ container: error(6 * DAY_MS) }), ['last-event-error']);
    assert.deepEqual(issuesOf({ container: error(7 * DAY_MS) }), []);
    assert.deepEqual(issuesOf({ container: error(1000) }, { lastErrorThresholdMs: 500 }), []);
    assert.deepEqual(issuesOf({ bmcMac: '', bmcAddress: '', bmcLastUpdated: null }), [
      'bmc-without-mac',
      'bmc-without-ip',
      'bmc-info-outdated',
    ]);
    assert.deepEqual(issuesOf({ bmcLastUpdated: NOW_MS - 20 * 60_000 - 1 }), ['bmc-info-outdated']);
  });

  it('machines.md §13: without a container nothing else is said', () => {
    assert.deepEqual(issuesOf({ container: null, partition: '', bmcMac: '' }), ['no-event-container']);
  });

  it('machines.md §13: comparing issues, sorted by machine', () => {
    const firewall = (id: string, asns: number[]): IssueMachine => ({
      ...healthy,
      id,
      role: 'firewall',
      asns,
      bmcAddress: id,
      container: container('Phoned Home'),
    });
    const machines = [
      firewall('z', [7, 7]),
      firewall('y', [7]),
      firewall('x', [8, 8]),
      firewall('w', [0]),
      firewall('v', [0]),
      { ...firewall('u', [7]), role: 'machine' as const },
    ];
    assert.deepEqual(evaluateIssues(machines, ALL_ISSUES, NOW_MS), [
      { machine: 'y', issues: ['asn-not-unique'] },
      { machine: 'z', issues: ['asn-not-unique'] },
    ]);
    const twins = [healthy, { ...healthy, id: 'm2' }];
    assert.equal(evaluateIssues(twins, ALL_ISSUES, NOW_MS).length, 2);
    assert.deepEqual(evaluateIssues([healthy], ALL_ISSUES, NOW_MS), []);
    assert.deepEqual(evaluateIssues([healthy], ALL_ISSUES, NOW_MS, twins), [
      { machine: 'm1', issues: ['bmc-no-distinct-ip'] },
    ]);
  });

  it('machines.md §13: filter', () => {
    const broken = { partition: '', container: container('Waiting', { failedMachineReclaim: true }) };
    assert.deepEqual(issuesOf(broken, { severity: 'critical' }), ['failed-machine-reclaim']);
    assert.deepEqual(issuesOf(broken, { only: ['no-partition'] }), ['no-partition']);
    assert.deepEqual(issuesOf(broken, { only: ['no-partition'], omit: ['no-partition'] }), []);
    assert.deepEqual(parseIssueFilter({}), ALL_ISSUES);
    const parsed = parseIssueFilter({ severity: 'major', lastErrorThresholdNs: 5e9, omit: ['crashloop'] });
    assert.deepEqual(parsed, { only: [], omit: ['crashloop'], severity: 'major', lastErrorThresholdMs: 5000 });
    for (const wrong of [{ only: ['x'] }, { omit: ['x'] }, { severity: 'huge' }]) {
      const refusal = parseIssueFilter(wrong);
      assert.equal(isRefusal(refusal) && refusal.kind, 'Invalid');
    }
  });

  it('clients.md §4 line 28: thirteen kinds of issues', () => assert.equal(ISSUES.length, 13));
});
