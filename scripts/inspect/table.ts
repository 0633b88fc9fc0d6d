// Aligned columns for people: widths by what is seen, colours on top.
import { dim } from '../start/screen.ts';

export interface Cell {
  text: string;
  paint?: (text: string) => string;
}

export interface Column {
  name: string;
  /** Numbers are read from the right. */
  right?: boolean;
}

export type Value = string | number | Cell;

const cellOf = (value: Value): Cell => (typeof value === 'object' ? value : { text: String(value) });

/** A table with its head; one line that says so when there is nothing. Columns that are empty everywhere are left out. */
export function table(columns: readonly Column[], rows: ReadonlyArray<readonly Value[]>, nothing = 'none'): string {
  if (rows.length === 0) return dim(nothing);
  const cells = rows.map((row) => row.map(cellOf));
  const shown = columns.flatMap((column, i) =>
    cells.some((row) => (row[i]?.text ?? '') !== '') ? [{ column, i }] : [],
  );
  const widths = shown.map(({ column, i }) =>
    Math.max(column.name.length, ...cells.map((row) => row[i]?.text.length ?? 0)),
  );
  const line = (get: (i: number, column: Column) => Cell): string =>
    shown
      .map(({ column, i }, at) => {
        const { text, paint = (same: string) => same } = get(i, column);
        const width = widths[at] as number;
        const isLast = at === shown.length - 1;
        if (column.right === true) return ' '.repeat(width - text.length) + paint(text);
        return paint(text) + (isLast ? '' : ' '.repeat(width - text.length));
      })
      .join('  ')
      .trimEnd();
  return [
    line((_, { name }) => ({ text: name, paint: dim })),
    ...cells.map((row) => line((i) => row[i] ?? { text: '' })),
  ].join('\n');
}

/** Name and value, one a line. */
export function pairs(lines: ReadonlyArray<readonly [string, Value]>): string {
  const width = Math.max(0, ...lines.map(([name]) => name.length));
  return lines
    .map(([name, value]) => {
      const { text, paint = (same: string) => same } = cellOf(value);
      return `${dim(name.padEnd(width))}  ${paint(text)}`;
    })
    .join('\n');
}

export const paragraphs = (...parts: readonly string[]): string => parts.filter((part) => part !== '').join('\n\n');

/** `0.4 ms`, `12 ms`, `1.5 s`, `3 min`; empty for null. */
export function duration(ms: number | null): string {
  if (ms === null) return '';
  const size = Math.abs(ms);
  if (size < 10) return `${ms.toFixed(1)} ms`;
  if (size < 1_000) return `${Math.round(ms)} ms`;
  if (size < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  if (size < 7_200_000) return `${Math.round(ms / 60_000)} min`;
  return size < 172_800_000 ? `${Math.round(ms / 3_600_000)} h` : `${Math.round(ms / 86_400_000)} d`;
}

/** Local time of day; with the date when it is another day. */
export function clock(atMs: number | null, nowMs: number = Date.now()): string {
  if (atMs === null) return '';
  const at = new Date(atMs);
  const two = (value: number): string => String(value).padStart(2, '0');
  const time = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  const isToday = at.toDateString() === new Date(nowMs).toDateString();
  return isToday ? time : `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${time}`;
}
