// The rules of addresses (networks.md §2), as pure functions over records. The edge and the actors of networks and
// blocks call the same ones.
import { formatAddress, parseAddress, parseFamily, type Address, type Family } from '../ipam/address.ts';
import { contains, parsePrefix, type Prefix } from '../ipam/prefix.ts';
import { notAllocated, notInPrefixes, unparsableAddress } from '../ipam/refusal-texts.ts';
import { conflict, invalid, notFound, unprocessable, type Refusal } from '../refusal.ts';
import type { IpPatch, IpQuota, IpRequest, IpsForMachine } from './messages.ts';
import type { IpRecord, NetworkRecord } from './record.ts';
import { attached, isMachineScoped, machineTag, storedTags } from './tags.ts';

/** Rule 1 of networks.md §2.2. */
export function checkIpRequestIds(ids: { network: string; project: string }): Refusal | undefined {
  if (ids.network === '') return invalid('networkid should not be empty');
  if (ids.project === '') return invalid('projectid should not be empty');
  return undefined;
}

/** Rule 4; any case is one family inside (N13). */
export const ipFamily = (text: string): Family | Refusal =>
  parseFamily(text) ?? unprocessable(`given addressfamily:"${text}" is invalid, expected IPv4 or IPv6`);

export const noSuchIp = (address: string): Refusal => notFound(`no ip with id "${address}" found`);
/** It can't be freed, for it is not in use: metal-api's words, then the IPAM's, with the prefix that it would lie in. */
export function notHeld(network: Pick<NetworkRecord, 'prefixes'>, text: string): Refusal {
  const address = parseAddress(text);
  const around = prefixesOf(network).filter(({ prefix }) => address !== undefined && contains(prefix, address));
  const prefixes = around.length > 0 ? around : prefixesOf(network);
  const why = notAllocated(
    text,
    prefixes.map(({ prefix }) => prefix.canonical),
  );
  return notFound(`${noSuchIp(text).message}: ${why}`);
}
export const ipInOperation = (address: string): Refusal =>
  conflict(`ip ${address} is being changed by another operation; try again`);

/** Canonical text if it names an address, else as it is. */
export const canonicalAddress = (text: string): string => {
  const address = parseAddress(text);
  return address === undefined ? text : formatAddress(address);
};

interface StoredPrefix {
  readonly text: string;
  readonly prefix: Prefix;
}

// Records are never changed in place, so a list of prefixes is parsed once, not at each address.
const parsed = new WeakMap<readonly string[], readonly StoredPrefix[]>();

/** Prefixes of a network with their stored texts, in stored order. */
export function prefixesOf(network: Pick<NetworkRecord, 'prefixes'>): readonly StoredPrefix[] {
  const known = parsed.get(network.prefixes);
  if (known !== undefined) return known;
  const prefixes = network.prefixes.flatMap((text) => {
    const prefix = parsePrefix(text);
    return prefix === undefined ? [] : [{ text, prefix }];
  });
  parsed.set(network.prefixes, prefixes);
  return prefixes;
}

/** Families of the prefixes, IPv4 first. */
export function familiesOf(network: Pick<NetworkRecord, 'prefixes'>): Family[] {
  const present = new Set(prefixesOf(network).map(({ prefix }) => prefix.family));
  return (['IPv4', 'IPv6'] as const).filter((family) => present.has(family));
}

const ownsOrShares = (network: NetworkRecord, project: string): boolean =>
  network.parent === null || network.shared || network.project === project;

const foreignProject = (network: NetworkRecord, project: string): Refusal =>
  unprocessable(
    `can not allocate ip for project "${project}" because network belongs to "${network.project}" and the network is not shared`,
  );

const isSuper = (network: NetworkRecord): Refusal =>
  unprocessable(
    `network ${network.id} is a private super network; addresses are taken from the networks allocated from it`,
  );

/** Rules 3, 5 and 6 of networks.md §2.2, and N11: a super network gives no addresses. */
export function checkIpForm(
  network: NetworkRecord,
  { address, family }: Pick<IpRequest, 'address' | 'family'>,
): Refusal | undefined {
  if (network.prefixes.length === 0) return unprocessable(`network ${network.id} has no prefixes`);
  if (network.privateSuper) return isSuper(network);
  if (family !== undefined && !familiesOf(network).includes(family)) {
    return invalid(`there is no prefix for the given addressfamily:${family} present in network:${network.id}`);
  }
  if (family !== undefined && address !== undefined) {
    return invalid('it is not possible to specify specificIP and addressfamily');
  }
  return undefined;
}

/** The same, then rule 8. */
export function checkIpRequest(network: NetworkRecord, request: IpRequest): Refusal | undefined {
  const refused = checkIpForm(network, request);
  if (refused !== undefined || ownsOrShares(network, request.project)) return refused;
  return foreignProject(network, request.project);
}

/** N17: metal-api never looks at it. `wanted`: new addresses. */
export const checkIpQuota = (quota: IpQuota | undefined, wanted: number): Refusal | undefined =>
  quota === undefined || wanted === 0 || quota.used + wanted <= quota.max
    ? undefined
    : unprocessable(`project quota for ips reached max:${quota.max}: ${quota.used} in use, ${wanted} more wanted`);

/** The same for what a machine takes. */
export function checkIpsForMachine(network: NetworkRecord, ask: IpsForMachine): Refusal | undefined {
  if (network.privateSuper) return isSuper(network);
  if (ask.auto && network.prefixes.length === 0) return unprocessable(`network ${network.id} has no prefixes`);
  return ownsOrShares(network, ask.project) ? undefined : foreignProject(network, ask.project);
}

/** Any address: the given family, else the only one, else IPv4. */
export const familyToAcquire = (network: NetworkRecord, given: Family | undefined): Family =>
  given ?? familiesOf(network)[0] ?? 'IPv4';

/** A specific address with the first prefix of the network that contains it; IPv4-mapped ones are never contained. */
export function locateSpecific(
  network: NetworkRecord,
  text: string,
): { address: Address; prefix: Prefix; text: string } | Refusal {
  const address = parseAddress(text);
  if (address === undefined) return unprocessable(unparsableAddress(text));
  const found = prefixesOf(network).find(({ prefix }) => contains(prefix, address));
  return found === undefined ? unprocessable(notInPrefixes(network.prefixes)) : { address, ...found };
}

export interface NewIp {
  address: string;
  uuid: string;
  network: string;
  prefix: string;
  nowMs: number;
}

export function requestedIp(request: IpRequest, at: NewIp): IpRecord {
  const { machine } = request;
  const plain = { tags: storedTags(request.tags, []), machines: [] as string[] };
  const { tags, machines } = machine === undefined || machine === '' ? plain : attached(plain, machine);
  return {
    address: at.address,
    uuid: at.uuid,
    network: at.network,
    project: request.project,
    name: request.name,
    description: request.description,
    type: request.type,
    tags,
    machines,
    prefix: at.prefix,
    created: at.nowMs,
    changed: at.nowMs,
  };
}

/** metalctl's `network ip issues` looks for this description. */
const AUTOASSIGNED = 'autoassigned';

export const machineIp = (ask: IpsForMachine, at: NewIp): IpRecord =>
  requestedIp(
    {
      project: ask.project,
      name: ask.name,
      description: AUTOASSIGNED,
      type: 'ephemeral',
      tags: [],
      machine: ask.machine,
    },
    at,
  );

/** Attached machines whose tags the patch takes away (N15). */
export const droppedMachines = (ip: Pick<IpRecord, 'machines'>, { tags }: IpPatch): string[] =>
  tags === undefined ? [] : ip.machines.filter((machine) => !tags.includes(machineTag(machine)));

/** networks.md §2.3. Machines that the patch drops are asked before. */
export function updatedIp(ip: IpRecord, patch: IpPatch, nowMs: number): IpRecord | Refusal {
  if (patch.type === 'ephemeral' && ip.type === 'static') {
    return invalid('cannot change type of ip address from static to ephemeral');
  }
  const dropped = droppedMachines(ip, patch);
  const machines = dropped.length === 0 ? ip.machines : ip.machines.filter((machine) => !dropped.includes(machine));
  return {
    ...ip,
    name: patch.name ?? ip.name,
    description: patch.description ?? ip.description,
    type: patch.type ?? ip.type,
    tags: patch.tags === undefined ? ip.tags : storedTags(patch.tags, machines),
    machines,
    changed: nowMs,
  };
}

/** networks.md §2.5 and N16. */
export function checkFreeIp(ip: IpRecord): Refusal | undefined {
  if (!isMachineScoped(ip)) return undefined;
  const why =
    ip.machines.length > 0
      ? `it is attached to machine ${ip.machines.join(', ')}; free the machine, or take its tag away by an update of the ip`
      : `its tags are ${ip.tags.join(', ')}; take the one of a machine away by an update of the ip`;
  return invalid(`ip with machine scope can not be deleted: ${why}`);
}

/** A given address becomes the machine's. Unchanged: it is already. */
export function attachedIp(ip: IpRecord, ask: IpsForMachine, nowMs: number): IpRecord | Refusal {
  if (ip.project !== ask.project) {
    return unprocessable(`given ip ${ip.address} with project id "${ip.project}" does not belong to "${ask.project}"`);
  }
  // metal-api lets two machines have one address (W11).
  const other = ip.machines.find((machine) => machine !== ask.machine);
  if (other !== undefined) return unprocessable(`given ip ${ip.address} is attached to machine ${other} already`);
  return ip.machines.includes(ask.machine) ? ip : { ...attached(ip, ask.machine), changed: nowMs };
}

/** The machine lets go. null: nobody needs it any more (ephemeral, no other machine). */
export function detachedIp(ip: IpRecord, machine: string, nowMs: number): IpRecord | null {
  const machines = ip.machines.filter((one) => one !== machine);
  return ip.type === 'ephemeral' && machines.length === 0 ? null : { ...ip, machines, changed: nowMs };
}
