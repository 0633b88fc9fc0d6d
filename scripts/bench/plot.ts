// Plots of figures as SVG: lines over a scale, each with the unit it is in. Read on light and dark pages alike.

export interface Axis {
  label: string;
  scale: 'linear' | 'log';
}

export interface Series {
  label: string;
  /** Ascending in x; on a log scale above 0. */
  points: ReadonlyArray<readonly [x: number, y: number]>;
}

export interface Plot {
  /** File name without its ending. */
  name: string;
  title: string;
  x: Axis;
  y: Axis;
  series: readonly Series[];
}

const WIDTH = 720;
const HEIGHT = 400;
const AREA = { left: 76, right: 20, top: 44, bottom: 96 };
/** Told apart by those who see few colours, too (Okabe and Ito). */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#999999'];

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
const place = (value: number): string => String(Math.round(value * 10) / 10);

/** `1M`, `250k`, `0.5`. */
export function short(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e6) return `${Number((value / 1e6).toPrecision(3))}M`;
  if (size >= 1e3) return `${Number((value / 1e3).toPrecision(3))}k`;
  return String(Number(value.toPrecision(3)));
}

/** Round steps of a linear scale from 0 to at least `most`: 1, 2 or 5 times a power of ten, about five of them. */
export function linearTicks(most: number): number[] {
  const rough = most / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((times) => times * power).find((each) => each >= rough)!;
  return Array.from({ length: Math.ceil(most / step - 1e-9) + 1 }, (_, n) => n * step);
}

/** Powers of ten around all values. */
export function logTicks(values: readonly number[]): number[] {
  const from = Math.floor(Math.log10(Math.min(...values)) + 1e-9);
  const to = Math.max(from + 1, Math.ceil(Math.log10(Math.max(...values)) - 1e-9));
  return Array.from({ length: to - from + 1 }, (_, n) => 10 ** (from + n));
}

interface Scale {
  ticks: number[];
  at(value: number): number;
}

function scaleOf({ scale }: Axis, values: readonly number[], from: number, to: number): Scale {
  const ticks = scale === 'log' ? logTicks(values) : linearTicks(Math.max(...values, 1e-9));
  const map = scale === 'log' ? Math.log10 : (value: number): number => value;
  const low = map(ticks[0]!);
  const span = map(ticks.at(-1)!) - low;
  return { ticks, at: (value) => from + ((map(value) - low) / span) * (to - from) };
}

/** The whole file. Throws a RangeError when there is nothing to draw. */
export function renderPlot({ title, x, y, series }: Plot): string {
  const drawn = series
    .map((each) => ({ ...each, points: each.points.filter(([, value]) => Number.isFinite(value)) }))
    .filter(({ points }) => points.length > 0);
  if (drawn.length === 0) throw new RangeError(`nothing to draw in "${title}"`);
  const all = drawn.flatMap(({ points }) => points);
  const right = WIDTH - AREA.right;
  const bottom = HEIGHT - AREA.bottom;
  const across = scaleOf(
    x,
    all.map(([value]) => value),
    AREA.left,
    right,
  );
  const up = scaleOf(
    y,
    all.map(([, value]) => value),
    bottom,
    AREA.top,
  );
  const text = (at: string, words: string, more = ''): string => `<text ${at}${more}>${escaped(words)}</text>`;
  const grid = [
    ...up.ticks.map((tick) => {
      const at = place(up.at(tick));
      return `<path class="grid" d="M${AREA.left} ${at}H${right}"/>${text(`x="${AREA.left - 8}" y="${at}" dy="4"`, short(tick), ' text-anchor="end"')}`;
    }),
    ...across.ticks.map((tick) => {
      const at = place(across.at(tick));
      return `<path class="grid" d="M${at} ${AREA.top}V${bottom}"/>${text(`x="${at}" y="${bottom + 18}"`, short(tick), ' text-anchor="middle"')}`;
    }),
  ];
  const lines = drawn.map(({ label, points }, n) => {
    const colour = COLOURS[n % COLOURS.length]!;
    const spots = points.map(([px, py]) => `${place(across.at(px))} ${place(up.at(py))}`);
    const dots = spots.map((spot) => spot.split(' ')).map(([cx, cy]) => `<circle cx="${cx}" cy="${cy}" r="3.5"/>`);
    const column = n % 3;
    const row = Math.floor(n / 3);
    const legendX = AREA.left + column * ((right - AREA.left) / 3);
    const legendY = HEIGHT - 34 + row * 18;
    return `<g fill="${colour}" stroke="none"><path d="M${spots.join('L')}" fill="none" stroke="${colour}" stroke-width="2"/>${dots.join('')}
<circle cx="${place(legendX + 5)}" cy="${legendY - 4}" r="4"/></g>${text(`x="${place(legendX + 14)}" y="${legendY}"`, label)}`;
  });
  const middle = place((AREA.top + bottom) / 2);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escaped(title).replaceAll('"', '&quot;')}">
<style>text{font:12px system-ui,sans-serif;fill:#333}.title{font-size:15px;font-weight:600}.grid{stroke:#8884;fill:none}@media(prefers-color-scheme:dark){text{fill:#ddd}}</style>
${text(`x="${AREA.left}" y="24"`, title, ' class="title"')}
${grid.join('\n')}
${lines.join('\n')}
${text(`x="${place((AREA.left + right) / 2)}" y="${bottom + 38}"`, x.label, ' text-anchor="middle"')}
${text(`x="16" y="${middle}"`, y.label, ` text-anchor="middle" transform="rotate(-90 16 ${middle})"`)}
</svg>
`;
}
