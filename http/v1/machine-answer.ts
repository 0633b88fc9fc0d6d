// How routes address a machine's actor and the allocator of its partition, and answer with the machine.
import { addressOf, partitionScope } from '../../actors/address.ts';
import type { MachineView } from '../../actors/machine/messages.ts';
import type { Ask, CommandName, Reply } from '../../actors/protocol.ts';
import { isRefusal, notFound, type Refusal } from '../../actors/refusal.ts';
import { jsonList } from '../json-list.ts';
import { ok, type Answer } from '../route.ts';
import type { AskOptions, Site } from '../site.ts';
import type { MachineQuery } from './machine-query.ts';
import { findMachines } from './machine-rows.ts';
import { listedMachine, singleMachine } from './shape/machine.ts';

export const noMachine = (id: string): Refusal => notFound(`no machine with id "${id}" found`);

/** Asks the machine itself; NotFound when it is not hosted here. */
export async function askMachine<C extends CommandName<'machine'>>(
  site: Site,
  id: string,
  command: C,
  body: Ask<'machine', C>,
  as: AskOptions,
): Promise<Reply<'machine', C> | Refusal> {
  const partition = site.places.machine(id);
  if (partition === undefined) return noMachine(id);
  return site.ask(addressOf(partitionScope(partition), 'machine', id), command, body, as);
}

type OnMachines = 'freeMachine' | 'deleteMachine' | 'reinstallMachine';

/** Operations that need several actors go through the partition's allocator. */
export async function askAllocator<C extends OnMachines>(
  site: Site,
  id: string,
  command: C,
  body: Ask<'allocator', C>,
  as: AskOptions,
): Promise<Reply<'allocator', C> | Refusal> {
  const partition = site.places.machine(id);
  if (partition === undefined) return noMachine(id);
  return site.ask(addressOf(partitionScope(partition), 'allocator', partition), command, body, as);
}

export const listMachines = async (site: Site, query: MachineQuery): Promise<Answer> =>
  ok(await jsonList(await findMachines(site, query), (view) => listedMachine(view, site.directory)));

/** A machine that was read: one that never had an event is NotFound, as metal-api has it (machines.md §2.2). */
export function readAnswer(site: Site, view: MachineView | Refusal): Answer | Refusal {
  if (isRefusal(view)) return view;
  if (view.provisioning === null) {
    return notFound(`no provisioningeventcontainer with id "${view.machine.id}" found`);
  }
  const body = singleMachine(view, site.directory);
  return isRefusal(body) ? body : ok(body);
}

/**
 * A machine that something was done to: once it is done, nothing that it refers to makes the answer an error, which the
 * client would take for the operation's (W45).
 */
export function answerDone(view: MachineView, { site }: { site: Site }): Answer {
  const body = singleMachine(view, site.directory);
  return ok(isRefusal(body) ? listedMachine(view, site.directory) : body);
}
