// How many addresses a project may have (networks.md N17). They lie with many actors, so the count is taken here, beside
// them: exactly over what this site holds; of other sites by what is committed there, or was when one that is slow or away
// said so last (design.md §12: hard in a plant, over sites overshot at most by what is in flight).
import type { Project } from '../../actors/directory/project.ts';
import type { IpQuota } from '../../actors/network/messages.ts';
import { ownScopes } from '../questions.ts';
import type { Site } from '../site.ts';
import { usedElsewhere } from './told-usage.ts';

/** Addresses of the project in use anywhere. */
export async function ipsInUse(site: Site, project: string): Promise<number> {
  const [here, elsewhere] = await Promise.all([
    site.rows.count('ip', { scopes: ownScopes(site), project }),
    usedElsewhere(site, project),
  ]);
  return here + elsewhere;
}

interface Waiter {
  max: number;
  /** Addresses that it takes at most. */
  wanted: number;
  begin(used: number): void;
  fail(error: unknown): void;
}

/** One project's acquisitions of this process. */
interface Gate {
  /** Addresses that those which run may take. */
  underway: number;
  /** How many addresses those may have taken that have ended. */
  ended: number;
  /** In the order of their coming: nobody is overtaken for ever. */
  waiters: Waiter[];
  isServed: boolean;
  /** Told at the next end. */
  onEnd: () => void;
}
const gates = new WeakMap<Site, Map<string, Gate>>();

function gateOf(site: Site, project: string): Gate {
  const known = gates.get(site) ?? new Map<string, Gate>();
  gates.set(site, known);
  const gate = known.get(project) ?? { underway: 0, ended: 0, waiters: [], isServed: false, onEnd: () => {} };
  known.set(project, gate);
  return gate;
}

/** Lets those begin of whom it can be told whether they fit, after `used` was counted since `before` had ended. */
function admit(gate: Gate, used: number, before: number): void {
  for (let next = gate.waiters[0]; next !== undefined; next = gate.waiters[0]) {
    // What runs, or ended while it was counted, may have been counted or not.
    const uncertain = gate.underway + (gate.ended - before);
    const isFull = used >= next.max;
    if (!isFull && uncertain > 0 && used + uncertain + next.wanted > next.max) return;
    gate.waiters.shift();
    gate.underway += next.wanted;
    next.begin(isFull ? used : used + uncertain);
  }
}

/** One count serves all who wait, so many at once cost no more than one. */
async function serve(gate: Gate, count: () => Promise<number>): Promise<void> {
  while (gate.waiters.length > 0) {
    const before = gate.ended;
    try {
      admit(gate, await count(), before);
    } catch (error) {
      for (const waiter of gate.waiters.splice(0)) waiter.fail(error);
    }
    const isOpen = gate.waiters.length === 0 || gate.underway === 0;
    if (!isOpen) await new Promise<void>((resolve) => void (gate.onEnd = resolve));
  }
  gate.isServed = false;
}

/**
 * Runs an acquisition with what the project has so far; who decides then is the actor that gives the address. `wanted`: how
 * many it takes at most. Without a quota nothing is counted.
 */
export function withIpQuota<R>(
  site: Site,
  { id, quotas }: Pick<Project, 'id' | 'quotas'>,
  wanted: number,
  acquire: (quota: IpQuota | undefined) => Promise<R>,
): Promise<R> {
  return quotas.ip === null ? acquire(undefined) : withinQuota(site, { id, max: quotas.ip }, wanted, acquire);
}

async function withinQuota<R>(
  site: Site,
  project: { id: string; max: number },
  wanted: number,
  acquire: (quota: IpQuota) => Promise<R>,
): Promise<R> {
  const { max } = project;
  const gate = gateOf(site, project.id);
  const used = await new Promise<number>((begin, fail) => {
    gate.waiters.push({ max, wanted, begin, fail });
    if (gate.isServed) return;
    gate.isServed = true;
    void serve(gate, () => ipsInUse(site, project.id));
  });
  try {
    return await acquire({ max, used });
  } finally {
    gate.underway -= wanted;
    gate.ended += wanted;
    gate.onEnd();
  }
}
