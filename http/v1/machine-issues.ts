// What is wrong with machines (machines.md §13).
import { z } from 'zod';
import {
  evaluateIssues,
  ISSUES,
  issueReference,
  parseIssueFilter,
  type IssueMachine,
} from '../../actors/machine/issues.ts';
import type { MachineView } from '../../actors/machine/messages.ts';
import { isRefusal } from '../../actors/refusal.ts';
import type { Edge } from '../env.ts';
import { ok, route } from '../route.ts';
import { matchesMachine, machineQueryFields } from './machine-query.ts';
import { findMachines } from './machine-rows.ts';
import { orNull, text, texts } from './shape/fields.ts';

const issuesBody = z.object({
  ...machineQueryFields,
  only: texts,
  omit: texts,
  severity: text,
  /** Nanoseconds. */
  last_error_threshold: z.int().optional(),
});

export const issueMachine = ({ machine, allocation, provisioning }: MachineView): IssueMachine => ({
  id: machine.id,
  partition: machine.partition,
  role: allocation?.role ?? null,
  asns: allocation?.networks.map(({ asn }) => asn) ?? [],
  bmcAddress: machine.ipmi.address,
  bmcMac: machine.ipmi.mac,
  bmcLastUpdated: machine.ipmi.lastUpdated,
  container: provisioning,
});

export function addMachineIssueRoutes(edge: Edge): void {
  route(edge, { method: 'get', path: '/v1/machine/issues', role: 'view', operation: 'listIssues' }, () =>
    ok(
      ISSUES.map(({ id, severity, description }) => ({
        id,
        severity,
        description,
        ref_url: issueReference(id),
        details: '',
      })),
    ),
  );

  route(
    edge,
    {
      method: 'post',
      path: '/v1/machine/issues/evaluate',
      role: 'view',
      operation: 'issues',
      effect: 'read',
      body: issuesBody,
    },
    async ({ site, body }) => {
      const { only, omit, severity, last_error_threshold: lastErrorThresholdNs, ...query } = body;
      // metalctl sends no severity as null, others as nothing at all.
      const filter = parseIssueFilter({ only, omit, severity: severity || undefined, lastErrorThresholdNs });
      if (isRefusal(filter)) return filter;
      // Two issues compare machines, so they look at all of them, not only at those that are asked for.
      const all = await findMachines(site, {});
      const asked = all.filter((view) => matchesMachine(view, query)).map(issueMachine);
      const found = evaluateIssues(asked, filter, site.wallMs(), all.map(issueMachine));
      return ok(orNull(found.map(({ machine, issues }) => ({ machineid: machine, issues }))));
    },
  );
}
