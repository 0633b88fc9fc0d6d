// Switches as v1 shows them (networks.md §5.1).
import { z } from 'zod';
import type { SwitchRegistration, SwitchView } from '../../../actors/switch/messages.ts';
import type { PortFilter } from '../../../actors/switch/filters.ts';
import { shownStatus } from '../../../actors/switch/nic-state.ts';
import {
  nicKey,
  type BgpPortState,
  type PortState,
  type SwitchNic,
  type SwitchStatusRecord,
  type SwitchSync,
} from '../../../actors/switch/record.ts';
import { byText } from '../../../actors/directory/entity.ts';
import type { Partition } from '../../../actors/directory/partition.ts';
import { rfc3339 } from '../../../actors/machine/rfc3339.ts';
import { isRefusal, type Refusal } from '../../../actors/refusal.ts';
import { compile } from '../../schema.ts';
import { text, timesOf } from './fields.ts';
import { partitionResponse } from './partition.ts';

const nic = z.object({ mac: text, name: text, identifier: text, vrf: text });
export const switchRegisterBody = z.object({
  id: text,
  name: text,
  description: text,
  partition_id: text,
  rack_id: text,
  nics: z.array(nic).optional(),
  // Other fields of it, and whatever newer clients send, are not looked at.
  os: z.object({ vendor: text, version: text, metal_core_version: text }).optional(),
  management_ip: text,
  management_user: text,
});
export const switchUpdateBody = z.object({ id: text, description: text, console_command: text, mode: text });
export const switchPortBody = z.object({ nic: text, status: text });
export const switchFindBody = z.object({
  id: text,
  name: text,
  partitionid: text,
  rackid: text,
  osvendor: text,
  osversion: text,
});
export const switchMigrateBody = z.object({ old_switch_id: text, new_switch_id: text });
export const switchNotifyBody = z.object({
  sync_duration: z.number().optional(),
  error: text,
  port_states: z.record(z.string(), z.string()).optional(),
  bgp_port_states: z.record(z.string(), z.unknown()).optional(),
});

const counter = z.number().optional();
const checkBgpState = compile(
  z.object({
    Neighbor: text,
    PeerGroup: text,
    VrfName: text,
    BgpState: text,
    BgpTimerUpEstablished: counter,
    SentPrefixCounter: counter,
    AcceptedPrefixCounter: counter,
  }),
);

/** By port name; null: none were reported. */
export const bgpPortStates = (
  body: Record<string, unknown> | undefined,
): Record<string, BgpPortState> | null | Refusal => {
  if (body === undefined) return null;
  const states: Record<string, BgpPortState> = {};
  for (const [port, value] of Object.entries(body)) {
    const state = checkBgpState(value);
    if (isRefusal(state)) return state;
    states[port] = {
      neighbor: state.Neighbor ?? '',
      peerGroup: state.PeerGroup ?? '',
      vrfName: state.VrfName ?? '',
      bgpState: state.BgpState ?? '',
      bgpTimerUpEstablished: state.BgpTimerUpEstablished ?? 0,
      sentPrefixCounter: state.SentPrefixCounter ?? 0,
      acceptedPrefixCounter: state.AcceptedPrefixCounter ?? 0,
    };
  }
  return states;
};

export const switchRegistration = (body: z.infer<typeof switchRegisterBody>): SwitchRegistration => ({
  name: body.name ?? null,
  description: body.description ?? null,
  partition: body.partition_id ?? '',
  rack: body.rack_id ?? '',
  nics: (body.nics ?? []).map(({ mac = '', name = '', identifier = '', vrf = '' }) => ({ mac, name, identifier, vrf })),
  os: {
    vendor: body.os?.vendor ?? '',
    version: body.os?.version ?? '',
    metalCoreVersion: body.os?.metal_core_version ?? '',
  },
  managementIp: body.management_ip ?? '',
  managementUser: body.management_user ?? '',
});

/** Every field asked for is equal; a switch without os has neither vendor nor version. */
export const matchesSwitch = ({ switch: record }: SwitchView, query: z.infer<typeof switchFindBody>): boolean =>
  (
    [
      [query.id, record.id],
      [query.name, record.name],
      [query.partitionid, record.partition],
      [query.rackid, record.rack],
      [query.osvendor, record.os?.vendor],
      [query.osversion, record.os?.version],
    ] as const
  ).every(([asked, stored]) => asked === undefined || asked === stored);

const bgpResponse = (bgp: BgpPortState | null | undefined) =>
  bgp
    ? {
        Neighbor: bgp.neighbor,
        PeerGroup: bgp.peerGroup,
        VrfName: bgp.vrfName,
        BgpState: bgp.bgpState,
        BgpTimerUpEstablished: bgp.bgpTimerUpEstablished,
        SentPrefixCounter: bgp.sentPrefixCounter,
        AcceptedPrefixCounter: bgp.acceptedPrefixCounter,
      }
    : null;

const nicResponse = (
  { mac, name, identifier }: SwitchNic,
  vrf: string,
  actual: string,
  filter: PortFilter | null,
  port: PortState | undefined,
) => ({ mac, name, identifier, vrf, actual, filter, bgp_port_state: bgpResponse(port?.bgp) });

const syncResponse = (sync: SwitchSync | null) =>
  sync && { time: rfc3339(sync.atMs), duration: sync.durationNs, error: sync.error ?? undefined };

/** `filters` by NIC key; ports without one have none. A partition that is gone has empty fields. */
export const switchResponse = (
  { switch: record, status, ports }: SwitchView,
  partition: Partition,
  filters: ReadonlyMap<string, PortFilter>,
) => {
  const portOf = new Map(ports.map((port) => [port.nic, port]));
  const nicOf = new Map(record.nics.map((one) => [nicKey(one), one]));
  const stateOf = (key: string): PortState | undefined => status.ports[key];
  return {
    id: record.id,
    name: record.name,
    description: record.description,
    rack_id: record.rack,
    mode: record.mode,
    os: record.os && {
      vendor: record.os.vendor,
      version: record.os.version,
      metal_core_version: record.os.metalCoreVersion,
    },
    management_ip: record.managementIp,
    management_user: record.managementUser,
    console_command: record.consoleCommand,
    partition: partitionResponse(partition),
    nics: record.nics
      .map((one) => {
        const key = nicKey(one);
        const state = stateOf(key);
        return nicResponse(one, portOf.get(key)?.vrf ?? '', shownStatus(state), filters.get(key) ?? null, state);
      })
      .sort((a, b) => byText(a.name, b.name)),
    // metalctl needs a NIC for each, so a port whose NIC is gone is none.
    connections: ports
      .flatMap(({ nic: key, machine, vrf }) => {
        const one = nicOf.get(key);
        if (machine === '' || one === undefined) return [];
        const state = stateOf(key);
        return [{ machine_id: machine, nic: nicResponse(one, vrf, state?.actual ?? 'UNKNOWN', null, state) }];
      })
      .sort((a, b) => byText(a.machine_id, b.machine_id) || byText(a.nic.name, b.nic.name)),
    last_sync: syncResponse(status.lastSync),
    last_sync_error: syncResponse(status.lastSyncError),
    ...timesOf(record),
  };
};

/** With empty name and description, as metal-api answers a notification. */
export const notifyResponse = (id: string, status: SwitchStatusRecord) => ({
  id,
  name: '',
  description: '',
  last_sync: syncResponse(status.lastSync),
  last_sync_error: syncResponse(status.lastSyncError),
});
