// npm run bench [-- name… --quick --json FILE --markdown FILE --plots FOLDER]: the figures that Hanse promises, measured on
// this machine.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { addressLoad } from './address-load.ts';
import { ipAcquire } from './ip-acquire.ts';
import { addressSets, ipamMemory } from './ipam-memory-report.ts';
import { machineAllocate } from './machine-allocate.ts';
import { messages } from './messages.ts';
import { networkAllocate } from './network-allocate.ts';
import { nthAddress } from './nth-address.ts';
import { overload } from './overload.ts';
import { renderPlot } from './plot.ts';
import { watchOthers } from './processes.ts';
import { markdownReport, number, renderReport, thisMachine, type Bench, type Machine, type Report } from './report.ts';
import { startUp } from './start-up.ts';
import { takeover } from './takeover.ts';

const IPAM: readonly Bench[] = [ipAcquire, nthAddress, networkAllocate, addressLoad, ipamMemory, addressSets];
const RUNTIME: readonly Bench[] = [messages, takeover, overload];
const BENCHES: readonly Bench[] = [...IPAM, ...RUNTIME, machineAllocate, startUp];
/** Names that stand for several. */
const GROUPS: Readonly<Record<string, readonly Bench[]>> = { ipam: IPAM, runtime: RUNTIME };

const usage = (): string =>
  [
    'usage: npm run bench [-- NAME… --quick --json FILE --markdown FILE --plots FOLDER]',
    '',
    ...BENCHES.map(({ name, about }) => `  ${name.padEnd(18)} ${about}`),
    ...Object.entries(GROUPS).map(
      ([name, benches]) => `  ${name.padEnd(18)} ${benches.map((bench) => bench.name).join(', ')}`,
    ),
    '',
    '  --quick            one short run each: to see that it works, not to quote',
    '  --json FILE        also writes the figures as JSON',
    '  --markdown FILE    also writes the reports as tables for BENCHMARKS.md',
    '  --plots FOLDER     also draws the plots there',
  ].join('\n');

const sentenceOf = (machine: Machine, quick: boolean): string =>
  `${machine.cores} cores (${machine.cpu}), ${machine.memoryGib} GiB, Node ${machine.node}, ${machine.platform}${quick ? '; quick: not to be quoted' : ''}`;

function drawPlots(reports: readonly Report[], folder: string): void {
  mkdirSync(folder, { recursive: true });
  for (const plot of reports.flatMap(({ plots = [] }) => plots)) {
    writeFileSync(join(folder, `${plot.name}.svg`), renderPlot(plot));
  }
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      markdown: { type: 'string' },
      plots: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(usage());
    return 0;
  }
  const named = positionals.flatMap((name) => GROUPS[name]?.map((bench) => bench.name) ?? [name]);
  const unknown = named.filter((name) => !BENCHES.some((bench) => bench.name === name));
  if (unknown.length > 0) {
    console.error(`no benchmark is called ${unknown.join(', ')}\n\n${usage()}`);
    return 2;
  }
  const chosen = named.length === 0 ? BENCHES : BENCHES.filter(({ name }) => named.includes(name));
  const machine = thisMachine();
  console.log(sentenceOf(machine, values.quick));
  const isTerminal = process.stderr.isTTY === true;
  const reports: Report[] = [];
  const failed: string[] = [];
  for (const bench of chosen) {
    const progress = (text: string): void => {
      if (isTerminal) process.stderr.write(`\r\u001b[2K${bench.name}: ${text} …`);
    };
    try {
      const othersOf = watchOthers();
      const report = await bench.run({ quick: values.quick, progress });
      const others = othersOf();
      report.figures['coresOfOthers'] = others;
      report.notes.push(`Other programs kept ${number(others)} of ${machine.cores} cores busy meanwhile.`);
      if (isTerminal) process.stderr.write('\r\u001b[2K');
      reports.push(report);
      console.log(renderReport(report));
    } catch (error) {
      failed.push(bench.name);
      console.error(`\n${bench.name} could not be measured: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  if (values.json !== undefined) {
    writeFileSync(values.json, `${JSON.stringify({ machine, quick: values.quick, reports, failed }, null, 2)}\n`);
  }
  if (values.plots !== undefined) drawPlots(reports, values.plots);
  if (values.markdown !== undefined) {
    const plots = relative(dirname(values.markdown), values.plots ?? 'docs');
    const sections = reports.map((report) => markdownReport(report, plots));
    writeFileSync(
      values.markdown,
      `${sentenceOf(machine, values.quick)}, ${machine.at.slice(0, 10)}\n\n${sections.join('\n')}`,
    );
  }
  const missed = reports.flatMap(({ name, verdicts }) =>
    verdicts.filter(({ met }) => !met).map(({ what }) => `${name}: ${what}`),
  );
  console.log(missed.length === 0 ? '' : `\nmissed: ${missed.join('; ')}`);
  return failed.length === 0 ? 0 : 1;
}

// Whoever is interrupted ends what was started: servers and sites are ended when this process exits.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(130));
process.exitCode = await main();
