// How the things are called that clients take, read and give back.

export const GLOBAL_NETWORK = 'internet';
export const externalNetwork = (site: string): string => `ext-${site}`;
export const privateNetwork = (site: string): string => `private-${site}`;

// Keys of the history: one thing, one key.
export const addressKey = (network: string, address: string): string => `${network} ${address}`;
export const machineKey = (id: string): string => `machine ${id}`;
