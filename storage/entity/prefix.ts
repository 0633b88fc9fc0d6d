import { rangeColumns } from './bytes.ts';
import { bytea, text, type Entity } from './entity.ts';

export const prefix: Entity<'prefix'> = {
  table: 'prefix',
  columns: [text('root'), bytea('first'), bytea('last')],
  values: (value) => [value.root, ...rangeColumns('prefix.cidr', value.cidr)],
};
