// What must hold, by the names of reliability.md §4. Those that the simulation can see are looked at in checks.ts, memory.ts,
// last-look.ts and by the clients.

export const INVARIANTS = {
  I01: 'an address of a network has at most one holder, over all sites, at every moment',
  I02: 'no address that is not free belongs to nobody',
  I03: 'blocks of a global prefix are disjoint and cover it, and an address is handed out by the holder of its block only',
  I04: 'a machine has at most one allocation, and an allocation one machine',
  I05: 'VRFs and ASNs are unique in their scope, prefixes disjoint, a port belongs to one machine',
  I06: 'what was acknowledged is readable until a later write replaces it; what an actor remembers is what its rows say',
  I07: 'no row changes on behalf of an epoch that is over',
  I08: 'what is handed from one site to another exists exactly once',
  I10: 'an operation has one outcome and is applied at most once',
  I12: 'an entity is written at its home only',
  I13: 'conflicting names converge to the same winner everywhere',
  I14: 'entries of a log are told in order, none twice, none skipped',
  I15: 'what fails harms its own request, actor or shard only, and no client gets an answer that nobody should get',
  I16: 'every wait has an end',
  I17: 'the log says every mutation exactly once',
  I19: 'nobody gets what they have no right to',
  I20: 'after the last fault everything becomes quiet, and all copies equal',
  test: 'the simulation does what it is meant to',
} as const;

export type Invariant = keyof typeof INVARIANTS;
