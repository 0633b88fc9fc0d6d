import { invalid, type Refusal } from '../refusal.ts';
import { byText } from '../directory/entity.ts';
import type { EventContainer } from './provisioning.ts';

export const SEVERITIES = ['minor', 'major', 'critical'] as const;
export type Severity = (typeof SEVERITIES)[number];

export interface Issue {
  id: string;
  severity: Severity;
  description: string;
}

/** The catalogue, in the order in which it is listed and in which a machine's issues are answered (machines.md §13). */
export const ISSUES = [
  { id: 'no-partition', severity: 'major', description: 'the machine belongs to no partition' },
  { id: 'liveliness-dead', severity: 'major', description: 'the machine has stopped sending events' },
  {
    id: 'liveliness-unknown',
    severity: 'major',
    description: 'the allocated machine does not phone home, its owner may have switched that off',
  },
  { id: 'liveliness-not-available', severity: 'minor', description: 'the liveliness of the machine is not known' },
  {
    id: 'failed-machine-reclaim',
    severity: 'critical',
    description: 'the machine was freed but still runs the system of its former owner',
  },
  { id: 'crashloop', severity: 'major', description: 'the machine boots over and over without getting further' },
  { id: 'last-event-error', severity: 'minor', description: 'the machine had an error event recently' },
  { id: 'bmc-without-mac', severity: 'major', description: 'the MAC address of the BMC is not known' },
  { id: 'bmc-without-ip', severity: 'major', description: 'the IP address of the BMC is not known' },
  { id: 'bmc-info-outdated', severity: 'major', description: 'the BMC has not been reported for 20 minutes' },
  { id: 'asn-not-unique', severity: 'minor', description: 'another firewall announces with the same ASN' },
  { id: 'bmc-no-distinct-ip', severity: 'major', description: 'another machine has the same BMC address' },
  { id: 'no-event-container', severity: 'major', description: 'the machine has never sent an event' },
] as const satisfies readonly Issue[];
export type IssueId = (typeof ISSUES)[number]['id'];

const BMC_OUTDATED_AFTER_MS = 20 * 60_000;
const LAST_ERROR_THRESHOLD_MS = 7 * 24 * 3_600_000;

/** What the issues of a machine are derived from. */
export interface IssueMachine {
  id: string;
  partition: string;
  /** null: free. */
  role: 'machine' | 'firewall' | null;
  /** The allocation's ASNs; 0 counts as none. */
  asns: number[];
  bmcAddress: string;
  bmcMac: string;
  bmcLastUpdated: number | null;
  /** null: no event yet. */
  container: EventContainer | null;
}

export interface IssueFilter {
  /** Empty: all. */
  only: IssueId[];
  omit: IssueId[];
  severity: Severity;
  lastErrorThresholdMs: number;
}

export const issueReference = (id: IssueId): string =>
  `https://docs.metal-stack.io/stable/installation/troubleshoot/#${id}`;

export const ALL_ISSUES: IssueFilter = {
  only: [],
  omit: [],
  severity: 'minor',
  lastErrorThresholdMs: LAST_ERROR_THRESHOLD_MS,
};

const isIssueId = (text: string): text is IssueId => ISSUES.some((issue) => issue.id === text);
const isSeverity = (text: string): text is Severity => (SEVERITIES as readonly string[]).includes(text);

/** Unknown ids and severities are Invalid; a threshold (nanoseconds) of 0 or less means seven days. */
export const parseIssueFilter = (asked: {
  only?: string[] | undefined;
  omit?: string[] | undefined;
  severity?: string | undefined;
  lastErrorThresholdNs?: number | undefined;
}): IssueFilter | Refusal => {
  const { only = [], omit = [], severity = 'minor', lastErrorThresholdNs = 0 } = asked;
  const unknown = [...only, ...omit].find((id) => !isIssueId(id));
  if (unknown !== undefined) {
    return invalid(`issue:"${unknown}" is unknown, expected one of ${ISSUES.map((issue) => issue.id).join(', ')}`);
  }
  if (!isSeverity(severity)) {
    return invalid(`severity:"${severity}" is unknown, expected one of ${SEVERITIES.join(', ')}`);
  }
  return {
    only: only.filter(isIssueId),
    omit: omit.filter(isIssueId),
    severity,
    lastErrorThresholdMs: lastErrorThresholdNs > 0 ? lastErrorThresholdNs / 1e6 : LAST_ERROR_THRESHOLD_MS,
  };
};

const countBy = (keys: Iterable<string | number>): Map<string | number, number> => {
  const counts = new Map<string | number, number>();
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  return counts;
};

const firewallAsns = (machine: IssueMachine): number[] =>
  machine.role === 'firewall' ? [...new Set(machine.asns)].filter((asn) => asn !== 0) : [];

/**
 * The issues of each machine that has any, in catalogue order, sorted by machine id. `among` is the set that the two
 * comparing issues (ASN, BMC address) look at; give more than `machines` when those are only a part.
 */
export const evaluateIssues = (
  machines: readonly IssueMachine[],
  filter: IssueFilter,
  nowMs: number,
  among: readonly IssueMachine[] = machines,
): { machine: string; issues: IssueId[] }[] => {
  const asns = countBy(among.flatMap(firewallAsns));
  const bmcAddresses = countBy(among.map((machine) => machine.bmcAddress));
  const threshold = SEVERITIES.indexOf(filter.severity);
  const wanted = ISSUES.filter(
    ({ id, severity }) =>
      SEVERITIES.indexOf(severity) >= threshold &&
      !filter.omit.includes(id) &&
      (filter.only.length === 0 || filter.only.includes(id)),
  );

  const isRaised = (id: IssueId, machine: IssueMachine): boolean => {
    const { container } = machine;
    // Without events nothing else can be said about the machine.
    if (container === null) return id === 'no-event-container';
    const newest = container.events[0]?.event;
    const { liveliness, lastErrorEvent } = container;
    switch (id) {
      case 'no-event-container':
        return false;
      case 'no-partition':
        return machine.partition === '';
      case 'liveliness-dead':
        return liveliness === 'Dead';
      case 'liveliness-unknown':
        return liveliness === 'Unknown';
      case 'liveliness-not-available':
        return !['Alive', 'Dead', 'Unknown'].includes(liveliness);
      case 'failed-machine-reclaim':
        return container.failedMachineReclaim || (machine.role === null && newest === 'Phoned Home');
      case 'crashloop':
        return container.crashLoop && newest !== 'Waiting';
      case 'last-event-error':
        return lastErrorEvent !== null && nowMs - lastErrorEvent.time < filter.lastErrorThresholdMs;
      case 'bmc-without-mac':
        return machine.bmcMac === '';
      case 'bmc-without-ip':
        return machine.bmcAddress === '';
      case 'bmc-info-outdated':
        return machine.bmcLastUpdated === null || nowMs - machine.bmcLastUpdated > BMC_OUTDATED_AFTER_MS;
      case 'asn-not-unique':
        return firewallAsns(machine).some((asn) => (asns.get(asn) ?? 0) > 1);
      case 'bmc-no-distinct-ip':
        return machine.bmcAddress !== '' && (bmcAddresses.get(machine.bmcAddress) ?? 0) > 1;
    }
  };

  return machines
    .map((machine) => ({
      machine: machine.id,
      issues: wanted.filter((issue) => isRaised(issue.id, machine)).map((issue) => issue.id),
    }))
    .filter(({ issues }) => issues.length > 0)
    .sort((a, b) => byText(a.machine, b.machine));
};
