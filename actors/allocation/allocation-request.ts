import { invalid, isRefusal, unprocessable, type Refusal } from '../refusal.ts';
import { formatAddress, parseAddress } from '../ipam/address.ts';
import { byText } from '../directory/entity.ts';
import { parseDnsServers, parseNtpServers, type DnsServer, type NtpServer } from '../directory/partition.ts';
import { parseFirewallRules, type AskedFirewallRule, type FirewallRules } from './firewall-rules.ts';
import { parseSshPublicKey } from './ssh-key.ts';

export type { DnsServer, NtpServer } from '../directory/partition.ts';
export type { FirewallRules } from './firewall-rules.ts';

/** An allocation as asked for on the wire (machines.md §8.1). `''` and empty lists: not given. */
export interface AskedAllocation {
  role: 'machine' | 'firewall';
  /** E-mail of the caller. */
  creator: string;
  uuid: string;
  name: string;
  description: string;
  hostname: string;
  project: string;
  partition: string;
  size: string;
  image: string;
  filesystemLayout: string;
  sshPubKeys: string[];
  userData: string;
  tags: string[];
  networks: { id: string; autoacquire?: boolean | undefined }[];
  ips: string[];
  placementTags: string[];
  dnsServers: DnsServer[];
  ntpServers: NtpServer[];
  firewallRules: { egress: AskedFirewallRule[]; ingress: AskedFirewallRule[] } | null;
}

/** The validated command; whether what it names exists is not known yet. */
export interface AllocationRequest {
  role: 'machine' | 'firewall';
  /** E-mail of the caller. */
  creator: string;
  /** Exactly this machine; null: any of the size in the partition. */
  machine: string | null;
  name: string;
  description: string;
  hostname: string;
  project: string;
  /** `''` with `machine`: the machine's own. */
  partition: string;
  size: string;
  /** As asked for, possibly short. */
  image: string;
  /** `''`: the first that matches. */
  filesystemLayout: string;
  sshPubKeys: string[];
  userData: string;
  tags: string[];
  networks: { id: string; autoacquire: boolean }[];
  /** Canonical, without duplicates. */
  ips: string[];
  placementTags: string[];
  /** Empty: the partition's. */
  dnsServers: DnsServer[];
  ntpServers: NtpServer[];
  firewallRules: FirewallRules | null;
}

const DEFAULT_HOSTNAME = 'metal';

/**
 * The checks of machines.md §8.2 whose failure is a 400 (Invalid): networks, firewall rules, partition and size, DNS and
 * NTP. What it answers is normalised as far as these go; `checkRules` completes it.
 */
const parseForm = (asked: AskedAllocation): AllocationRequest | Refusal => {
  if (asked.networks.length === 0) return invalid('network ids cannot be empty, at least one network is needed');
  const firewallRules = asked.role === 'firewall' ? parseFirewallRules(asked.firewallRules) : null;
  if (isRefusal(firewallRules)) return firewallRules;
  const byUuid = asked.uuid !== '';
  if (!byUuid && asked.partition === '') {
    return invalid('when no machine id is given, a partition id must be specified');
  }
  if (!byUuid && asked.size === '') return invalid('when no machine id is given, a size id must be specified');
  const dnsServers = parseDnsServers(asked.dnsServers);
  if (isRefusal(dnsServers)) return dnsServers;
  const ntpServers = parseNtpServers(asked.ntpServers);
  if (isRefusal(ntpServers)) return ntpServers;
  const { role, creator, name, description, project, image, filesystemLayout, sshPubKeys, userData, tags, ips } = asked;
  return {
    role,
    creator,
    machine: byUuid ? asked.uuid : null,
    name,
    description,
    hostname: asked.hostname || DEFAULT_HOSTNAME,
    project,
    partition: byUuid ? '' : asked.partition,
    size: byUuid ? '' : asked.size,
    image,
    filesystemLayout,
    sshPubKeys,
    userData,
    tags,
    networks: asked.networks.map(({ id, autoacquire }) => ({ id, autoacquire: autoacquire ?? true })),
    ips,
    placementTags: asked.placementTags,
    dnsServers,
    ntpServers,
    firewallRules,
  };
};

/** The rules whose failure is a 422 (Unprocessable): project, creator, IP syntax, SSH keys, enough IPs. */
const checkRules = (form: AllocationRequest): AllocationRequest | Refusal => {
  if (form.project === '') return unprocessable('project id must be specified');
  if (form.creator === '') return unprocessable('creator should be specified, the e-mail of the caller is empty');
  const ips = new Set<string>();
  for (const text of form.ips) {
    const address = parseAddress(text);
    if (!address) return unprocessable(`ip:"${text}" is not valid, expected an IP address`);
    ips.add(formatAddress(address));
  }
  const sshPubKeys: string[] = [];
  for (const text of form.sshPubKeys) {
    const key = parseSshPublicKey(text);
    if (isRefusal(key)) return key;
    sshPubKeys.push(key);
  }
  const withoutAuto = form.networks.filter((network) => !network.autoacquire).length;
  if (form.role === 'firewall' && ips.size === 0 && withoutAuto === form.networks.length) {
    return unprocessable('when no ip is given at least one auto acquire network must be specified');
  }
  if (withoutAuto > ips.size) {
    return unprocessable(
      `missing ip(s) for network(s) without automatic ip allocation: ${withoutAuto} networks, ${ips.size} ips`,
    );
  }
  return { ...form, ips: [...ips], sshPubKeys };
};

/** All checks that need nothing but the request (machines.md §8.2: 1, 3, 5, 7, then 9, 10, 11). */
export const parseAllocationRequest = (asked: AskedAllocation): AllocationRequest | Refusal => {
  const form = parseForm(asked);
  return isRefusal(form) ? form : checkRules(form);
};

export const ASN_LABEL = 'machine.metal-stack.io/network.primary.asn';
export const RACK_LABEL = 'machine.metal-stack.io/rack';
export const CHASSIS_LABEL = 'machine.metal-stack.io/chassis';

/**
 * Tags of an allocated machine, sorted (machines.md §8.7): the user's, of equal keys the last, with the labels of the
 * system over them. `asn` 0 and empty texts: no such label.
 */
export const machineTags = (
  userTags: readonly string[],
  system: { asn: number; rack: string; chassisPartSerial: string },
): string[] => {
  const bare = new Set<string>();
  const labels = new Map<string, string>();
  for (const tag of userTags) {
    const split = tag.indexOf('=');
    if (split < 0) bare.add(tag);
    else labels.set(tag.slice(0, split), tag.slice(split + 1));
  }
  if (system.asn !== 0) labels.set(ASN_LABEL, String(system.asn));
  if (system.rack !== '') labels.set(RACK_LABEL, system.rack);
  if (system.chassisPartSerial !== '') labels.set(CHASSIS_LABEL, system.chassisPartSerial);
  return [...bare, ...[...labels].map(([key, value]) => `${key}=${value}`)].sort(byText);
};
