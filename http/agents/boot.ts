// What pixie asks, and the small calls of metal-hammer (machines.md §5.3).
import { addressOf, partitionScope } from '../../actors/address.ts';
import { isRefusal, notFound } from '../../actors/refusal.ts';
import { partitionOfMachine, refusePartition, type Rpc } from './caller.ts';
import type { BootRpcs } from './protos.ts';

type BootRpc<N extends keyof BootRpcs> = Rpc<BootRpcs[N]['ask'], BootRpcs[N]['reply']>;

/** A DHCP request with a GUID: the machine boots PXE, known or not. */
export const dhcp: BootRpc<'Dhcp'> = async (site, { uuid }, agent, as) => {
  const partition = partitionOfMachine(site, agent, uuid);
  if (isRefusal(partition)) return partition;
  const told = await site.ask(
    addressOf(partitionScope(partition), 'machine', uuid),
    'event',
    { event: 'PXE Booting', message: '', partition },
    as,
  );
  return isRefusal(told) ? told : {};
};

/** What a machine of the partition boots. The MAC is ignored, as in metal-api. */
export const boot: BootRpc<'Boot'> = async (site, { partitionId }, agent) => {
  const refused = refusePartition(site, agent, partitionId);
  if (refused) return refused;
  const partition = site.directory.get('partition', partitionId);
  if (!partition) return notFound(`no partition with id "${partitionId}" found`);
  const { kernelUrl, imageUrl, commandLine } = partition.bootConfig;
  return { kernel: kernelUrl, initRamDisks: [imageUrl], cmdline: commandLine };
};

/** `''`: the feature is off. metal-api says the opposite of `featureDisabled`, which no agent reads (W17). */
export const superUserPassword: BootRpc<'SuperUserPassword'> = async (site) => ({
  featureDisabled: site.config.superUserPassword === '',
  superUserPassword: site.config.superUserPassword,
});

/** A reinstallation did not work out: answers how to boot the old system, if that is still there. */
export const abortReinstall: BootRpc<'AbortReinstall'> = async (site, { uuid, primaryDiskWiped }, agent, as) => {
  const partition = partitionOfMachine(site, agent, uuid);
  if (isRefusal(partition)) return partition;
  return await site.ask(
    addressOf(partitionScope(partition), 'machine', uuid),
    'abortReinstall',
    { primaryDiskWiped },
    as,
  );
};
