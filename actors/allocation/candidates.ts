// The partition's machines as an election sees them: free ones by size and rack, taken ones by project. Kept up to date by
// hints, so it may be behind; what it proposes, the machine itself decides.
import type { Elected } from '../network/record.ts';
import type { MachineSummary, SummaryPart } from './messages.ts';
import { isPlacementAllowed, leastUsedRacks } from './placement.ts';

type RecordPart = NonNullable<MachineSummary['record']>;
type AllocationPart = NonNullable<MachineSummary['allocation']>;
type ProvisioningPart = NonNullable<MachineSummary['provisioning']>;

export interface Candidate {
  machine: string;
  record: RecordPart;
  allocation: AllocationPart;
  provisioning: ProvisioningPart;
  /** By an allocation that is on its way, or whose commit the machine has not told of yet. */
  elected: Elected | null;
}

/** What an election asks for. */
export interface Election {
  size: string;
  project: string;
  role: 'machine' | 'firewall';
  placementTags: readonly string[];
  /** Reservations of this size that cover the partition. */
  reservations: readonly { project: string; amount: number }[];
  /** Machines that refused: the index is behind for them. */
  excluded: ReadonlySet<string>;
  /** A number in [0, 1). */
  random: () => number;
}

export interface Candidates {
  /** Takes over what is newer than what is known. */
  apply(summary: MachineSummary): void;
  /** A scan found it, after one that told of all that are not alive (excerpt.ts): what nothing was told of is alive. */
  found(machine: string, record: RecordPart): void;
  elect(elected: Elected): void;
  unelect(machine: string): void;
  get(machine: string): Candidate | undefined;
  /** Machines of a project, on their way or there. */
  countOf(project: string): { machines: number; firewalls: number };
  /** A machine that may be taken, or undefined: none is there, or all are reserved for others. */
  choose(election: Election): string | undefined;
  /** How many could be elected, by size. */
  available(size: string): number;
  readonly size: number;
}

/** A set whose members are numbered, so that one can be drawn at random. */
interface Drawer {
  members: string[];
  places: Map<string, number>;
}

const put = (drawer: Drawer, member: string): void => {
  drawer.places.set(member, drawer.members.push(member) - 1);
};
const take = (drawer: Drawer, member: string): void => {
  const place = drawer.places.get(member);
  if (place === undefined) return;
  drawer.places.delete(member);
  const last = drawer.members.pop()!;
  if (last === member) return;
  drawer.members[place] = last;
  drawer.places.set(last, place);
};

/** What a project has in one rack. */
interface Placed {
  machines: number;
  tags: Map<string, number>;
}

/** Shared: parts are replaced, never changed. */
const UNKNOWN: SummaryPart<never> = Object.freeze({ version: 0, value: null });
const ALIVE: ProvisioningPart = Object.freeze({ version: 0, value: Object.freeze({ liveliness: 'Alive' }) });
const keyOf = (...parts: string[]): string => parts.join('\0');

const add = <K>(counts: Map<K, number>, key: K, amount: number): void => {
  const sum = (counts.get(key) ?? 0) + amount;
  if (sum === 0) counts.delete(key);
  else counts.set(key, sum);
};

const within = <K, V>(map: Map<K, V>, key: K, make: () => V): V => {
  const found = map.get(key);
  if (found !== undefined) return found;
  const made = make();
  map.set(key, made);
  return made;
};

const isElectable = ({ record, allocation, provisioning, elected }: Candidate): boolean =>
  record.value !== null &&
  record.value.stateValue === '' &&
  record.value.waiting &&
  allocation.value === null &&
  elected === null &&
  provisioning.value?.liveliness === 'Alive';

export const createCandidates = (): Candidates => {
  const candidates = new Map<string, Candidate>();
  /** size → rack → electable machines. Racks without any are left out. */
  const free = new Map<string, Map<string, Drawer>>();
  const freeOfSize = new Map<string, number>();
  /** project and role */
  const taken = new Map<string, number>();
  /** size and project, of any role: what reservations count. */
  const takenOfSize = new Map<string, number>();
  /** size, project and role → rack: what spreading looks at. */
  const placed = new Map<string, Map<string, Placed>>();

  const count = (candidate: Candidate, sign: 1 | -1): void => {
    const occupant = candidate.allocation.value ?? candidate.elected;
    if (!occupant) return;
    const { project, role, tags } = occupant;
    const { size = '', rack = '' } = candidate.record.value ?? {};
    add(taken, keyOf(project, role), sign);
    add(takenOfSize, keyOf(size, project), sign);
    const racks = within(placed, keyOf(size, project, role), () => new Map<string, Placed>());
    const here = within(racks, rack, () => ({ machines: 0, tags: new Map<string, number>() }));
    here.machines += sign;
    for (const tag of new Set(tags)) add(here.tags, tag, sign);
    if (here.machines === 0) racks.delete(rack);
    if (racks.size === 0) placed.delete(keyOf(size, project, role));
  };

  const offer = (candidate: Candidate, sign: 1 | -1): void => {
    if (!isElectable(candidate)) return;
    const { size, rack } = candidate.record.value!;
    const racks = within(free, size, () => new Map<string, Drawer>());
    const drawer = within(racks, rack, () => ({ members: [], places: new Map<string, number>() }));
    if (sign === 1) put(drawer, candidate.machine);
    else take(drawer, candidate.machine);
    if (drawer.members.length === 0) racks.delete(rack);
    add(freeOfSize, size, sign);
  };

  /** Takes the machine out of all sums, lets it change, and puts it back. */
  const change = (machine: string, alter: (candidate: Candidate) => void): void => {
    const isKnown = candidates.has(machine);
    const candidate = within(candidates, machine, () => ({
      machine,
      record: UNKNOWN,
      allocation: UNKNOWN,
      provisioning: UNKNOWN,
      elected: null,
    }));
    // Of one that was only just heard of nothing is in the sums.
    if (isKnown) {
      count(candidate, -1);
      offer(candidate, -1);
    }
    alter(candidate);
    count(candidate, 1);
    offer(candidate, 1);
  };

  const chooseIn = (drawers: readonly Drawer[], { excluded, random }: Election): string | undefined => {
    const total = drawers.reduce((sum, drawer) => sum + drawer.members.length, 0);
    let place = Math.floor(random() * total);
    // At most as many steps as machines are excluded, which are few.
    for (let step = 0; step <= excluded.size && step < total; step++) {
      let at = place;
      const drawer = drawers.find((candidate) => {
        if (at < candidate.members.length) return true;
        at -= candidate.members.length;
        return false;
      })!;
      const machine = drawer.members[at]!;
      if (!excluded.has(machine)) return machine;
      place = (place + 1) % total;
    }
    return undefined;
  };

  return {
    apply(summary) {
      change(summary.machine, (candidate) => {
        const { record, allocation, provisioning } = summary;
        if (record && record.version > candidate.record.version) candidate.record = record;
        if (allocation && allocation.version > candidate.allocation.version) candidate.allocation = allocation;
        if (provisioning && provisioning.version > candidate.provisioning.version)
          candidate.provisioning = provisioning;
      });
    },
    found(machine, record) {
      change(machine, (candidate) => {
        if (record.version > candidate.record.version) candidate.record = record;
        if (candidate.provisioning === UNKNOWN) candidate.provisioning = ALIVE;
      });
    },
    elect: (elected) =>
      change(elected.machine, (candidate) => {
        candidate.elected = elected;
      }),
    unelect: (machine) =>
      change(machine, (candidate) => {
        candidate.elected = null;
      }),
    get: (machine) => candidates.get(machine),
    countOf: (project) => ({
      machines: taken.get(keyOf(project, 'machine')) ?? 0,
      firewalls: taken.get(keyOf(project, 'firewall')) ?? 0,
    }),
    choose(election) {
      const { size, project, role, placementTags, reservations, excluded } = election;
      const racks = free.get(size);
      if (!racks) return undefined;
      const excludedIn = new Map<string, number>();
      for (const machine of excluded) {
        const candidate = candidates.get(machine);
        if (candidate?.record.value?.size === size && isElectable(candidate)) {
          add(excludedIn, candidate.record.value.rack, 1);
        }
      }
      const left = [...racks].filter(([rack, drawer]) => drawer.members.length > (excludedIn.get(rack) ?? 0));
      const available = left.reduce(
        (sum, [rack, { members }]) => sum + members.length - (excludedIn.get(rack) ?? 0),
        0,
      );
      const have = (owner: string): number => takenOfSize.get(keyOf(size, owner)) ?? 0;
      if (!isPlacementAllowed(reservations, project, available, have)) return undefined;
      const here = placed.get(keyOf(size, project, role));
      const tags = [...new Set(placementTags)];
      const electable = leastUsedRacks(
        left.map(([rack]) => rack),
        (rack) => here?.get(rack)?.machines ?? 0,
        (rack) => tags.reduce((sum, tag) => sum + (here?.get(rack)?.tags.get(tag) ?? 0), 0),
      );
      return chooseIn(
        electable.map((rack) => racks.get(rack)!),
        election,
      );
    },
    available: (size) => freeOfSize.get(size) ?? 0,
    get size() {
      return candidates.size;
    },
  };
};
