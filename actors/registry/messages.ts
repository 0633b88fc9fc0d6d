// What must be unique over all sites: top-level prefixes, network ids, partition ids. One registry actor a site.
import type { BlocksIdle, NetworkView } from '../network/messages.ts';
import type { NetworkRecord } from '../network/record.ts';
import type { ClaimRecord } from './record.ts';

export interface Claim {
  what: ClaimRecord['what'];
  value: string;
  holder: string;
  /** Of a vrf: others may have the number too (`vrfshared`). */
  shared?: boolean;
  /** Of a prefix: those of the same network that it replaces. It may overlap them, and they go when it is made. */
  replaces?: string[];
}

export interface Settled {
  h: string;
  only?: { site: string; claims: Claim[] };
}

export interface RegistryCommands {
  /**
   * Creates a top-level network (super, external, underlay, global): coordinates claims, VRF and the network itself.
   * The word of the other sites (`promise`) was got before, under the operation id `h`.
   */
  createNetwork: { ask: { network: NetworkRecord; h: string; partitions: string[] }; reply: NetworkView };
  /** Deletes a top-level network. `partitions`: the partitions this site hosts. */
  deleteNetwork: {
    ask: { id: string; partition: string; partitions: string[]; blocksIdle?: BlocksIdle };
    reply: NetworkView;
  };
  /** Another site is about to create these; refused with each collision. Durable until `settle`. `partitions`: those hosted here. */
  promise: { ask: { h: string; site: string; claims: Claim[]; partitions: string[] }; reply: Record<string, never> };
  /**
   * The proposing site's word on `h`: made (kept as that site's) or dropped. Dropped too when what was made is deleted.
   * `only`: those of one site that are named, also if they were taken over when the sites joined; with a network's id goes
   * the number of its VRF.
   */
  settle: { ask: Settled & { made: boolean; partitions: string[] }; reply: Record<string, never> };
  /**
   * All that is claimed here; `own`: only this site's. Told with a proof of ownership that is younger than the question:
   * refused as unavailable where another process may have written.
   */
  claims: { ask: { own: boolean }; reply: { claims: ClaimRecord[] } };
  /** Claims of a joining site, taken over from its inventory; refused with each collision. */
  adopt: { ask: { site: string; claims: Claim[] }; reply: Record<string, never> };
}

export interface RegistryReservations {
  /**
   * Own claims; refused with the overlap, new first (networks.md §1.3 #13). `promisedTo`: another site's, kept as
   * promised.
   */
  claim: { ask: { claims: Claim[]; h: string; promisedTo?: string }; reply: Record<string, never> };
  /** Never refused for what is gone already. */
  release: { ask: { claims: Claim[] }; reply: Record<string, never> };
  /** Ends promises, whatever site they were made to. */
  dropPromise: { ask: Settled; reply: Record<string, never> };
}
