import { alreadyExists, invalid, isRefusal, unprocessable, type Refusal } from '../refusal.ts';
import { formatAddress, parseAddress } from '../ipam/address.ts';
import { touched, type Entity, type EntityUpdate } from './entity.ts';

export interface DnsServer {
  ip: string;
}

export interface NtpServer {
  /** IP address or DNS name. */
  address: string;
}

export interface BootConfig {
  /** The RAM disk that free machines boot. */
  imageUrl: string;
  kernelUrl: string;
  commandLine: string;
}

/** A plant's part of the fabric: one or more racks that share switches, networks and a control plane. */
export interface Partition extends Entity {
  bootConfig: BootConfig;
  mgmtServiceAddress: string;
  labels: Record<string, string>;
  dnsServers: DnsServer[];
  ntpServers: NtpServer[];
}

export interface PartitionCreate {
  id: string;
  name: string;
  description: string;
  bootConfig: BootConfig;
  mgmtServiceAddress: string;
  labels: Record<string, string>;
  dnsServers: DnsServer[];
  ntpServers: NtpServer[];
}

/** Absent parts, also of the boot configuration, keep what is stored (W40: no crash without one). */
export interface PartitionUpdate extends EntityUpdate {
  bootConfig?: { [K in keyof BootConfig]?: string | undefined } | undefined;
  mgmtServiceAddress?: string | undefined;
  labels?: Record<string, string> | undefined;
  dnsServers?: DnsServer[] | undefined;
  ntpServers?: NtpServer[] | undefined;
}

const MOST_DNS_SERVERS = 3;
const MOST_NTP_SERVERS = 5;

// The topic `<id>-machine` has to be a topic name of NSQ: these characters, at most 64.
const PARTITION_ID = /^[.a-zA-Z0-9_-]{1,56}$/;
// RFC 1123 §2.1, and underscores, which internal zones do use.
const DNS_LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/i;

const isDnsName = (text: string): boolean => {
  const labels = text.replace(/\.$/, '').split('.');
  // All digits at the end means somebody meant an IPv4 address (RFC 3696 §2).
  return text.length <= 253 && labels.every((label) => DNS_LABEL.test(label)) && !/^\d+$/.test(labels.at(-1)!);
};

/** At most three, each an IP address, in canonical form; Invalid. */
export const parseDnsServers = (servers: readonly DnsServer[]): DnsServer[] | Refusal => {
  if (servers.length > MOST_DNS_SERVERS) {
    return invalid(`please specify a maximum of three dns servers, there are ${servers.length}`);
  }
  const parsed: DnsServer[] = [];
  for (const { ip } of servers) {
    const address = parseAddress(ip);
    if (!address) return invalid(`ip: ${ip} for dns server not correct, expected an IP address`);
    parsed.push({ ip: formatAddress(address) });
  }
  return parsed;
};

/** At most five, each an IP address or DNS name; Invalid. */
export const parseNtpServers = (servers: readonly NtpServer[]): NtpServer[] | Refusal => {
  if (servers.length > MOST_NTP_SERVERS) {
    return invalid(`please specify a maximum of five ntp servers, there are ${servers.length}`);
  }
  const wrong = servers.find(({ address }) => !parseAddress(address) && !isDnsName(address));
  if (wrong)
    return invalid(`dns name: ${wrong.address} for ntp server not correct, expected an IP address or DNS name`);
  return servers.map(({ address }) => ({ address }));
};

const withServers = (partition: Partition): Partition | Refusal => {
  const { imageUrl, kernelUrl } = partition.bootConfig;
  if (imageUrl === '') return invalid('bootconfig.imageurl should not be empty');
  if (kernelUrl === '') return invalid('bootconfig.kernelurl should not be empty');
  const dnsServers = parseDnsServers(partition.dnsServers);
  if (isRefusal(dnsServers)) return dnsServers;
  const ntpServers = parseNtpServers(partition.ntpServers);
  if (isRefusal(ntpServers)) return ntpServers;
  return { ...partition, dnsServers, ntpServers };
};

/** That the two boot URLs answer is the caller's to find out (machines.md §14.1). All Invalid but a known id. */
export const createPartition = (asked: PartitionCreate, exists: boolean, nowMs: number): Partition | Refusal => {
  if (asked.id === '') return invalid('id should not be empty');
  if (!PARTITION_ID.test(asked.id)) {
    return invalid(`id:"${asked.id}" is not valid, expected 1 to 56 of the characters a-z A-Z 0-9 . _ -`);
  }
  const partition = withServers({ ...asked, created: nowMs, changed: nowMs });
  if (isRefusal(partition)) return partition;
  return exists ? alreadyExists() : partition;
};

export const updatePartition = (stored: Partition, asked: PartitionUpdate, nowMs: number): Partition | Refusal => {
  const { bootConfig = {} } = asked;
  return withServers({
    ...touched(stored, asked, nowMs),
    bootConfig: {
      imageUrl: bootConfig.imageUrl ?? stored.bootConfig.imageUrl,
      kernelUrl: bootConfig.kernelUrl ?? stored.bootConfig.kernelUrl,
      commandLine: bootConfig.commandLine ?? stored.bootConfig.commandLine,
    },
    mgmtServiceAddress: asked.mgmtServiceAddress ?? stored.mgmtServiceAddress,
    labels: asked.labels ?? stored.labels,
    dnsServers: asked.dnsServers ?? stored.dnsServers,
    ntpServers: asked.ntpServers ?? stored.ntpServers,
  });
};

/** A partition that anything refers to stays (W41): Unprocessable. */
export interface PartitionUses {
  machines: number;
  switches: number;
  networks: number;
  /** Addresses of global networks that are in use in it, or that it has lent. */
  ips: number;
  reservations: number;
}

export const refusePartitionDelete = (id: string, uses: PartitionUses): Refusal | undefined => {
  const used = Object.entries(uses).find(([, count]) => count > 0);
  return used && unprocessable(`partition "${id}" cannot be deleted, there are still ${used[1]} ${used[0]} in it`);
};
