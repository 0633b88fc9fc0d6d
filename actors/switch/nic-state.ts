// What a port is and what an operator wants it to be (networks.md §5.3). Both functions answer the same object when
// nothing changes, so that the caller sees whether there is something to write.
import type { PortState, PortStatus } from './record.ts';

const unseen = (actual: PortStatus): PortState => ({ actual, desired: null, wanted: null, bgp: null });

/** The switch reports the port as `status`. */
export const reportPort = (stored: PortState | undefined, status: PortStatus): PortState => {
  if (!stored) return unseen(status);
  const desired = stored.desired === status ? null : stored.desired;
  return stored.actual === status && stored.desired === desired ? stored : { ...stored, actual: status, desired };
};

/** An operator wants the port to be `status`; wanting what is takes the wish back. */
export const wantPort = (stored: PortState | undefined, status: PortStatus): PortState => {
  const before = stored ?? unseen('UNKNOWN');
  const desired = before.actual === status ? null : status;
  return stored && before.desired === desired && before.wanted === status
    ? stored
    : { ...before, desired, wanted: status };
};

/**
 * What `nics[].actual` shows. metal-core up to v0.16 shuts a port that is DOWN here, so a port that merely lost its link
 * is UNKNOWN until an operator has asked for DOWN (N35); the connections show what it really is.
 */
export const shownStatus = (stored: PortState | undefined): PortStatus => {
  if (!stored) return 'UNKNOWN';
  if (stored.desired) return stored.desired;
  return stored.actual === 'DOWN' && stored.wanted !== 'DOWN' ? 'UNKNOWN' : stored.actual;
};

/** Words of the wire that are no status count as UNKNOWN: the original stores them as they are. */
export const portStatus = (reported: string): PortStatus =>
  reported === 'UP' || reported === 'DOWN' ? reported : 'UNKNOWN';
