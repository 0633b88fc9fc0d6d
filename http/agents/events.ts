// Provisioning events of many machines in one call (machines.md §5.4).
import { addressOf, partitionScope } from '../../actors/address.ts';
import { isProvisioningEventKind } from '../../actors/machine/provisioning.ts';
import { invalid, isRefusal } from '../../actors/refusal.ts';
import type { AskOptions, Site } from '../site.ts';
import { partitionOfMachine, type Agent, type Rpc } from './caller.ts';
import type { EventMessage, EventRpcs } from './protos.ts';

/** A leaf switch sees some tens of machines; more than this in one call is not a switch. */
const MOST_EVENTS = 10_000;
const AT_ONCE = 256;

const tell = async (
  site: Site,
  machine: string,
  told: EventMessage,
  agent: Agent,
  as: AskOptions,
): Promise<boolean> => {
  if (!isProvisioningEventKind(told.event)) return false;
  const partition = partitionOfMachine(site, agent, machine);
  if (isRefusal(partition)) return false;
  const reply = await site.ask(
    addressOf(partitionScope(partition), 'machine', machine),
    'event',
    { event: told.event, message: told.message, partition },
    as,
  );
  return !isRefusal(reply);
};

/** Each entry stands for itself: what could not be stored is in `failed`, the call succeeds (W50). The sender's clock does not count. */
export const send: Rpc<EventRpcs['Send']['ask'], EventRpcs['Send']['reply']> = async (site, { events }, agent, as) => {
  const entries = Object.entries(events);
  if (entries.length > MOST_EVENTS) return invalid(`${entries.length} events in one call, at most ${MOST_EVENTS}`);
  const failed: string[] = [];
  for (let from = 0; from < entries.length; from += AT_ONCE) {
    const some = entries.slice(from, from + AT_ONCE);
    const stored = await Promise.all(some.map(([machine, told]) => tell(site, machine, told, agent, as)));
    some.forEach(([machine], i) => stored[i] || failed.push(machine));
  }
  return { events: entries.length - failed.length, failed };
};
