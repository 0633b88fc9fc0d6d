// How the things are called that clients take, read and give back.

export const GLOBAL_NETWORK = 'internet';
export const externalNetwork = (site: string): string => `ext-${site}`;
export const privateNetwork = (site: string): string => `private-${site}`;

// Keys of the history: one thing, one key.
/** The families apart: an operation takes one thing of a kind, and a machine an address of each family. */
export const addressKey = (network: string, address: string): string =>
  `${network}${address.includes(':') ? '/6' : ''} ${address}`;
export const machineKey = (id: string): string => `machine ${id}`;
