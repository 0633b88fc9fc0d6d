// An address that has a row, and is nevertheless not simply in use here.
import type { IpRecord } from './record.ts';

/**
 * `lent`: in use in another partition. `borrowed`: in use here, of another partition's block. `idle`: borrowed, and not
 * given out yet. `freed`, `recalled`: was borrowed, and goes back. `resting`: released, and kept back for the quarantine of its network.
 */
export type Standing = 'lent' | 'borrowed' | 'idle' | 'freed' | 'recalled' | 'resting';

/** null: in use here, and of here. */
export function standingOf({ loan, restingUntilMs }: Pick<IpRecord, 'loan' | 'restingUntilMs'>): Standing | null {
  if (loan === undefined) return restingUntilMs === undefined ? null : 'resting';
  if (loan.as === 'lent') return 'lent';
  return loan.state === 'held' ? 'borrowed' : loan.state;
}

/** Whether the row is the one that shows the address to the world. */
export function isInUseHere(ip: Pick<IpRecord, 'loan' | 'restingUntilMs'>): boolean {
  const standing = standingOf(ip);
  return standing === null || standing === 'borrowed';
}

/** As the address would stand without loan or rest. */
export function settled(ip: IpRecord): IpRecord {
  const plain = { ...ip };
  delete plain.loan;
  delete plain.restingUntilMs;
  return plain;
}
