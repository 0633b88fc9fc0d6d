import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { portStatus, reportPort, shownStatus, wantPort } from './nic-state.ts';
import type { PortState, PortStatus } from './record.ts';

const port = (actual: PortStatus, desired: PortStatus | null = null): PortState => ({
  actual,
  desired,
  wanted: desired,
  bgp: null,
});
const short = (state: PortState): string => (state.desired ? `${state.actual} wants ${state.desired}` : state.actual);

describe('networks.md §5.3: NIC state', () => {
  it('report s', () => {
    assert.equal(short(reportPort(undefined, 'UP')), 'UP');
    const up = port('UP');
    assert.equal(reportPort(up, 'UP'), up, 'unchanged');
    assert.equal(short(reportPort(up, 'DOWN')), 'DOWN');
    assert.equal(short(reportPort(port('UP', 'UP'), 'UP')), 'UP');
    assert.equal(short(reportPort(port('UP', 'DOWN'), 'DOWN')), 'DOWN');
    const wanting = port('UP', 'DOWN');
    assert.equal(reportPort(wanting, 'UP'), wanting, 'unchanged');
    assert.equal(short(reportPort(wanting, 'UNKNOWN')), 'UNKNOWN wants DOWN');
  });
  it('want s', () => {
    assert.equal(short(wantPort(undefined, 'UP')), 'UNKNOWN wants UP');
    assert.equal(short(wantPort(port('UP'), 'UP')), 'UP');
    assert.equal(short(wantPort(port('UP'), 'DOWN')), 'UP wants DOWN');
    assert.equal(short(wantPort(port('UP', 'DOWN'), 'UP')), 'UP');
    const wanting = port('UP', 'DOWN');
    assert.equal(wantPort(wanting, 'DOWN'), wanting, 'unchanged');
    assert.equal(short(wantPort(port('DOWN', 'UNKNOWN'), 'UP')), 'DOWN wants UP');
  });
  it('shown: desired, else actual, UNKNOWN without state', () => {
    assert.deepEqual(
      [shownStatus(undefined), shownStatus(port('UP')), shownStatus(port('UP', 'DOWN'))],
      ['UNKNOWN', 'UP', 'DOWN'],
    );
    assert.deepEqual(['UP', 'DOWN', 'up', 'x'].map(portStatus), ['UP', 'DOWN', 'UNKNOWN', 'UNKNOWN']);
  });
});
