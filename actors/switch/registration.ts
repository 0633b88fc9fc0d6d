import { invalid, unprocessable, type Refusal } from '../refusal.ts';
import type { Behaviour } from '../runtime/behaviour.ts';
import type { SwitchRegistration } from './messages.ts';
import { isSwitchVendor, SWITCH_VENDORS } from './port-names.ts';
import { nicKey, type SwitchNic, type SwitchRecord } from './record.ts';
import { replaceSwitch } from './replacement.ts';
import { heldPorts, isConnected, viewOf, written, type SwitchState, type SwitchWriting } from './state.ts';

const problemOf = (state: SwitchState, { nics, os }: SwitchRegistration): Refusal | undefined => {
  if (state.id === '') return invalid('uuid cannot be empty');
  const isReplaced = state.record?.value.mode === 'replace';
  if (!isReplaced && new Set(nics.map(nicKey)).size < nics.length) return invalid('duplicate identifier found in nics');
  // Without an os the original crashes (N26).
  if (os.vendor === '') return invalid(`os must be given, its vendor is one of ${SWITCH_VENDORS.join(', ')}`);
  if (!isSwitchVendor(os.vendor)) return unprocessable(`unknown switch os vendor ${os.vendor}`);
  return undefined;
};

/** What a registration may not do to a switch that is known (networks.md §5.2, N37). */
const conflictOf = (state: SwitchState, stored: SwitchRecord, asked: SwitchRegistration): Refusal | undefined => {
  const moved = (['rack', 'partition'] as const).find((field) => stored[field] !== asked[field]);
  if (moved && isConnected(state)) {
    return unprocessable(
      `switch "${state.id}" has connected machines and can't be moved from ${moved} "${stored[moved]}" to "${asked[moved]}"`,
    );
  }
  const after = new Map(asked.nics.map((nic) => [nicKey(nic), nic]));
  for (const nic of stored.nics) {
    const key = nicKey(nic);
    const machine = state.ports.get(key)?.value.machine ?? '';
    if (machine === '') continue;
    const again = after.get(key);
    if (!again) {
      return unprocessable(
        `nic with identifier ${key} gets removed but the machine with id "${machine}" is already connected to this nic, which is currently not supported`,
      );
    }
    if (again.name !== nic.name) {
      return unprocessable(
        `nic with mac address ${nic.mac} wants to be renamed from "${nic.name}" to "${again.name}", but already has a connection to machine with id "${machine}"`,
      );
    }
  }
  return undefined;
};

const nicsOf = (asked: SwitchRegistration): SwitchNic[] =>
  asked.nics.map(({ mac, name, identifier }) => ({ mac, name, identifier }));

const recordOf = (state: SwitchState, asked: SwitchRegistration, nowMs: number): SwitchRecord => {
  const stored = state.record?.value;
  const { partition, rack, os, managementIp, managementUser } = asked;
  return {
    id: state.id,
    name: asked.name ?? stored?.name ?? '',
    description: asked.description ?? stored?.description ?? '',
    created: stored?.created ?? nowMs,
    changed: nowMs,
    partition,
    rack,
    mode: stored?.mode ?? '',
    os,
    managementIp,
    managementUser,
    consoleCommand: stored?.consoleCommand ?? '',
    nics: nicsOf(asked),
  };
};

/** Ports and their states as the new list of NICs leaves them: gone ones are dropped, new ones bring their VRF. */
const portsAfter = (state: SwitchState, asked: SwitchRegistration): Pick<SwitchWriting, 'ports' | 'status'> => {
  const known = new Set((state.record?.value.nics ?? []).map(nicKey));
  const ports: NonNullable<SwitchWriting['ports']> = new Map();
  for (const nic of asked.nics) {
    const key = nicKey(nic);
    if (!known.has(key)) ports.set(key, { vrf: nic.vrf, machine: state.ports.get(key)?.value.machine ?? '' });
    known.delete(key);
  }
  for (const gone of known) ports.set(gone, { vrf: '', machine: '' });
  const status = state.status?.value;
  if (!status || ![...known].some((key) => Object.hasOwn(status.ports, key))) return { ports };
  const kept = Object.fromEntries(Object.entries(status.ports).filter(([key]) => !known.has(key)));
  return { ports, status: { ...status, ports: kept } };
};

/** metal-core registers its switch at each start, every 30 s until it succeeds (networks.md §5.2). */
export const register: Behaviour<'switch', SwitchState>['commands']['register'] = (state, asked, context) => {
  const stored = state.record?.value;
  const problem = problemOf(state, asked) ?? heldPorts(state);
  if (problem) return problem;
  if (state.record?.value.mode === 'replace') {
    const old = { record: state.record, ports: [...state.ports.values()].map((port) => port.value) };
    return { coordinate: () => replaceSwitch(old, recordOf(state, asked, context.nowMs), context.scope) };
  }
  const conflicting = stored && conflictOf(state, stored, asked);
  if (conflicting) return conflicting;
  const record = recordOf(state, asked, context.nowMs);
  const writing: SwitchWriting = { record, ...portsAfter(state, asked) };
  return written(state, context, { view: viewOf(state, record, writing), created: !stored }, writing);
};
