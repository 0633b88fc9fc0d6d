import { z } from 'zod';
import { formatAddress, parseFamily, type Family } from '../../../actors/ipam/address.ts';
import { firstAddress, parsePrefix, type Prefix } from '../../../actors/ipam/prefix.ts';
import type { Usage } from '../../../actors/ipam/usage.ts';
import { isRefusal, unprocessable, type Refusal } from '../../../actors/refusal.ts';
import type { NetworkPatch, NetworkView } from '../../../actors/network/messages.ts';
import {
  checkCidrs,
  HIGHEST_VRF,
  parseChildLengths,
  type NetworkCreateRequest,
} from '../../../actors/network/network-rules.ts';
import type { NetworkRecord } from '../../../actors/network/record.ts';
import { absentFamily } from '../../../actors/network/update-rules.ts';
import { addressFamily, flag, given, labels, listed, text, texts, timesOf } from './fields.ts';

/**
 * Of each list of one network. Each prefix is claimed at every site, in one message and one commit, for which others wait
 * some tens of milliseconds.
 */
export const MOST_CIDRS = 500;
const cidrs = z
  .array(z.string())
  .max(MOST_CIDRS, {
    error: ({ input }) => `${(input as unknown[]).length} are given, at most ${MOST_CIDRS} are taken`,
  })
  .optional();

const bits = (most: number) => ({ type: 'integer' as const, minimum: 0, maximum: most });
/** Bits by family, keys in any case. The rules say which are right, each operation in its words; here it is only described. */
const lengths = z
  .record(z.string(), z.number().meta(bits(128)))
  .meta({
    description: 'Bits by address family; upper and lower case are the same.',
    properties: { IPv4: bits(32), IPv6: bits(128) },
    examples: [{ IPv4: 24 }],
  })
  .optional();

export const networkCreateBody = z.object({
  id: text,
  name: text,
  description: text,
  partitionid: text,
  projectid: text,
  labels,
  prefixes: cidrs,
  destinationprefixes: cidrs,
  defaultchildprefixlength: lengths,
  nat: flag,
  privatesuper: flag,
  underlay: flag,
  vrf: z.int().meta({ minimum: 0, maximum: HIGHEST_VRF, description: '0 or absent: none.' }).optional(),
  vrfshared: flag,
  additionalAnnouncableCIDRs: cidrs,
});

export const networkUpdateBody = z.object({
  id: text,
  name: text,
  description: text,
  labels,
  shared: flag,
  prefixes: cidrs,
  destinationprefixes: cidrs,
  defaultchildprefixlength: lengths,
  additionalAnnouncableCIDRs: cidrs,
});

export const networkAllocateBody = z.object({
  name: text,
  description: text,
  labels,
  projectid: text,
  partitionid: text,
  shared: flag,
  nat: flag,
  destinationprefixes: cidrs,
  length: lengths,
  addressfamily: addressFamily,
});

export const networkFindBody = z.object({
  id: text,
  name: text,
  partitionid: text,
  projectid: text,
  parentnetworkid: text,
  labels,
  prefixes: texts,
  destinationprefixes: texts,
  addressfamily: addressFamily,
  vrf: z.int().optional(),
  nat: flag,
  privatesuper: flag,
  underlay: flag,
});

export const networkCreate = (body: z.infer<typeof networkCreateBody>): NetworkCreateRequest => ({
  name: body.name ?? '',
  description: body.description ?? '',
  partition: body.partitionid ?? '',
  project: body.projectid ?? '',
  labels: body.labels ?? {},
  prefixes: body.prefixes ?? [],
  destinationPrefixes: body.destinationprefixes ?? [],
  defaultChildPrefixLength: body.defaultchildprefixlength ?? null,
  nat: body.nat ?? false,
  privateSuper: body.privatesuper ?? false,
  underlay: body.underlay ?? false,
  vrf: body.vrf ?? 0,
  vrfShared: body.vrfshared ?? false,
  additionalAnnouncableCidrs: body.additionalAnnouncableCIDRs ?? [],
});

export const networkPatch = (
  body: z.infer<typeof networkUpdateBody>,
  by: Pick<NetworkPatch, 'force' | 'site' | 'h' | 'blocksIdle'>,
): NetworkPatch | Refusal => {
  const defaultChildPrefixLength =
    body.defaultchildprefixlength &&
    parseChildLengths('defaultchildprefixlength', body.defaultchildprefixlength, absentFamily);
  if (isRefusal(defaultChildPrefixLength)) return defaultChildPrefixLength;
  return {
    ...given({
      name: body.name,
      description: body.description,
      labels: body.labels,
      shared: body.shared,
      prefixes: body.prefixes,
      destinationPrefixes: body.destinationprefixes,
      defaultChildPrefixLength,
    }),
    additionalAnnouncableCidrs: body.additionalAnnouncableCIDRs ?? [],
    ...by,
  };
};

const number = z.int().min(0);
const usage = z
  .object({
    available_ips: number.describe('All addresses, reserved ones included.'),
    used_ips: number.describe('In use, and the reserved ones.'),
    available_prefixes: number.describe('/30 or /126 blocks that no child touches.'),
    used_prefixes: number.describe('Child prefixes.'),
  })
  .describe('Sums over prefixes, of each at most 2147483647 (2147483648 addresses of one with 31 host bits).');

/** What every operation on a network answers. */
export const networkAnswer = z.object({
  id: z.string(),
  name: z.string(),
  description: z.string(),
  partitionid: z.string().describe('Empty: the network is global.'),
  projectid: z.string(),
  labels: z.record(z.string(), z.string()),
  shared: z.boolean(),
  prefixes: z.array(z.string()),
  destinationprefixes: z.array(z.string()),
  defaultchildprefixlength: z
    .object({ IPv4: z.int().min(0).max(32).optional(), IPv6: z.int().min(0).max(128).optional() })
    .nullable()
    .describe('Of a super network: bits of the prefixes of its children.'),
  nat: z.boolean(),
  privatesuper: z.boolean(),
  underlay: z.boolean(),
  vrf: z.int().min(0).max(HIGHEST_VRF).describe('0: none.'),
  vrfshared: z.null(),
  parentnetworkid: z.string().nullable().describe('The super network that it was allocated from.'),
  additionalAnnouncableCIDRs: z.array(z.string()).optional().describe('Absent: none.'),
  networktype: z.enum(['external', 'underlay', 'super', 'child', 'child-shared']),
  nattype: z.enum(['none', 'ipv4-masq']),
  consumption: z
    .object({ ipv4: usage.nullable(), ipv6: usage.nullable() })
    .describe('null: the network has no prefix of the family, or nobody can say.'),
  usage: usage.describe('That of IPv4, for older clients.'),
  created: z.iso.datetime(),
  changed: z.iso.datetime(),
});
/** Of a list without a filter: null when there is none. */
export const networksAnswer = z.array(networkAnswer).nullable();
export const foundNetworksAnswer = z.array(networkAnswer);

const noUsage = (): Usage => ({ available_ips: 0, used_ips: 0, available_prefixes: 0, used_prefixes: 0 });

/** `usage` is the copy of the IPv4 numbers that older clients read. */
export const networkResponse = ({ network, usage }: NetworkView): z.input<typeof networkAnswer> => ({
  id: network.id,
  name: network.name,
  description: network.description,
  partitionid: network.partition,
  projectid: network.project,
  labels: network.labels,
  shared: network.shared,
  prefixes: network.prefixes,
  destinationprefixes: network.destinationPrefixes,
  defaultchildprefixlength: network.defaultChildPrefixLength,
  nat: network.nat,
  privatesuper: network.privateSuper,
  underlay: network.underlay,
  vrf: network.vrf,
  vrfshared: null,
  parentnetworkid: network.parent,
  additionalAnnouncableCIDRs: listed(network.additionalAnnouncableCidrs),
  networktype: network.type,
  nattype: network.natType,
  consumption: { ipv4: usage.IPv4, ipv6: usage.IPv6 },
  usage: usage.IPv4 ?? noUsage(),
  ...timesOf(network),
});

/** A find: which networks it means. */
export interface NetworkQuery {
  matches(network: NetworkRecord): boolean;
}

/** metal-api stores address and length of a prefix apart, and compares them so (networks.md §7.3). */
const partsOf = (cidr: string): { ip: string; length: number } | undefined => {
  const prefix: Prefix | undefined = parsePrefix(cidr);
  if (prefix === undefined) return undefined;
  const slash = cidr.indexOf('/');
  return { ip: slash < 0 ? formatAddress(firstAddress(prefix)) : cidr.slice(0, slash), length: prefix.length };
};

const hasPrefix = (cidr: string) => {
  const wanted = partsOf(cidr);
  return (stored: readonly string[]): boolean => {
    const parts = stored.map(partsOf);
    return parts.some((part) => part?.ip === wanted?.ip) && parts.some((part) => part?.length === wanted?.length);
  };
};

/** Texts and flags that are given must be equal, `''` and false included. */
export function networkQuery(body: z.infer<typeof networkFindBody>): NetworkQuery | Refusal {
  const { prefixes = [], destinationprefixes = [], labels: wantedLabels = {} } = body;
  const malformed = checkCidrs('prefixes', prefixes) ?? checkCidrs('destinationprefixes', destinationprefixes);
  if (malformed !== undefined) return malformed;
  let family: Family | undefined;
  if (body.addressfamily !== undefined && body.addressfamily !== '') {
    family = parseFamily(body.addressfamily);
    if (family === undefined) {
      return unprocessable(`given addressfamily:"${body.addressfamily}" is invalid, expected IPv4 or IPv6`);
    }
  }
  const prefixTests = prefixes.map(hasPrefix);
  const destinationTests = destinationprefixes.map(hasPrefix);
  const equal = (asked: unknown, stored: unknown): boolean => asked === undefined || asked === stored;
  return {
    matches: (network) =>
      equal(body.id, network.id) &&
      equal(body.name, network.name) &&
      equal(body.partitionid, network.partition) &&
      equal(body.projectid, network.project) &&
      equal(body.parentnetworkid, network.parent ?? '') &&
      equal(body.vrf, network.vrf) &&
      equal(body.nat, network.nat) &&
      equal(body.privatesuper, network.privateSuper) &&
      equal(body.underlay, network.underlay) &&
      Object.entries(wantedLabels).every(([key, value]) => network.labels[key] === value) &&
      prefixTests.every((test) => test(network.prefixes)) &&
      destinationTests.every((test) => test(network.destinationPrefixes)) &&
      (family === undefined || network.prefixes.some((cidr) => cidr.includes(family === 'IPv4' ? '.' : ':'))),
  };
}
