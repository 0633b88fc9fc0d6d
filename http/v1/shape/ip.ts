import { z } from 'zod';
import { parseFamily, type Family } from '../../../actors/ipam/address.ts';
import type { RowFilter } from '../../../actors/ports.ts';
import { unprocessable, type Refusal } from '../../../actors/refusal.ts';
import { canonicalAddress, ipFamily } from '../../../actors/network/ip-rules.ts';
import type { IpPatch, IpRequest } from '../../../actors/network/messages.ts';
import type { IpRecord } from '../../../actors/network/record.ts';
import { machineTag, renderTags } from '../../../actors/network/tags.ts';
import { addressFamily, given, text, texts, timesOf } from './fields.ts';

export const ipAllocateBody = z.object({
  networkid: text,
  projectid: text,
  type: text,
  name: text,
  description: text,
  tags: texts,
  machineid: text,
  addressfamily: addressFamily,
});

export const ipUpdateBody = z.object({ ipaddress: text, name: text, description: text, type: text, tags: texts });

export const ipFindBody = z.object({
  ipaddress: text,
  allocationuuid: text,
  name: text,
  projectid: text,
  networkid: text,
  networkprefix: text,
  type: text,
  machineid: text,
  addressfamily: addressFamily,
  tags: texts,
});
type FindBody = z.infer<typeof ipFindBody>;

/** `address` '': any. Anything but `static` is ephemeral. */
export const ipRequest = (
  body: z.infer<typeof ipAllocateBody>,
  address: string,
  family: Family | undefined,
): IpRequest => ({
  ...given({
    address: address === '' ? undefined : canonicalAddress(address),
    family,
    machine: body.machineid || undefined,
  }),
  project: body.projectid ?? '',
  name: body.name ?? '',
  description: body.description ?? '',
  type: body.type === 'static' ? 'static' : 'ephemeral',
  tags: body.tags ?? [],
});

export const ipPatch = (body: z.infer<typeof ipUpdateBody>, address: string): IpPatch => ({
  address,
  ...given({
    name: body.name,
    description: body.description,
    type: body.type === 'static' || body.type === 'ephemeral' ? body.type : undefined,
    tags: body.tags,
  }),
});

export const ipResponse = (ip: IpRecord) => ({
  ipaddress: ip.address,
  allocationuuid: ip.uuid,
  name: ip.name,
  description: ip.description,
  networkid: ip.network,
  projectid: ip.project,
  type: ip.type,
  tags: renderTags(ip),
  ...timesOf(ip),
});

/** What of a find the database can answer. */
export const ipRowFilter = (body: FindBody): RowFilter =>
  given({
    owners: body.networkid === undefined ? undefined : [body.networkid],
    project: body.projectid,
    addresses: body.ipaddress === undefined ? undefined : [canonicalAddress(body.ipaddress)],
  });

/** All that is given must hold (networks.md §7.3). */
export function ipQuery(body: FindBody): { matches(ip: IpRecord): boolean } | Refusal {
  const family = body.addressfamily ? parseFamily(body.addressfamily) : undefined;
  if (body.addressfamily && family === undefined) {
    return unprocessable(`given addressfamily:"${body.addressfamily}" is invalid, expected IPv4 or IPv6`);
  }
  const tags = [...(body.tags ?? []), ...(body.machineid === undefined ? [] : [machineTag(body.machineid)])];
  const address = body.ipaddress === undefined ? undefined : canonicalAddress(body.ipaddress);
  const equal = (asked: string | undefined, stored: string): boolean => asked === undefined || asked === stored;
  return {
    matches(ip) {
      if (
        !equal(address, ip.address) ||
        !equal(body.allocationuuid, ip.uuid) ||
        !equal(body.name, ip.name) ||
        !equal(body.projectid, ip.project) ||
        !equal(body.networkid, ip.network) ||
        !equal(body.networkprefix, ip.prefix) ||
        !equal(body.type, ip.type)
      ) {
        return false;
      }
      if (family !== undefined && ip.address.includes(':') !== (family === 'IPv6')) return false;
      if (tags.length === 0) return true;
      const rendered = renderTags(ip);
      return tags.every((tag) => rendered.includes(tag));
    },
  };
}

/** '' and absent: no family asked for; else 422 for an unknown one. */
export const askedFamily = (body: { addressfamily?: string | undefined }): Family | undefined | Refusal =>
  body.addressfamily ? ipFamily(body.addressfamily) : undefined;
