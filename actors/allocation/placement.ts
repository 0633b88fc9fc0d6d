// Which of the waiting machines an allocation without a uuid gets (machines.md §8.4.1, §8.5).
import { byText } from '../directory/entity.ts';

/**
 * May the requester take one of the `available` machines of a size in a partition? Yes while its own reservations are not
 * used up, or when more are available than all others' reservations still want (machines.md §8.4.1; W06: summed per
 * project, so that the order of the reservations does not matter). `have`: machines of that size and partition that a
 * project has, those on their way included (W05).
 */
export const isPlacementAllowed = (
  reservations: readonly { project: string; amount: number }[],
  requester: string,
  available: number,
  have: (project: string) => number,
): boolean => {
  if (available < 1) return false;
  const reserved = new Map<string, number>();
  for (const { project, amount } of reservations) reserved.set(project, (reserved.get(project) ?? 0) + amount);
  const open = ([project, amount]: [string, number]) => Math.max(0, amount - have(project));
  if (open([requester, reserved.get(requester) ?? 0]) > 0) return true;
  return [...reserved].map(open).reduce((sum, amount) => sum + amount, 0) < available;
};

/** A machine of the requesting project, of the same size, partition and role. */
export interface PlacedMachine {
  rack: string;
  tags: readonly string[];
}

const withFewest = (racks: readonly string[], count: (rack: string) => number): string[] => {
  const fewest = Math.min(...racks.map(count));
  return racks.filter((rack) => count(rack) === fewest);
};

/**
 * Of `racks`, in their order, those that spread a project best: fewest machines with the placement tags, and among
 * those, where such racks exist, also fewest machines of the project.
 */
export const leastUsedRacks = (
  racks: readonly string[],
  projectMachines: (rack: string) => number,
  taggedMachines: (rack: string) => number,
): string[] => {
  const leastTagged = withFewest(racks, taggedMachines);
  const leastProject = new Set(withFewest(racks, projectMachines));
  const both = leastTagged.filter((rack) => leastProject.has(rack));
  return both.length > 0 ? both : leastTagged;
};

/** The racks, sorted, in which the next machine of a project may be. A machine counts once for each of the tags that it carries. */
export const electableRacks = (
  availableRacks: Iterable<string>,
  placed: readonly PlacedMachine[],
  placementTags: readonly string[],
): string[] => {
  const racks = [...new Set(availableRacks)].sort(byText);
  const tags = [...new Set(placementTags)];
  const machines = new Map<string, number>();
  const tagged = new Map<string, number>();
  for (const machine of placed) {
    const matching = tags.filter((tag) => machine.tags.includes(tag)).length;
    machines.set(machine.rack, (machines.get(machine.rack) ?? 0) + 1);
    tagged.set(machine.rack, (tagged.get(machine.rack) ?? 0) + matching);
  }
  return leastUsedRacks(
    racks,
    (rack) => machines.get(rack) ?? 0,
    (rack) => tagged.get(rack) ?? 0,
  );
};

/** Any machine of the electable racks, each equally likely; undefined when none is available. `random`: in [0, 1). */
export const electMachine = <Candidate extends { rack: string }>(
  available: readonly Candidate[],
  placed: readonly PlacedMachine[],
  placementTags: readonly string[],
  random: () => number,
): Candidate | undefined => {
  const racks = new Set(
    electableRacks(
      available.map((machine) => machine.rack),
      placed,
      placementTags,
    ),
  );
  const candidates = available.filter((machine) => racks.has(machine.rack));
  return candidates[Math.floor(random() * candidates.length)];
};
