import { addressOf, partitionScope } from '../../actors/address.ts';
import type { MachineView } from '../../actors/machine/messages.ts';
import { notFound, type Refusal } from '../../actors/refusal.ts';
import type { AskOptions, Site } from '../site.ts';

/** The machine as its actor knows it; the request was brought to its home before. */
export async function machineOf(site: Site, id: string, as: AskOptions): Promise<MachineView | Refusal> {
  const partition = site.places.machine(id);
  if (partition === undefined) return notFound(`no machine with id "${id}" found`);
  return site.ask(addressOf(partitionScope(partition), 'machine', id), 'get', {}, as);
}
