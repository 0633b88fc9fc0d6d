import { plainEntity } from './entity.ts';

export const switchConfiguration = plainEntity('switch');
export const switchStatus = plainEntity('switch_status');
export const switchPort = plainEntity('switch_port');
