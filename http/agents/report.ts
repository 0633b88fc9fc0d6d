// The installation is done (machines.md §10.6).
import { addressOf, partitionScope } from '../../actors/address.ts';
import { invalid, isRefusal } from '../../actors/refusal.ts';
import { partitionOfMachine, type Rpc } from './caller.ts';
import type { BootRpcs } from './protos.ts';

/** Stores console password and boot information, gives the ports their VRF and the machine its boot disk. */
export const report: Rpc<BootRpcs['Report']['ask'], BootRpcs['Report']['reply']> = async (site, asked, agent, as) => {
  if (!asked.bootInfo) return invalid('boot_info is missing, expected how the installed system is booted');
  const partition = partitionOfMachine(site, agent, asked.uuid);
  if (isRefusal(partition)) return partition;
  return await site.ask(
    addressOf(partitionScope(partition), 'allocator', partition),
    'reportInstalled',
    {
      machine: asked.uuid,
      consolePassword: asked.consolePassword,
      bootInfo: asked.bootInfo,
      success: asked.success,
    },
    as,
  );
};
