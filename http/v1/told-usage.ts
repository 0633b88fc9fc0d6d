// How many addresses of a project are in use at the other sites: as they say, and as they said last while one is slow or
// away. Who asks for an address of a block that lies here must not wait for a site that does not answer, nor be given
// more because it is cut off. Of a site that has said nothing since this process started nothing is counted: the plant
// goes on.
import { isRefusal } from '../../actors/refusal.ts';
import type { ProjectUsage } from '../questions.ts';
import type { Site } from '../site.ts';
import { MEMBERS_WITHIN_MS } from './directory.ts';

/** Who has said something before is not waited for any longer. */
const SOON_MS = 250;
/** Projects whose counts are remembered. */
const MOST_PROJECTS = 10_000;

interface Told {
  /** By project, the one that was counted longest ago first, and by member. */
  counts: Map<string, Map<string, number>>;
  /** Who did not answer in time: not waited for until the next answer. */
  silent: Set<string>;
  /** Members that are asked while nobody waits, with the project. */
  asked: Set<string>;
}
const toldTo = new WeakMap<Site, Told>();

function toldOf(site: Site): Told {
  const known = toldTo.get(site) ?? { counts: new Map(), silent: new Set(), asked: new Set() };
  toldTo.set(site, known);
  return known;
}

function countsOf({ counts }: Told, project: string): Map<string, number> {
  const known = counts.get(project) ?? new Map<string, number>();
  counts.delete(project);
  counts.set(project, known);
  const [longestAgo] = counts.keys();
  if (counts.size > MOST_PROJECTS) counts.delete(longestAgo!);
  return known;
}

/** What a member says now, or said last. */
async function usedAt(site: Site, member: string, project: string): Promise<number> {
  const told = toldOf(site);
  const counts = countsOf(told, project);
  const ask = async (withinMs: number): Promise<number> => {
    const answer = await site.federation.askOther(member, 'project-usage', { project }, withinMs);
    if (isRefusal(answer)) told.silent.add(member);
    else {
      told.silent.delete(member);
      counts.set(member, (answer as ProjectUsage).ips);
    }
    return counts.get(member) ?? 0;
  };
  if (!told.silent.has(member)) return ask(counts.has(member) ? SOON_MS : MEMBERS_WITHIN_MS);
  const name = `${member} ${project}`;
  if (!told.asked.has(name)) {
    told.asked.add(name);
    void ask(MEMBERS_WITHIN_MS).finally(() => told.asked.delete(name));
  }
  return counts.get(member) ?? 0;
}

export async function usedElsewhere(site: Site, project: string): Promise<number> {
  const used = await Promise.all(site.federation.others().map((member) => usedAt(site, member, project)));
  return used.reduce((sum, one) => sum + one, 0);
}
