// Gives a machine to a project, with ASN, networks and addresses, in one commit (machines.md §8).
import type { Scope } from '../address.ts';
import { scopeId } from '../address.ts';
import type { MachineView } from '../machine/messages.ts';
import type { AllocatedNetwork, AllocationRecord } from '../machine/record.ts';
import { checkIpQuota } from '../network/ip-rules.ts';
import type { NetworkRecord } from '../network/record.ts';
import { conflict, isRefusal, unprocessable, type Refusal } from '../refusal.ts';
import {
  askAll,
  cancelAll,
  reservation,
  reserveAll,
  type Coordination,
  type Grant,
  type Step,
  type StepAnswer,
} from '../runtime/behaviour.ts';
import type { AllocateMachine } from './messages.ts';
import { checkNetworks, type PlannedNetwork } from './network-legality.ts';
import { acquireIps, allocatorAt, askIp, askNetwork, machineAt, type Holder } from './places.ts';
import { layoutFor } from './reservations.ts';

/** What the allocator knows at the beginning, and chance. */
export interface AllocationContext {
  scope: Scope;
  uuid(): string;
  /** Private super networks of the partition. */
  supers: readonly string[];
  underlays: readonly string[];
}

/** A machine that refuses because the index was behind is left out, and another one elected. */
const MAX_ELECTIONS = 5;

interface Plan extends PlannedNetwork {
  holder: Holder;
  /** Undefined for the underlay, which nobody named. */
  record: NetworkRecord | undefined;
}

type Part<R> = Generator<Step, R | Refusal, StepAnswer>;

/** The networks that the allocation will have, as their actors tell of them now. */
function* plan(asked: AllocateMachine, context: AllocationContext): Part<Plan[]> {
  const { scope } = context;
  const named = asked.networks.map(({ id, holder }) => ({ network: id, holder }));
  const answers = yield* askAll([
    ...named.map((network) => askNetwork(scope, network)),
    ...asked.ips.map(({ address, network, holder }) => askIp(scope, { network, holder }, address)),
  ]);
  if (isRefusal(answers)) return answers;
  const records = answers.flatMap((answer) => ('network' in answer && 'usage' in answer ? [answer.network] : []));
  const ips = answers.flatMap((answer) => ('address' in answer ? [answer] : []));
  const planned = checkNetworks({
    request: {
      role: asked.role,
      project: asked.request.project,
      networks: asked.networks,
      ips: asked.ips.map(({ address }) => address),
      machine: asked.machine,
    },
    partition: scopeId(scope),
    networks: records,
    ips,
    hasPrivateSuper: context.supers.length > 0,
    underlays: context.underlays,
  });
  if (isRefusal(planned)) return planned;
  return planned.map((network) => ({
    ...network,
    holder: named.find((other) => other.network === network.network)?.holder ?? 'network',
    record: records.find((record) => record.id === network.network),
  }));
}

const allocatedNetwork = (planned: Plan, record: NetworkRecord, ips: string[], asn: number): AllocatedNetwork => ({
  network: record.id,
  holder: planned.holder,
  prefixes: record.prefixes,
  ips,
  destinationPrefixes: record.destinationPrefixes,
  vrf: record.vrf,
  asn,
  nat: record.nat,
  private: planned.private,
  privatePrimary: planned.privatePrimary,
  shared: planned.shared,
  underlay: planned.underlay,
  project: record.project,
  networkTypeV2: record.type,
  natTypeV2: record.natType,
});

const allocationOf = (
  asked: AllocateMachine,
  given: { uuid: string; machine: string; asn: number; networks: AllocatedNetwork[] },
): AllocationRecord => {
  const { creator, name, description, hostname, project, sshPubKeys, userData, tags, firewallRules } = asked.request;
  return {
    ...given,
    creator,
    created: 0,
    name,
    description,
    hostname,
    project,
    image: asked.image,
    filesystemLayout: null,
    sshPubKeys,
    userData,
    tags,
    role: asked.role,
    firewallRules,
    dnsServers: asked.dnsServers,
    ntpServers: asked.ntpServers,
    consolePassword: '',
    bootInfo: null,
    reinstall: false,
    succeeded: false,
  };
};

/** Reserves the addresses in all networks; a network from which nothing is taken is not asked. */
function* takeAddresses(
  asked: AllocateMachine,
  plans: Plan[],
  elected: { machine: string; asn: number; uuid: string },
  context: AllocationContext,
): Part<{ networks: AllocatedNetwork[]; grants: Grant[] }> {
  const { machine, asn, uuid } = elected;
  const taking = plans.filter(({ autoacquire, ips, record }) => autoacquire || ips.length > 0 || !record);
  const grants = yield* reserveAll(
    taking.map((planned) =>
      acquireIps(context.scope, planned, {
        machine,
        allocation: uuid,
        project: asked.request.project,
        name: asked.request.name,
        auto: planned.autoacquire,
        given: planned.ips,
      }),
    ),
  );
  if (isRefusal(grants)) return grants;
  const given = taking.reduce((sum, { ips }) => sum + ips.length, 0);
  const got = grants.reduce((sum, { reply }) => sum + reply.ips.length, 0);
  const refused = checkIpQuota(asked.ipQuota, got - given);
  if (refused !== undefined) return refused;
  const networks = plans.flatMap((planned) => {
    const taken = grants[taking.indexOf(planned)]?.reply;
    const record = taken?.network ?? planned.record;
    return record ? [allocatedNetwork(planned, record, taken?.ips ?? [], asn)] : [];
  });
  return { networks, grants: [...grants] };
}

/**
 * Elects a machine and an ASN, takes the addresses, and asks the machine. Everything is owned by the allocation's uuid,
 * and a loser gives back only what it reserved itself (W04).
 */
export function* allocateMachine(asked: AllocateMachine, context: AllocationContext): Coordination<MachineView> {
  const { scope } = context;
  const plans = yield* plan(asked, context);
  if (isRefusal(plans)) return plans;
  const excluded: string[] = [];
  let problem: Refusal = unprocessable('no machine available');
  while (excluded.length < MAX_ELECTIONS) {
    const uuid = context.uuid();
    const elections = yield* reserveAll([
      reservation(allocatorAt(scope), 'elect', { ...asked, allocation: uuid, excluded }),
    ]);
    // That none is left is no news once the index was wrong about the others: what they said is.
    if (isRefusal(elections)) return elections;
    const [election] = elections;
    const { machine, asn, size } = election.reply;
    const taken = yield* takeAddresses(asked, plans, { machine, asn, uuid }, context);
    if (isRefusal(taken)) return taken;
    const allocated = yield* reserveAll([
      reservation(machineAt(scope, machine), 'allocate', {
        allocation: allocationOf(asked, { uuid, machine, asn, networks: taken.networks }),
        byUuid: asked.machine !== null,
        size,
        layout: layoutFor(asked.layouts, size) ?? null,
      }),
    ]);
    if (!isRefusal(allocated)) return { reply: allocated[0].reply };
    problem = allocated;
    const isBehind = (problem.kind === 'Conflict' || problem.kind === 'NotFound') && asked.machine === null;
    if (!isBehind) return problem;
    excluded.push(machine);
    yield* cancelAll([election, ...taken.grants]);
  }
  return conflict(`${excluded.length} machines were taken by others meanwhile, the last one: ${problem.message}`);
}
