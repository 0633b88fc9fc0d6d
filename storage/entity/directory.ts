import { plainEntity } from './entity.ts';

export const directory = plainEntity('directory');
