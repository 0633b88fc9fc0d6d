// A partition that is to be deleted gives back what it holds of global networks while somebody speaks for it: afterwards the
// homes would keep its blocks for it for ever.
import { addressOf, partitionScope } from '../../actors/address.ts';
import type { GlobalNetworkRecord } from '../../actors/block/record.ts';
import { conflict, isRefusal, unreachable, type Refusal } from '../../actors/refusal.ts';
import type { BlockHolder } from './blocks-holder.ts';
import { ALL } from './blocks-home.ts';
import { isTransient, orThrow, reasonOf, type BlockPorts } from './blocks-ports.ts';

/** It asks for no more blocks, so that few can still come. */
const MOST_ROUNDS = 5;

/** Gives everything back; answers why that is not possible now. May be repeated wherever it ended. */
export function createLeaving(
  ports: BlockPorts,
  holder: Pick<BlockHolder, 'giveBack'>,
): (partition: string) => Promise<Refusal | undefined> {
  /** An address that is on its way from or to another partition: who lent it would miss it. */
  async function passing(partition: string): Promise<Refusal | undefined> {
    const scopes = [partitionScope(partition)];
    const [going] = await ports.rows.rows('ip', { scopes, standing: ['idle', 'freed', 'recalled'] });
    const wants = await ports.rows.rows('want', { scopes });
    const coming = wants.find(({ value: { lender, denied } }) => lender !== undefined && denied === null);
    const moving = going?.value ?? coming?.value;
    if (moving === undefined) return undefined;
    return conflict(
      `partition ${partition} can't be deleted while ip ${moving.address} of network ${moving.network} is on its way from or to another partition; try again`,
    );
  }

  /** What another site's home has told is kept in mind by one partition here: the next one takes it over. */
  async function handOver(partition: string, network: string, { kept }: GlobalNetworkRecord): Promise<void> {
    const next = ports.hosted().find((other) => other !== partition);
    if (kept === undefined || next === undefined) return;
    orThrow(await ports.ask(addressOf(partitionScope(next), 'block', network), 'keep', { kept }));
  }

  async function leaveNetwork(
    partition: string,
    network: string,
    copy: GlobalNetworkRecord,
  ): Promise<Refusal | undefined> {
    const at = addressOf(partitionScope(partition), 'block', network);
    const giveAllBack = async (): Promise<number> => {
      const { blocks } = orThrow(await ports.ask(at, 'recall', { count: ALL, resting: true }));
      for (const { first, h, rest } of blocks) await holder.giveBack({ network, partition, first, h, rest });
      return blocks.length;
    };
    await giveAllBack();
    await handOver(partition, network, copy);
    for (let round = 1; ; round += 1) {
      // Forgotten: it refuses while a block is left, and asks for none any more.
      const forgotten = await ports.ask(at, 'adopt', { network: null, home: copy.home });
      if (!isRefusal(forgotten) || forgotten.kind !== 'Conflict') return void orThrow(forgotten);
      // What was on its way to it before may have come since: as long as any go home, it is asked again.
      if (round < MOST_ROUNDS && (await giveAllBack()) > 0) continue;
      return conflict(`partition ${partition} can't be deleted: ${forgotten.message.replace(/^Conflict /, '')}`);
    }
  }

  return async (partition) => {
    const moving = await passing(partition);
    if (moving !== undefined) return moving;
    for (const { key: network, value } of await ports.rows.rows('global_network', {
      scopes: [partitionScope(partition)],
    })) {
      try {
        const refused = await leaveNetwork(partition, network, value);
        if (refused !== undefined) return refused;
      } catch (error) {
        if (!isTransient(error)) throw error;
        return unreachable(
          `partition ${partition} can't be deleted while its blocks of network ${network} can't be given back to its home, site ${value.home}: ${reasonOf(error)}`,
        );
      }
    }
    return undefined;
  };
}
