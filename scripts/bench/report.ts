// What a benchmark says, for people and for programs.
import { availableParallelism, cpus, totalmem } from 'node:os';
import type { Plot } from './plot.ts';

export interface Verdict {
  what: string;
  figure: string;
  target: string;
  met: boolean;
}

export interface Report {
  name: string;
  /** One sentence: what was measured, and how. */
  title: string;
  columns: string[];
  rows: string[][];
  verdicts: Verdict[];
  /** What a reader must know to believe the figures. */
  notes: string[];
  /** The same, and more, as numbers. */
  figures: Record<string, number>;
  plots?: Plot[];
}

export interface BenchOptions {
  /** Shorter and fewer runs: to see that it works, not to quote. */
  quick: boolean;
  progress(text: string): void;
}

export interface Bench {
  name: string;
  about: string;
  run(options: BenchOptions): Promise<Report>;
}

export interface Machine {
  cores: number;
  cpu: string;
  memoryGib: number;
  node: string;
  platform: string;
  at: string;
}

export const thisMachine = (): Machine => ({
  cores: availableParallelism(),
  cpu: cpus()[0]?.model.trim() ?? 'unknown',
  memoryGib: Math.round(totalmem() / 2 ** 30),
  node: process.versions.node,
  platform: `${process.platform}-${process.arch}`,
  at: new Date().toISOString(),
});

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return NaN;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
};

const grouped = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
/** `5,812`; below 100 with up to two decimals. */
export const number = (value: number): string =>
  Number.isNaN(value) ? '–' : Math.abs(value) >= 100 ? grouped.format(value) : String(Math.round(value * 100) / 100);
export const perSecond = (value: number): string => `${number(value)}/s`;
export const ms = (value: number): string => `${number(value)} ms`;

export const atLeast = (what: string, value: number, target: number, unit: string): Verdict => ({
  what,
  figure: `${number(value)}${unit}`,
  target: `≥ ${number(target)}${unit}`,
  met: value >= target,
});
export const atMost = (what: string, value: number, target: number, unit: string): Verdict => ({
  what,
  figure: `${number(value)}${unit}`,
  target: `≤ ${number(target)}${unit}`,
  met: value <= target,
});

const aligned = (rows: readonly (readonly string[])[]): string[] => {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join('  ')
      .trimEnd(),
  );
};

export function renderReport({ name, title, columns, rows, verdicts, notes }: Report): string {
  const table = aligned([columns, ...rows]);
  const judged = verdicts.map(({ what, figure, target, met }) => [met ? 'met   ' : 'MISSED', what, figure, target]);
  return [
    '',
    `${name}: ${title}`,
    '',
    ...table.map((line) => `  ${line}`),
    ...(judged.length === 0
      ? []
      : ['', ...aligned([['', 'target', 'measured', 'wanted'], ...judged]).map((line) => `  ${line}`)]),
    ...(notes.length === 0 ? [] : ['', ...notes.map((note) => `  ${note}`)]),
  ].join('\n');
}

const markdownTable = (rows: readonly (readonly string[])[]): string[] =>
  rows.flatMap((row, n) => {
    const line = `| ${row.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
    return n === 0 ? [line, `|${' --- |'.repeat(row.length)}`] : [line];
  });

/** The same for a paper; `folder` is where its plots lie from there. */
export function markdownReport(
  { name, title, columns, rows, verdicts, notes, plots = [] }: Report,
  folder: string,
): string {
  const judged = verdicts.map(({ what, target, figure, met }) => [what, target, figure, met ? 'met' : '**missed**']);
  return [
    `## \`${name}\``,
    '',
    `${title.charAt(0).toUpperCase()}${title.slice(1)}.`,
    '',
    ...markdownTable([columns, ...rows]),
    ...(judged.length === 0 ? [] : ['', ...markdownTable([['target', 'wanted', 'measured', ''], ...judged])]),
    ...plots.flatMap((plot) => ['', `![${plot.title}](${folder}/${plot.name}.svg)`]),
    ...(notes.length === 0 ? [] : ['', notes.join('\n')]),
    '',
  ].join('\n');
}
