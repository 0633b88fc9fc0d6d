// Addresses: any, one by name, given back, read.
import { chance, pick } from '../draw.ts';
import { PROJECT } from '../seed.ts';
import type { OperationEntry, OperationKind } from '../schedule.ts';
import { heardOfTake, messageOf, telling, understood } from './answers.ts';
import { chosen, keyOf, type Client, type Ground, type Operation } from './client.ts';
import { addressKey, externalNetwork, GLOBAL_NETWORK } from './things.ts';

interface Ip {
  ipaddress: string;
  name: string;
  networkid: string;
}

const NAMED_IN_GLOBAL = 0.5;
/** Of the first addresses: there the clients meet. */
const NAMED_ADDRESSES = 6;
/** Part of the reads and releases that are not asked of the client's own site. */
const ASKED_ELSEWHERE = 0.25;
/** Refused for where it lies, which says nothing about who has it. */
const ELSEWHERE = /again|lies in a block|elsewhere|can't be moved|is being taken/;
/** Refused though nobody has it: somebody had, shortly before. */
const KEPT_BACK = /is kept back for another [1-9]/;

export const networkOf = ({ sites }: Pick<Ground, 'sites'>, client: Client, where: number): string =>
  where < NAMED_IN_GLOBAL
    ? GLOBAL_NETWORK
    : externalNetwork(
        sites[Math.floor(((where - NAMED_IN_GLOBAL) / (1 - NAMED_IN_GLOBAL)) * sites.length)] ?? sites[client.site]!,
      );

export function addressOperations(
  ground: Ground,
): Pick<Record<OperationKind, Operation>, 'takeIp' | 'takeThisIp' | 'freeIp' | 'readIp'> {
  const { universe, shape, sites, history, requests } = ground;
  const random = universe.stream('families');
  const elsewhere = universe.stream('elsewhere');

  /** Whoever is asked for an address passes it on to where it is. */
  const anySite = (client: Client): number =>
    chance(elsewhere, ASKED_ELSEWHERE) ? Math.floor(elsewhere() * sites.length) : client.site;

  /** The family asked for, or neither. */
  function anyFamily(): { addressfamily?: string } {
    if (!shape.isDualStack) return {};
    const family = pick(random, ['IPv4', 'IPv6', '']);
    return family === '' ? {} : { addressfamily: family };
  }

  async function takeIp(client: Client, entry: OperationEntry, address?: string): Promise<void> {
    const network = networkOf(ground, client, entry.where);
    const key = address === undefined ? '' : addressKey(network, address);
    const pending = history.begin({ client: client.name, verb: address === undefined ? 'take' : 'takeThis', key });
    const told = await requests.persist(client.site, {
      method: 'POST',
      path: address === undefined ? '/v1/ip/allocate' : `/v1/ip/allocate/${address}`,
      body: { networkid: network, projectid: PROJECT, name: pending.id, ...(address === undefined ? anyFamily() : {}) },
      key: keyOf(entry, pending.id),
    });
    const heard = heardOfTake(client, pending, told);
    if (heard === undefined) return;
    const { status, text } = heard;
    if (status === 201) {
      const ip = JSON.parse(text) as Ip;
      if (ip.name !== pending.id) universe.violate('I10', `${pending.id} was answered with the address of ${ip.name}`);
      pending.end({ kind: 'done', holder: ip.name }, [addressKey(ip.networkid, ip.ipaddress)]);
      client.ips.set(ip.ipaddress, { id: pending.id, network: ip.networkid });
      return;
    }
    const message = messageOf(text);
    if (status === 409 && network === GLOBAL_NETWORK && shape.quarantineS !== undefined && KEPT_BACK.test(message))
      return;
    if (status === 409 && address !== undefined && !ELSEWHERE.test(message))
      return pending.end({ kind: 'refused', why: message });
    if (status === 500 && message.includes('no ips left')) {
      if (ground.isCut(client.site)) universe.met('exhausted during a cut');
      return universe.met('exhausted');
    }
    if (status === 422 || (status === 409 && ELSEWHERE.test(message))) return;
    ground.isStrange(`take ${network} ${address ?? ''}`, heard, key);
  }

  function namedAddress(client: Client, entry: OperationEntry): string {
    const network = networkOf(ground, client, entry.where);
    const bits = network === GLOBAL_NETWORK ? shape.globalBits : shape.externalBits;
    const host = 1 + Math.floor(entry.pick * Math.min(NAMED_ADDRESSES, 2 ** (32 - bits) - 2));
    const isSix = shape.isDualStack && chance(random, 0.5);
    if (network === GLOBAL_NETWORK) return isSix ? `2001:db8:ffff::${host}` : `198.51.0.${host}`;
    const site = sites.indexOf(network.slice('ext-'.length));
    return isSix ? `2001:db8:${site + 1}::${host}` : `203.${site}.0.${host}`;
  }

  async function readIp(client: Client, network: string, address: string): Promise<string | undefined> {
    const pending = history.begin({ client: client.name, verb: 'read', key: addressKey(network, address) });
    const told = telling(await requests.send(anySite(client), { method: 'GET', path: `/v1/ip/${address}` }));
    if (told === undefined) return undefined;
    const { status, text } = told;
    if (status !== 200 && status !== 404) {
      ground.isStrange('read ip', told, addressKey(network, address));
      return undefined;
    }
    const holder = status === 200 ? (JSON.parse(text) as Ip).name : '';
    pending.end({ kind: 'done', holder });
    return holder;
  }

  async function freeIp(client: Client, entry: OperationEntry): Promise<void> {
    const held = chosen(client.ips, entry.pick);
    if (held === undefined) return;
    const [address, { id: expected, network }] = held;
    client.ips.delete(address);
    const pending = history.begin({ client: client.name, verb: 'give', key: addressKey(network, address), expected });
    const told = await requests.send(anySite(client), { method: 'DELETE', path: `/v1/ip/free/${address}` });
    const heard = understood(told);
    if (heard === 'nothing') return void client.ips.set(address, { id: expected, network });
    if ('kind' in heard) {
      pending.end(heard);
      const holder = await readIp(client, network, address);
      if (holder === expected) client.ips.set(address, { id: expected, network });
      return;
    }
    const { status, text } = heard;
    if (status === 200) pending.end({ kind: 'done', holder: (JSON.parse(text) as Ip).name });
    else if (status === 404) pending.end({ kind: 'refused', why: messageOf(text) });
    else if (status === 409) client.ips.set(address, { id: expected, network });
    else ground.isStrange('free ip', heard, addressKey(network, address));
  }

  return {
    takeIp: (client, entry) => takeIp(client, entry),
    takeThisIp: (client, entry) => takeIp(client, entry, namedAddress(client, entry)),
    freeIp,
    readIp: (client, entry) => readIp(client, networkOf(ground, client, entry.where), namedAddress(client, entry)),
  };
}
