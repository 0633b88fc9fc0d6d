// The address structures by themselves, as a report. The figures come from a process of its own, which may collect garbage at will.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Figure } from './ipam-memory.ts';
import { number, type Bench } from './report.ts';

export const ipamMemory: Bench = {
  name: 'ipam-memory',
  about: 'the address structures by themselves: speed and memory',
  async run() {
    const module = join(import.meta.dirname, 'ipam-memory.ts');
    const script = `const { ipamMemoryBench } = await import(${JSON.stringify(module)}); console.log(JSON.stringify(await ipamMemoryBench()));`;
    const { stdout } = await promisify(execFile)(process.execPath, [
      '--expose-gc',
      '--import',
      'tsx',
      '--input-type=module',
      '--eval',
      script,
    ]);
    const measured = JSON.parse(stdout) as Figure[];
    return {
      name: 'ipam-memory',
      title: 'address sets and child prefixes in one thread, without actors, HTTP or a database',
      columns: ['', 'figure'],
      rows: measured.map(({ what, value, unit }) => [
        what,
        unit === '1/s' ? `${number(value)}/s` : `${number(value)} ${unit}`,
      ]),
      verdicts: [],
      notes: [],
      figures: Object.fromEntries(measured.map(({ what, value }) => [what, value])),
    };
  },
};
