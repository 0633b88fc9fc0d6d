// How many addresses a project may have (networks.md N17). They lie with many actors, so the count is taken here, beside
// them: exactly over what this site holds; of other sites by what is committed there, or by the copy while one can't be
// reached (design.md §12: hard in a plant, over sites overshot at most by what is in flight).
import type { Project } from '../../actors/directory/project.ts';
import type { IpQuota } from '../../actors/network/messages.ts';
import { isRefusal } from '../../actors/refusal.ts';
import { ownScopes, type ProjectUsage } from '../questions.ts';
import type { Site } from '../site.ts';
import { MEMBERS_WITHIN_MS } from './directory.ts';

/** Addresses of the project in use anywhere. */
export async function ipsInUse(site: Site, project: string): Promise<number> {
  const [rows, answers] = await Promise.all([
    site.rows.rows('ip', { project }),
    site.federation.askOthers('project-usage', { project }, MEMBERS_WITHIN_MS),
  ]);
  const own = new Set<string>(ownScopes(site));
  const isOf = (scope: string, member: string): boolean =>
    scope.startsWith('partition:') && site.places.partition(scope.slice('partition:'.length)) === member;
  let used = rows.filter(({ scope }) => own.has(scope)).length;
  for (const [member, answer] of answers) {
    used += isRefusal(answer) ? rows.filter(({ scope }) => isOf(scope, member)).length : (answer as ProjectUsage).ips;
  }
  return used;
}

/** One project's acquisitions of this process. */
interface Gate {
  /** Addresses that those which run may take. */
  underway: number;
  /** How many addresses those may have taken that have ended. */
  ended: number;
  /** Told at each end. */
  waiting: Array<() => void>;
  /** Who counts next: one after the other, so that nobody is overtaken for ever. */
  turn: Promise<unknown>;
}
const gates = new WeakMap<Site, Map<string, Gate>>();

function gateOf(site: Site, project: string): Gate {
  const known = gates.get(site) ?? new Map<string, Gate>();
  gates.set(site, known);
  const gate = known.get(project) ?? { underway: 0, ended: 0, waiting: [], turn: Promise.resolve() };
  known.set(project, gate);
  return gate;
}

/** Waits until no other acquisition can make the count wrong. The count is an upper bound if `wanted` fits, else exact. */
async function admitted(gate: Gate, max: number, wanted: number, count: () => Promise<number>): Promise<number> {
  for (;;) {
    const before = gate.ended;
    const used = await count();
    // What ended while it was counted may have been counted or not.
    const uncertain = gate.underway + (gate.ended - before);
    const isAlone = gate.underway === 0 && gate.ended === before;
    if (isAlone || used + uncertain + wanted <= max) return used + uncertain;
    if (used >= max) return used;
    if (gate.underway > 0) await new Promise<void>((resolve) => void gate.waiting.push(resolve));
  }
}

/**
 * Runs an acquisition with what the project has so far; who decides then is the actor that gives the address. `wanted`: how
 * many it takes at most. Without a quota nothing is counted.
 */
export async function withIpQuota<R>(
  site: Site,
  project: Pick<Project, 'id' | 'quotas'>,
  wanted: number,
  acquire: (quota: IpQuota | undefined) => Promise<R>,
): Promise<R> {
  const max = project.quotas.ip;
  if (max === null) return acquire(undefined);
  const gate = gateOf(site, project.id);
  const counted = gate.turn.then(() => admitted(gate, max, wanted, () => ipsInUse(site, project.id)));
  const begun = counted.then((used) => {
    gate.underway += wanted;
    return used;
  });
  gate.turn = begun.catch(() => {});
  const used = await begun;
  try {
    return await acquire({ max, used });
  } finally {
    gate.underway -= wanted;
    gate.ended += wanted;
    for (const told of gate.waiting.splice(0)) told();
  }
}
