import { plainEntity } from './entity.ts';

export const machine = plainEntity('machine');
export const provisioning = plainEntity('provisioning');
