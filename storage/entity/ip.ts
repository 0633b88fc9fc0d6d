import { addressColumn } from './bytes.ts';
import { bytea, text, type Entity } from './entity.ts';

export const ip: Entity<'ip'> = {
  table: 'ip',
  columns: [text('network'), bytea('address'), text('project')],
  values: (value) => [value.network, addressColumn('ip.address', value.address), value.project],
};
