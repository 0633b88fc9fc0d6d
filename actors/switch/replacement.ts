// A new device registers under the id of the old one (networks.md §5.8). Its ports are those of its twin, the other leaf of
// the rack, which is cabled identically; all in one commit (N34).
import { addressOf, scopeId, type Scope } from '../address.ts';
import type { Live } from '../change.ts';
import { isRefusal, unprocessable, type Refusal } from '../refusal.ts';
import {
  askAll,
  command,
  reservation,
  reserveAll,
  type Coordination,
  type Step,
  type StepAnswer,
} from '../runtime/behaviour.ts';
import type { SwitchView } from './messages.ts';
import { isSwitchVendor, translatePortName } from './port-names.ts';
import { nicKey, type PortRecord, type SwitchNic, type SwitchRecord } from './record.ts';

interface Old {
  record: Live<SwitchRecord>;
  ports: PortRecord[];
}

const byName = (a: SwitchNic, b: SwitchNic): number => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
const machinesOf = (ports: readonly PortRecord[]): string[] =>
  ports.map((port) => port.machine).filter((machine) => machine !== '');

/** Name on the twin → NIC of the new device, or which names it lacks. */
const mirrored = (twin: SwitchRecord, fresh: SwitchRecord): Map<string, SwitchNic> | Refusal => {
  const [from = '', to = ''] = [twin.os?.vendor, fresh.os?.vendor];
  if (!isSwitchVendor(from) || !isSwitchVendor(to)) {
    return unprocessable(`unknown switch os vendor ${isSwitchVendor(from) ? to : from}`);
  }
  const names = twin.nics.map((nic) => nic.name);
  const nics = new Map<string, SwitchNic>();
  const missing: string[] = [];
  for (const name of names) {
    const translated = translatePortName(name, from, to, names);
    if (isRefusal(translated)) return translated;
    const nic = fresh.nics.find((candidate) => candidate.name === translated);
    if (nic) nics.set(name, nic);
    else missing.push(translated);
  }
  return missing.length > 0 ? unprocessable(`new switch misses the nics [${missing.join(' ')}]`) : nics;
};

/** The only other switch of the rack that has machines and is not being replaced itself. */
function* findTwin(old: SwitchRecord, scope: Scope): Generator<Step, SwitchView | Refusal, StepAnswer> {
  const allocator = addressOf(scope, 'allocator', scopeId(scope));
  const near = yield* askAll([command(allocator, 'switchesOf', { rack: old.rack })]);
  if (isRefusal(near)) return near;
  const others = near[0].switches.filter((id) => id !== old.id);
  const views = yield* askAll(others.map((id) => command(addressOf(scope, 'switch', id), 'get', {})));
  if (isRefusal(views)) return views;
  const twins = views.filter(
    ({ switch: record, ports }) =>
      record.rack === old.rack && record.mode !== 'replace' && machinesOf(ports).length > 0,
  );
  const [twin] = twins;
  if (!twin) return unprocessable(`no twin brother found for switch ${old.id}`);
  if (twins.length > 1) {
    const ids = twins.map((view) => view.switch.id).join(', ');
    return unprocessable(`found multiple twin switches for ${old.id}: ${ids}`);
  }
  return twin;
}

/** What the machines saw at the old device, and see at the same place of the new one. */
const exchangedNics = (old: SwitchRecord, fresh: SwitchRecord): Array<{ before: string; after: SwitchNic }> => {
  const [from = '', to = ''] = [old.os?.vendor, fresh.os?.vendor];
  const names = old.nics.map((nic) => nic.name);
  return old.nics.flatMap((nic) => {
    const name = isSwitchVendor(from) && isSwitchVendor(to) ? translatePortName(nic.name, from, to, names) : nic.name;
    const after = fresh.nics.find((candidate) => candidate.name === name);
    return after ? [{ before: nicKey(nic), after }] : [];
  });
};

export function* replaceSwitch(
  old: Old,
  registered: SwitchRecord,
  scope: Scope,
): Coordination<{ view: SwitchView; created: boolean }> {
  const before = old.record.value;
  const { id } = before;
  const moved = (['partition', 'rack'] as const).find((field) => before[field] !== registered[field]);
  if (moved) {
    return unprocessable(
      `${moved} of the new switch "${registered[moved]}" differs from that of the old one "${before[moved]}"`,
    );
  }
  const found = yield* findTwin(before, scope);
  if (isRefusal(found)) return found;
  const nics = mirrored(found.switch, registered);
  if (isRefusal(nics)) return nics;

  const exchanged = exchangedNics(before, registered);
  // Machines first, as in every operation on machines; held, their ports at the twin can't change either.
  const machines = [...new Set([...machinesOf(old.ports), ...machinesOf(found.ports)])].sort();
  const rewired = yield* reserveAll(
    machines.map((machine) =>
      reservation(addressOf(scope, 'machine', machine), 'rewire', {
        hostname: before.name,
        renamed: registered.name,
        nics: exchanged,
      }),
    ),
  );
  if (isRefusal(rewired)) return rewired;
  const again = yield* askAll([command(addressOf(scope, 'switch', found.switch.id), 'get', {})]);
  if (isRefusal(again)) return again;
  const [twin] = again;
  const nameOf = new Map(twin.switch.nics.map((nic) => [nicKey(nic), nic.name]));
  const ports = twin.ports.flatMap(({ nic, vrf, machine }) => {
    const own = nics.get(nameOf.get(nic) ?? '');
    return own ? [{ nic: nicKey(own), vrf, machine }] : [];
  });
  const record: SwitchRecord = { ...registered, mode: 'operational', nics: [...registered.nics].sort(byName) };
  const replaced = yield* reserveAll([
    reservation(addressOf(scope, 'switch', id), 'replace', { record, ports, basedOn: old.record.version }),
  ]);
  if (isRefusal(replaced)) return replaced;
  return { reply: { view: replaced[0].reply, created: false } };
}
