import { text, type Entity } from './entity.ts';

export const network: Entity<'network'> = {
  table: 'network',
  columns: [text('project')],
  values: (value) => [value.project],
};
