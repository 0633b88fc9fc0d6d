import { addressColumn } from './bytes.ts';
import { bytea, plainEntity, text, type Entity } from './entity.ts';

export const globalNetwork = plainEntity('global_network');
export const want = plainEntity('want');

export const block: Entity<'block'> = {
  table: 'block',
  columns: [text('network'), bytea('first')],
  values: (value) => [value.network, addressColumn('block.first', value.first)],
};

export const holding: Entity<'holding'> = {
  table: 'holding',
  columns: [text('network'), bytea('first'), text('state')],
  values: (value) => [value.network, addressColumn('holding.first', value.first), value.state],
};
