// npm run bench [-- name… --quick --json FILE]: the figures that Hanse promises, measured on this machine.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { ipAcquire } from './ip-acquire.ts';
import { ipamMemory } from './ipam-memory-report.ts';
import { machineAllocate } from './machine-allocate.ts';
import { watchOthers } from './processes.ts';
import { number, renderReport, thisMachine, type Bench, type Report } from './report.ts';
import { startUp } from './start-up.ts';

const BENCHES: readonly Bench[] = [ipAcquire, machineAllocate, startUp, ipamMemory];

const usage = (): string =>
  [
    'usage: npm run bench [-- NAME… --quick --json FILE]',
    '',
    ...BENCHES.map(({ name, about }) => `  ${name.padEnd(18)} ${about}`),
    '',
    '  --quick            one short run each: to see that it works, not to quote',
    '  --json FILE        also writes the figures as JSON',
  ].join('\n');

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(usage());
    return 0;
  }
  const unknown = positionals.filter((name) => !BENCHES.some((bench) => bench.name === name));
  if (unknown.length > 0) {
    console.error(`no benchmark is called ${unknown.join(', ')}\n\n${usage()}`);
    return 2;
  }
  const chosen = positionals.length === 0 ? BENCHES : BENCHES.filter(({ name }) => positionals.includes(name));
  const machine = thisMachine();
  console.log(
    `${machine.cores} cores (${machine.cpu}), ${machine.memoryGib} GiB, Node ${machine.node}, ${machine.platform}${values.quick ? '; quick: not to be quoted' : ''}`,
  );
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
  const missed = reports.flatMap(({ name, verdicts }) =>
    verdicts.filter(({ met }) => !met).map(({ what }) => `${name}: ${what}`),
  );
  console.log(missed.length === 0 ? '' : `\nmissed: ${missed.join('; ')}`);
  return failed.length === 0 ? 0 : 1;
}

// Whoever is interrupted ends what was started: servers and sites are ended when this process exits.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(130));
process.exitCode = await main();
