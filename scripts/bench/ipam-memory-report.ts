// The address structures by themselves, as a report. The figures come from a process of its own, which may collect garbage at will.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Compared } from './address-sets-compare.ts';
import { CHILDREN, DENSE, LATE_TO_EARLY, NO_ROOM, RATE, SPARSE, USAGE, type Figure } from './ipam-memory.ts';
import { atLeast, atMost, number, type Bench } from './report.ts';

async function measuredAlone<T>(file: string, name: string): Promise<T> {
  const module = join(import.meta.dirname, file);
  const script = `const { ${name} } = await import(${JSON.stringify(module)}); console.log(JSON.stringify(await ${name}()));`;
  const flags = ['--expose-gc', '--import', 'tsx', '--input-type=module', '--eval', script];
  const { stdout } = await promisify(execFile)(process.execPath, flags);
  return JSON.parse(stdout) as T;
}

export const ipamMemory: Bench = {
  name: 'ipam-memory',
  about: 'the address structures by themselves: speed and memory',
  async run() {
    const measured = await measuredAlone<Figure[]>('ipam-memory.ts', 'ipamMemoryBench');
    const figures = Object.fromEntries(measured.map(({ what, value }) => [what, value]));
    return {
      name: 'ipam-memory',
      title: 'address sets and child prefixes in one thread, without actors, HTTP or a database',
      columns: ['', 'figure'],
      rows: measured.map(({ what, value, unit }) => [
        what,
        unit === '1/s' ? `${number(value)}/s` : `${number(value)} ${unit}`,
      ]),
      verdicts: [
        atLeast('acquire + release in memory', figures[RATE] ?? NaN, 2_000_000, '/s'),
        atLeast('IPv6 child prefixes in memory, 200,000 held', figures[CHILDREN] ?? NaN, 50_000, '/s'),
        atMost('a late child prefix, times an early one', figures[LATE_TO_EARLY] ?? NaN, 3, ' ×'),
        atMost('usage of a fragmented super network', figures[USAGE] ?? NaN, 5, ' ms'),
        atMost('a refusal by it', figures[NO_ROOM] ?? NaN, 5, ' ms'),
        atMost('bytes a held address, dense', figures[DENSE] ?? NaN, 8, ' B'),
        atMost('bytes a held address, scattered over a /64', figures[SPARSE] ?? NaN, 64, ' B'),
      ],
      notes: ["Beside it: go-ipam's memory store, 196,687 acquire + release a second by its own README."],
      figures,
    };
  },
};

const orNone = (value: number | null | undefined, text: (value: number) => string): string =>
  value === null || value === undefined ? '–' : text(value);

export const addressSets: Bench = {
  name: 'address-sets',
  about: 'other ways to hold addresses beside the one in use',
  async run() {
    const compared = await measuredAlone<Compared[]>('address-sets-compare.ts', 'compareSets');
    const ours = compared[0]!;
    return {
      name: 'address-sets',
      title:
        'ways to hold the addresses of a prefix: 1,000,000 one after the other in a /8, 200,000 scattered over a /64; one thread',
      columns: [
        '',
        'a held one, dense',
        'lowest acquired + released',
        'any released, lowest acquired',
        'a held one, scattered',
        'any released + acquired again',
        'weak at',
      ],
      rows: compared.map((each) => [
        each.name,
        `${number(each.denseBytes)} B`,
        `${number(each.lowestPerSecond)}/s`,
        `${number(each.churnPerSecond)}/s`,
        orNone(each.scatteredBytes, (bytes) => `${number(bytes)} B`),
        orNone(each.againPerSecond, (rate) => `${number(rate)}/s`),
        each.weakness,
      ]),
      verdicts: [],
      notes: [
        'In use is the one without a case that grows with what is held: every other one walks, moves or copies somewhere, or is as',
        'large as the prefix, or has no lowest one first.',
      ],
      figures: {
        denseBytes: ours.denseBytes,
        scatteredBytes: ours.scatteredBytes ?? NaN,
        lowestPerSecond: ours.lowestPerSecond,
        churnPerSecond: ours.churnPerSecond,
        againPerSecond: ours.againPerSecond ?? NaN,
      },
    };
  },
};
