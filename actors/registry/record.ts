/**
 * Something that must be unique over all sites (top-level prefixes, network ids, partition ids), as this site knows it:
 * its own, or promised to another site while that one creates it (design.md §12, "one word of all").
 */
export interface ClaimRecord {
  what: 'prefix' | 'network' | 'partition';
  /** cidr or id. */
  value: string;
  /** Network or partition that it belongs to. */
  holder: string;
  site: string;
  /** `promised`: another site is creating it; ended only by that site's word. */
  state: 'owned' | 'promised';
  /** Operation id of the proposal. */
  h: string;
}
