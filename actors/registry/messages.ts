// What must be unique over all sites: top-level prefixes, network ids, partition ids. One registry actor a site.
import type { NetworkView } from '../network/messages.ts';
import type { NetworkRecord } from '../network/record.ts';
import type { ClaimRecord } from './record.ts';

export interface Claim {
  what: ClaimRecord['what'];
  value: string;
  holder: string;
}

export interface RegistryCommands {
  /**
   * Creates a top-level network (super, external, underlay, global): coordinates claims, VRF and the network itself.
   * The word of the other sites (`promise`) was got before, under the operation id `h`.
   */
  createNetwork: { ask: { network: NetworkRecord; h: string; partitions: string[] }; reply: NetworkView };
  /** Deletes a top-level network. `partitions`: the partitions this site hosts. */
  deleteNetwork: { ask: { id: string; partition: string; partitions: string[] }; reply: NetworkView };
  /** Another site is about to create these; refused with each collision. Durable until `settle`. */
  promise: { ask: { h: string; site: string; claims: Claim[] }; reply: Record<string, never> };
  /** The proposing site's word on `h`: made (kept as that site's) or dropped. */
  settle: { ask: { h: string; made: boolean }; reply: Record<string, never> };
  /** All that is claimed here; `own`: only this site's. */
  claims: { ask: { own: boolean }; reply: { claims: ClaimRecord[] } };
  /** Claims of a joining site, taken over from its inventory; refused with each collision. */
  adopt: { ask: { site: string; claims: Claim[] }; reply: Record<string, never> };
}

export interface RegistryReservations {
  /** Own claims; refused with the overlap, new first (networks.md §1.3 #13). */
  claim: { ask: { claims: Claim[]; h: string }; reply: Record<string, never> };
  release: { ask: { claims: Claim[] }; reply: Record<string, never> };
}
