// Cases that a batch of runs has to have met (reliability.md §6.3): one that met none of one of them did not try hard enough.
// Each is seen on the production parts through the ports that the simulation gives them, and named where it is seen.

export const SOMETIMES = [
  'ambiguous commit',
  'ambiguous commit resolved: committed',
  'ambiguous commit resolved: abandoned',
  'stale epoch refused at commit',
  'group refused by a rule',
  'group split, neighbours written',
  'fenced',
  'exhausted',
  'exhausted during a cut',
  'space out of reach during a cut',
  'request replayed after a lost answer',
  'request replayed after a failover',
  'request answered after its own time',
  'missed entries heard',
  'statement of a dead thread',
  'takeover by a standby',
  'takeover during a takeover',
  'reservation dropped under a running commit',
  'block taken back',
  'block moved while its link flapped',
  'hand-over delivered twice',
  'copy caught up by a digest',
  'stale part of a list',
  'mailbox full',
  'message quarantined',
  'name conflict',
  'restored and compared',
] as const;

export type Point = (typeof SOMETIMES)[number];

/** What reliability.md §6.3 names besides, and why the design has no such case; what stands in its place is met above. */
export const NOT_BUILT: Readonly<Record<string, string>> = {
  'reservation expired under a running commit':
    'a reservation has no clock of its own: it ends with the commit that it was for, or when the shard that coordinates it ' +
    'has a new epoch (actors/runtime/shard/reservations.ts); the latter can come under a running commit, and is met as ' +
    '"reservation dropped under a running commit"',
  'snapshot instead of the log':
    'no site follows the log of another one, so none can be cut off behind its cursor: a copy that was away is compared by ' +
    'digest and brought what it lacks (router/federation/federation.ts), met as "copy caught up by a digest"; the site\'s own ' +
    'log is kept for 14 days, and never beyond a cursor (scripts/site/upkeep.ts)',
};
