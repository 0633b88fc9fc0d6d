import { formatAddress, parseAddress } from '../ipam/address.ts';

/** IPMI over LAN (machines.md §19.6). */
const DEFAULT_PORT = '623';

/** Port of a stored `host:port`, an IPv6 host in brackets; the default where it has none. */
const portOf = (stored: string): string => {
  const afterHost = stored.slice(stored.lastIndexOf(']') + 1);
  const colons = afterHost.split(':').length - 1;
  return colons === 1 ? afterHost.slice(afterHost.indexOf(':') + 1) || DEFAULT_PORT : DEFAULT_PORT;
};

/** `host:port` with the reported host and the port that was stored; '' and unreadable hosts keep what is stored (W47). */
export const bmcAddress = (stored: string, host: string): string => {
  const bare = host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host;
  const address = parseAddress(bare);
  if (!address) return stored;
  const text = formatAddress(address);
  return `${address.family === 'IPv6' ? `[${text}]` : text}:${portOf(stored)}`;
};
