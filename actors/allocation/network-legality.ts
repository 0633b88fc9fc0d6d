import { isRefusal, notFound, unprocessable, type Refusal } from '../refusal.ts';

/** What the rules need of a network; a `NetworkRecord` fits. */
export interface NetworkSummary {
  id: string;
  /** `''`: in all partitions. */
  partition: string;
  project: string;
  /** Set on children of a super network; these are the private ones. */
  parent: string | null;
  privateSuper: boolean;
  underlay: boolean;
  shared: boolean;
}

/** What the rules need of an IP; an `IpRecord` fits. */
export interface IpSummary {
  address: string;
  network: string;
  project: string;
  /** Machines that it is attached to. */
  machines: readonly string[];
}

/** The four flags from which the wire's `networktype` is derived (machines.md §2.3). */
export interface NetworkRole {
  private: boolean;
  privatePrimary: boolean;
  shared: boolean;
  underlay: boolean;
}

export type AllocatedNetworkType =
  'privateprimaryunshared' | 'privateprimaryshared' | 'privatesecondaryshared' | 'external' | 'underlay';

/** One network of the allocation to be: acquire an address of each family, or attach the given ones. */
export interface PlannedNetwork extends NetworkRole {
  network: string;
  autoacquire: boolean;
  /** Given addresses that lie in it. */
  ips: string[];
}

/** The wire's name; undefined for combinations that no allocation makes. */
export const allocatedNetworkType = (role: NetworkRole): AllocatedNetworkType | undefined => {
  const { private: isPrivate, privatePrimary, shared, underlay } = role;
  if (!isPrivate) {
    if (privatePrimary || shared) return undefined;
    return underlay ? 'underlay' : 'external';
  }
  if (underlay) return undefined;
  if (privatePrimary) return shared ? 'privateprimaryshared' : 'privateprimaryunshared';
  // Rows from before there were primary networks have private alone.
  return shared ? 'privatesecondaryshared' : 'privateprimaryunshared';
};

export interface NetworkLegality {
  request: {
    role: 'machine' | 'firewall';
    project: string;
    networks: readonly { id: string; autoacquire: boolean }[];
    /** Addresses in canonical text. */
    ips: readonly string[];
    /** Exactly this machine is asked for: what is attached to it already may be given. */
    machine?: string | null;
  };
  /** The partition of the machine. */
  partition: string;
  /** All of the named networks that exist. */
  networks: readonly NetworkSummary[];
  /** All IPs that exist under the named addresses. */
  ips: readonly IpSummary[];
  hasPrivateSuper: boolean;
  /** Underlay networks of the partition; only firewalls need one. */
  underlays: readonly string[];
}

const duplicateOf = (ids: readonly string[]): string | undefined => ids.find((id, i) => ids.indexOf(id) !== i);

/** The primary private network among those named. */
const primaryOf = (role: string, privates: readonly NetworkSummary[]): NetworkSummary | Refusal => {
  const unshared = privates.filter((network) => !network.shared);
  if (privates.length === 0) return unprocessable('no private network given, exactly one private network is needed');
  if (unshared.length > 1) {
    const ids = unshared.map((network) => network.id).join(', ');
    return unprocessable(`multiple private networks are not allowed, only one that is not shared: ${ids}`);
  }
  if (unshared.length === 0 && privates.length > 1) {
    return unprocessable('without an unshared private network exactly one shared private network is needed');
  }
  if (role === 'machine' && privates.length > 1) {
    return unprocessable('machines are not allowed to be placed into more than one private network');
  }
  return unshared[0] ?? privates[0]!;
};

const findIp = (given: NetworkLegality, address: string): IpSummary | Refusal => {
  const { project, networks, machine } = given.request;
  const found = given.ips.filter((ip) => ip.address === address);
  if (found.length === 0) return notFound(`no ip "${address}" found`);
  const ip = found.find((candidate) => networks.some((network) => network.id === candidate.network));
  if (!ip) {
    return unprocessable(
      `given ip "${address}" is in network "${found[0]!.network}", which is not in the given networks`,
    );
  }
  if (ip.project !== project) {
    return unprocessable(
      `given ip "${address}" with project id "${ip.project}" does not belong to project "${project}"`,
    );
  }
  const other = ip.machines.find((one) => one !== machine);
  if (other !== undefined) return unprocessable(`given ip "${address}" is already attached to machine "${other}"`);
  return ip;
};

/**
 * The networks that the allocation will have, in the order of the request and the underlay last, or why not
 * (machines.md §8.6). An IP that another machine has is refused (W11), and so is a network of another partition, external
 * ones included: the machine's switches can't reach it.
 */
export const checkNetworks = (given: NetworkLegality): PlannedNetwork[] | Refusal => {
  const { request, partition, hasPrivateSuper, underlays } = given;
  if (!hasPrivateSuper) return unprocessable(`partition "${partition}" has no private super network`);

  const known = new Map(given.networks.map((network) => [network.id, network]));
  const named: { network: NetworkSummary; autoacquire: boolean }[] = [];
  for (const { id, autoacquire } of request.networks) {
    const network = known.get(id);
    if (!network) return notFound(`no network with id "${id}" found`);
    if (network.underlay) return unprocessable(`underlay networks are not allowed to be set explicitly: ${id}`);
    if (network.privateSuper)
      return unprocessable(`private super networks are not allowed to be set explicitly: ${id}`);
    named.push({ network, autoacquire });
  }
  const duplicate = duplicateOf(request.networks.map((network) => network.id));
  if (duplicate !== undefined) return unprocessable(`given network ids are not unique: ${duplicate}`);

  const primary = primaryOf(
    request.role,
    named.map(({ network }) => network).filter((network) => network.parent !== null),
  );
  if (isRefusal(primary)) return primary;
  if (primary.project !== request.project) {
    return unprocessable(
      `the given private network "${primary.id}" does not belong to project "${request.project}", it belongs to "${primary.project}"`,
    );
  }

  const ipsOf = new Map<string, string[]>();
  for (const address of new Set(request.ips)) {
    const ip = findIp(given, address);
    if (isRefusal(ip)) return ip;
    ipsOf.set(ip.network, [...(ipsOf.get(ip.network) ?? []), address]);
  }

  const planned: PlannedNetwork[] = [];
  for (const { network, autoacquire } of named) {
    const isPrivate = network.parent !== null;
    const ips = ipsOf.get(network.id) ?? [];
    const isElsewhere = network.partition !== partition && (isPrivate || network.partition !== '');
    if (isElsewhere) {
      return unprocessable(
        `network "${network.id}" must be in partition "${partition}", it is in "${network.partition}"`,
      );
    }
    if (isPrivate && !autoacquire && ips.length === 0) {
      return unprocessable(`the private network "${network.id}" has autoacquire off, but no ip of it is given`);
    }
    planned.push({
      network: network.id,
      // A given address is meant instead of an acquired one, whatever autoacquire says.
      autoacquire: autoacquire && ips.length === 0,
      ips,
      private: isPrivate,
      privatePrimary: network === primary,
      shared: isPrivate && network.shared,
      underlay: false,
    });
  }

  if (request.role === 'firewall') {
    const [underlay] = underlays;
    if (underlay === undefined || underlays.length > 1) {
      return unprocessable(`partition "${partition}" needs exactly one underlay network, it has ${underlays.length}`);
    }
    const role = { private: false, privatePrimary: false, shared: false, underlay: true };
    planned.push({ network: underlay, autoacquire: true, ips: [], ...role });
  }
  return planned;
};
