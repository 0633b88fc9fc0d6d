// What BMCs report, and machines with what is known of their BMC (machines.md §12).
import { z } from 'zod';
import { addressOf, partitionScope } from '../../actors/address.ts';
import type { BmcReport, MachineView } from '../../actors/machine/messages.ts';
import type { PowerSupply } from '../../actors/machine/hardware.ts';
import { invalid, isRefusal, type Refusal } from '../../actors/refusal.ts';
import { refuseId } from '../../router/naming.ts';
import type { Edge } from '../env.ts';
import { jsonList } from '../json-list.ts';
import { ok, route } from '../route.ts';
import { write } from '../write.ts';
import { compile } from '../schema.ts';
import type { AskOptions, Site } from '../site.ts';
import { unstorable } from '../unstorable.ts';
import { findEntry } from './directory.ts';
import { readAnswer } from './machine-answer.ts';
import { machineOf } from './machine-of.ts';
import { machineQuery } from './machine-query.ts';
import { findMachines } from './machine-rows.ts';
import { given, text } from './shape/fields.ts';
import { ipmiResponse, listedMachine } from './shape/machine.ts';

const AT_ONCE = 256;

const watts = z.number().optional();
const reportBody = z.object({
  BMCIp: text,
  FRU: z
    .object({
      chassis_part_number: text,
      chassis_part_serial: text,
      board_mfg: text,
      board_mfg_serial: text,
      board_part_number: text,
      product_manufacturer: text,
      product_part_number: text,
      product_serial: text,
    })
    .optional(),
  BIOSVersion: text,
  BMCVersion: text,
  PowerState: text,
  IndicatorLEDState: text,
  PowerMetric: z
    .object({
      averageconsumedwatts: watts,
      intervalinmin: watts,
      maxconsumedwatts: watts,
      minconsumedwatts: watts,
    })
    .optional(),
  PowerSupplies: z.array(z.object({ status: z.object({ health: text, state: text }).optional() })).optional(),
});
const checkReport = compile(reportBody);
// Values of a map reach the schema as they came, so each report is checked by itself.
const reportsBody = z.object({ partitionid: text, reports: z.record(z.string(), z.unknown()).optional() });

const bmcReportOf = (partition: string, report: z.infer<typeof reportBody>): BmcReport => {
  const { FRU: fru = {}, PowerMetric: metric, PowerSupplies: supplies = [] } = report;
  return {
    partition,
    ip: report.BMCIp ?? '',
    fru: given({
      chassisPartNumber: fru.chassis_part_number,
      chassisPartSerial: fru.chassis_part_serial,
      boardMfg: fru.board_mfg,
      boardMfgSerial: fru.board_mfg_serial,
      boardPartNumber: fru.board_part_number,
      productManufacturer: fru.product_manufacturer,
      productPartNumber: fru.product_part_number,
      productSerial: fru.product_serial,
    }),
    biosVersion: report.BIOSVersion ?? '',
    bmcVersion: report.BMCVersion ?? '',
    powerState: report.PowerState ?? '',
    ledState: report.IndicatorLEDState ?? '',
    powerMetric: metric
      ? {
          averageConsumedWatts: metric.averageconsumedwatts ?? 0,
          intervalInMin: metric.intervalinmin ?? 0,
          maxConsumedWatts: metric.maxconsumedwatts ?? 0,
          minConsumedWatts: metric.minconsumedwatts ?? 0,
        }
      : null,
    powerSupplies: supplies.map(({ status }): PowerSupply => ({
      health: status?.health ?? '',
      state: status?.state ?? '',
    })),
  };
};

const checkReports = (reports: Record<string, unknown>): [string, z.infer<typeof reportBody>][] | Refusal => {
  const checked: [string, z.infer<typeof reportBody>][] = [];
  for (const [machine, value] of Object.entries(reports)) {
    if (value === null) continue;
    const report = checkReport(value);
    if (isRefusal(report)) return invalid(`reports.${machine}: ${report.message}`);
    checked.push([machine, report]);
  }
  return checked;
};

type Outcome = 'updated' | 'created' | 'skipped';

/** One machine's trouble is not the others': it is left out of the answer, and the next report tries again. */
async function tell(site: Site, machine: string, report: BmcReport, as: AskOptions): Promise<Outcome> {
  const elsewhere = (site.places.machine(machine) ?? report.partition) !== report.partition;
  if (machine === '' || elsewhere || refuseId('/v1/machine', machine) !== undefined) return 'skipped';
  // What stands in a chip need not be text.
  if (unstorable(report) !== undefined) return 'skipped';
  const to = addressOf(partitionScope(report.partition), 'machine', machine);
  // Each machine's report is an operation of its own.
  const asOwn = as.key === undefined ? as : { ...as, key: { ...as.key, key: `${as.key.key} ${machine}` } };
  const answer = await site.ask(to, 'bmcReport', report, asOwn);
  if (!isRefusal(answer)) return answer.outcome;
  const known = asOwn.key && (await site.outcomes.find(asOwn.key.identity, asOwn.key.key));
  return known?.request === asOwn.key?.request && known ? (known.reply as { outcome: Outcome }).outcome : 'skipped';
}

const withIpmi = (site: Site, view: MachineView) => ({
  ...listedMachine(view, site.directory),
  ipmi: ipmiResponse(view.machine.ipmi),
});

export function addMachineIpmiRoutes(edge: Edge): void {
  write(
    edge,
    {
      method: 'post',
      path: '/v1/machine/ipmi',
      role: 'edit',
      operation: 'ipmiReport',
      body: reportsBody,
      anyText: true,
    },
    async ({ site, as, body: { partitionid = '', reports = {} } }) => {
      if (partitionid === '') return invalid('partition id is empty');
      const partition = await findEntry(site, 'partition', partitionid, as);
      if (isRefusal(partition)) return partition;
      const checked = checkReports(reports);
      if (isRefusal(checked)) return checked;
      const machines: Record<Outcome, string[]> = { updated: [], created: [], skipped: [] };
      for (let from = 0; from < checked.length; from += AT_ONCE) {
        const some = checked.slice(from, from + AT_ONCE);
        const outcomes = await Promise.all(
          some.map(([machine, report]) => tell(site, machine, bmcReportOf(partitionid, report), as)),
        );
        some.forEach(([machine], i) => machines[outcomes[i]!].push(machine));
      }
      return { updated: machines.updated, created: machines.created };
    },
    (body) => ok(body),
  );

  route(
    edge,
    {
      method: 'post',
      path: '/v1/machine/ipmi/find',
      role: 'view',
      operation: 'findIPMIMachines',
      audited: false,
      body: machineQuery,
    },
    async ({ site, body }) => ok(await jsonList(await findMachines(site, body), (view) => withIpmi(site, view))),
  );

  route(
    edge,
    { method: 'get', path: '/v1/machine/:id/ipmi', role: 'view', operation: 'findIPMIMachine' },
    async ({ site, as, param }) => {
      const view = await machineOf(site, param('id'), as);
      if (isRefusal(view)) return view;
      const answer = readAnswer(site, view);
      if (isRefusal(answer)) return answer;
      return ok({ ...(answer.body as object), ipmi: ipmiResponse(view.machine.ipmi) });
    },
  );
}
