import { isInUseHere, standingOf } from '../../actors/network/standing.ts';
import { addressColumn } from './bytes.ts';
import { bytea, text, type Entity } from './entity.ts';

/** The row that shows an address to the world has its network and project; one that is away or rests has neither. */
export const ip: Entity<'ip'> = {
  table: 'ip',
  columns: [text('network'), bytea('address'), text('project'), text('standing')],
  values: (value) => [
    isInUseHere(value) ? value.network : null,
    addressColumn('ip.address', value.address),
    isInUseHere(value) ? value.project : null,
    standingOf(value),
  ],
};
