import { invalid, notFound } from '../refusal.ts';
import type { Behaviour } from '../runtime/behaviour.ts';
import { portStatus, reportPort, wantPort } from './nic-state.ts';
import { nicKey, type PortState, type SwitchNic, type SwitchRecord, type SwitchStatusRecord } from './record.ts';
import { register } from './registration.ts';
import { emptyStatus, heldPorts, isConnected, noSwitch, viewOf, written, type SwitchState } from './state.ts';

type Commands = Behaviour<'switch', SwitchState>['commands'];

/** The states of all ports after a report by port name; null reports nothing. */
const reportedPorts = (
  nics: readonly SwitchNic[],
  stored: SwitchStatusRecord['ports'],
  { portStates, bgpPortStates }: Parameters<Commands['notify']>[1],
): SwitchStatusRecord['ports'] => {
  const ports = { ...stored };
  for (const nic of nics) {
    const key = nicKey(nic);
    const status = portStates?.[nic.name];
    if (status !== undefined) ports[key] = reportPort(ports[key], portStatus(status));
    if (!bgpPortStates) continue;
    const bgp = bgpPortStates[nic.name] ?? null;
    const port: PortState | undefined = ports[key] ?? (bgp ? reportPort(undefined, 'UNKNOWN') : undefined);
    if (port) ports[key] = { ...port, bgp };
  }
  return ports;
};

const notify: Commands['notify'] = (state, report, context) => {
  const record = state.record?.value;
  if (!record) return noSwitch(state.id);
  const stored = state.status?.value ?? emptyStatus();
  const sync = { atMs: context.nowMs, durationNs: report.durationNs, error: report.error };
  const status: SwitchStatusRecord = {
    lastSync: report.error === null ? sync : stored.lastSync,
    lastSyncError: report.error === null ? stored.lastSyncError : sync,
    ports: reportedPorts(record.nics, stored.ports, report),
  };
  return written(state, context, viewOf(state, record, { status }), { status });
};

const toggle: Commands['toggle'] = (state, { nic, status }, context) => {
  if (status !== 'UP' && status !== 'DOWN') {
    return invalid(`the status "${status}" must be concrete, expected UP or DOWN`);
  }
  const record = state.record?.value;
  if (!record) return noSwitch(state.id);
  const found = record.nics.find((candidate) => candidate.name.toLowerCase() === nic.toLowerCase());
  if (!found) return notFound(`the nic "${nic}" does not exist in this switch`);
  const key = nicKey(found);
  if ((state.ports.get(key)?.value.machine ?? '') === '') {
    return invalid(`switch "${state.id}" does not have a connected machine at port "${nic}"`);
  }
  const stored = state.status?.value ?? emptyStatus();
  const port = wantPort(stored.ports[key], status);
  if (port === stored.ports[key]) return { reply: viewOf(state, record) };
  const after = { ...stored, ports: { ...stored.ports, [key]: port } };
  return written(state, context, viewOf(state, record, { status: after }), { status: after });
};

export const switchCommands: Commands = {
  get: (state) => (state.record ? { reply: viewOf(state, state.record.value) } : noSwitch(state.id)),
  register,
  notify,
  toggle,

  update(state, { description, consoleCommand, mode }, context) {
    const stored = state.record?.value;
    if (!stored) return noSwitch(state.id);
    const record: SwitchRecord = {
      ...stored,
      changed: context.nowMs,
      description: description ?? stored.description,
      // metalctl's `switch replace` sends none and does not mean to clear it (N36).
      consoleCommand: consoleCommand ?? stored.consoleCommand,
      mode: mode === 'replace' ? 'replace' : 'operational',
    };
    return written(state, context, viewOf(state, record), { record });
  },

  delete(state, { force }, context) {
    const record = state.record?.value;
    if (!record) return noSwitch(state.id);
    const waiting = heldPorts(state);
    if (waiting) return waiting;
    if (isConnected(state) && !force) {
      return invalid(`cannot delete switch ${state.id} while it still has machines connected to it`);
    }
    const ports = new Map([...state.ports.keys()].map((nic) => [nic, { vrf: '', machine: '' }]));
    return written(state, context, viewOf(state, record), { record: null, status: null, ports });
  },
};
