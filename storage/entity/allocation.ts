import { text, type Entity } from './entity.ts';

export const allocation: Entity<'allocation'> = {
  table: 'allocation',
  columns: [text('project')],
  values: (value) => [value.project],
};
