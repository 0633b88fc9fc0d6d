/**
 * Something that must be unique over all sites (top-level prefixes, network ids, partition ids), as this site knows it:
 * its own, or promised to another site while that one creates it (design.md §12, "one word of all").
 */
export interface ClaimRecord {
  /**
   * `super`, `underlay`: a partition has at most one; never asked of other sites. `vrf`: the number of a global network
   * that another site creates, taken from the pools of this site's partitions.
   */
  what: 'prefix' | 'network' | 'partition' | 'super' | 'underlay' | 'vrf';
  /** cidr, id, id of the partition, or number. */
  value: string;
  /** Network or partition that it belongs to. */
  holder: string;
  site: string;
  /** `promised`: another site is creating it; ended only by that site's word. */
  state: 'owned' | 'promised';
  /** Operation id of the proposal. */
  h: string;
  /** Of a promised prefix: those of the same network and site that go in the moment it is made. */
  replaces?: string[];
}
