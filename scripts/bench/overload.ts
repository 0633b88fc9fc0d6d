// Three times as many acquisitions as a site can make: how many it makes all the same, and how soon it is as before afterwards.
import { startDatabase } from './database.ts';
import { measure } from './measured.ts';
import { runOpenLoad, SLICE_MS, type OpenResult, type Slice } from './open-load.ts';
import { makeNetwork, makePartition, startPlant, type Plant } from './plant.ts';
import { atLeast, atMost, median, ms, number, perSecond, type Bench, type Report } from './report.ts';

/** Of the closed loop that finds the capacity: so many that the disk never waits for them (64 did 0.85 of it on a slow one). */
const CLIENTS = 256;
/** Few, as of proxies and of clients that wait for their answers; so many that nearly all of the load arrives. */
const CONNECTIONS = [1_000, 8_000];
const QUIET = 0.7;
const PEAK = 3;
/** Normal: refused and lost are fewer than this, and p99 at most twice what it was before the peak. */
const LOST_PART = 0.01;
const WINDOW = 5;

const percentile = (values: readonly number[], part: number): number =>
  [...values].sort((a, b) => a - b)[Math.floor(part * Math.max(0, values.length - 1))] ?? NaN;

interface Sum {
  due: number;
  refused: number;
  lost: number;
  goodPerSecond: number;
  p50Ms: number;
  p99Ms: number;
}

function sumOf(slices: readonly Slice[]): Sum {
  const good = slices.flatMap(({ goodMs }) => goodMs);
  const add = (pick: (slice: Slice) => number): number => slices.reduce((sum, slice) => sum + pick(slice), 0);
  return {
    due: add(({ due }) => due),
    refused: add(({ refused }) => refused),
    lost: add(({ due, begun }) => due - begun),
    goodPerSecond: (1_000 * good.length) / (slices.length * SLICE_MS),
    p50Ms: percentile(good, 0.5),
    p99Ms: percentile(good, 0.99),
  };
}

/** Seconds until half a second of it looks as before the peak; Infinity: never, which medians have to count as longest. */
function secondsToNormal(after: readonly Slice[], normalP99Ms: number): number {
  for (let at = 0; at + WINDOW <= after.length; at++) {
    const { due, refused, lost, p99Ms } = sumOf(after.slice(at, at + WINDOW));
    if (refused + lost <= LOST_PART * due && p99Ms <= 2 * normalP99Ms) return (at * SLICE_MS) / 1_000;
  }
  return Infinity;
}

interface Peak {
  connections: number;
  calm: Sum;
  peak: Sum;
  rest: Sum;
  /** Made at the peak ÷ the capacity, the mean of the closed loops before and after. */
  goodputPart: number;
  normalAfterS: number;
  /** Of what was due at the peak, for which a connection was free. */
  arrivedPart: number;
  generatorCores: number;
}

interface Lengths {
  quiet: number;
  peak: number;
}

function peakOf(connections: number, result: OpenResult, capacity: number, { quiet, peak: high }: Lengths): Peak {
  const cut = (from: number, length: number): Slice[] =>
    result.slices.slice((from * 1_000) / SLICE_MS, ((from + length) * 1_000) / SLICE_MS);
  const calm = sumOf(cut(1, quiet - 1));
  const peak = sumOf(cut(quiet, high));
  const after = cut(quiet + high, quiet);
  return {
    connections,
    calm,
    peak,
    rest: sumOf(after),
    goodputPart: peak.goodPerSecond / capacity,
    normalAfterS: secondsToNormal(after, calm.p99Ms),
    arrivedPart: (peak.due - peak.lost) / Math.max(1, peak.due),
    generatorCores: result.cpuMs / (1_000 * (2 * quiet + high)),
  };
}

async function run({ quick, progress }: Parameters<Bench['run']>[0]): Promise<Report> {
  // As long a peak as the reference asks for; in turn, for what others on the machine take changes from minute to minute.
  const seconds = quick ? { quiet: 3, peak: 5 } : { quiet: 6, peak: 30 };
  const rounds = quick ? 1 : 3;
  const database = await startDatabase();
  let plant: Plant | undefined;
  try {
    plant = await startPlant({ database });
    const { project } = await makePartition(plant);
    await makeNetwork(plant, { id: 'load', project, prefix: '10.0.0.0/8' });
    const { host, httpPort: port, admin: credentials } = plant;
    const request = { method: 'POST', path: '/v1/ip/allocate', body: { networkid: 'load', projectid: project } };
    const common = { host, port, credentials, wantedStatus: 201 };
    const closed = () =>
      measure(plant!, {
        ...common,
        clients: CLIENTS,
        requests: [request],
        each: 'again and again',
        seconds: quick ? 3 : 5,
        warmUpSeconds: 3,
        keep: 'nothing',
      });
    progress('finding the capacity');
    const loops = [await closed()];
    const cpuBefore = plant.cpu();
    const startMs = performance.now();
    const peaks: Peak[] = [];
    for (const connections of Array.from({ length: rounds }, () => CONNECTIONS).flat()) {
      const before = loops.at(-1)!.perSecond;
      progress(`${PEAK} × ${number(before)}/s over ${number(connections)} connections`);
      const quiet = { perSecond: QUIET * before, seconds: seconds.quiet };
      const peak = { perSecond: PEAK * before, seconds: seconds.peak };
      const result = await runOpenLoad({ ...common, request, connections, phases: [quiet, peak, quiet] });
      progress('finding the capacity again');
      const after = await closed();
      loops.push(after);
      peaks.push(peakOf(connections, result, (before + after.perSecond) / 2, seconds));
    }
    const cpuAfter = plant.cpu();
    const siteCores = (cpuAfter.siteMs - cpuBefore.siteMs) / (performance.now() - startMs);
    const over = CONNECTIONS.map((connections) => {
      const mine = peaks.filter((peak) => peak.connections === connections);
      const middle = (pick: (peak: Peak) => number): number => median(mine.map(pick));
      return { connections, mine, middle };
    });
    const figures = {
      capacityPerSecond: median(loops.map(({ perSecond: rate }) => rate)),
      siteCores,
      ...Object.fromEntries(
        over.flatMap(({ connections, middle }) =>
          Object.entries({
            goodputPerSecond: middle(({ peak }) => peak.goodPerSecond),
            goodputPart: middle(({ goodputPart }) => goodputPart),
            p99AtPeakMs: middle(({ peak }) => peak.p99Ms),
            arrivedPart: middle(({ arrivedPart }) => arrivedPart),
            normalAfterS: middle(({ normalAfterS }) => normalAfterS),
            generatorCores: middle(({ generatorCores }) => generatorCores),
          }).map(([name, value]) => [`${name}Over${connections}`, value]),
        ),
      ),
    };
    const row = (what: string, mine: readonly Peak[], pick: (peak: Peak) => Sum): string[] => {
      const middle = (value: (sum: Sum) => number): number => median(mine.map((peak) => value(pick(peak))));
      return [
        what,
        perSecond(middle(({ goodPerSecond }) => goodPerSecond)),
        `${number(100 * middle(({ refused, due }) => refused / Math.max(1, due)))} %`,
        `${number(100 * middle(({ lost, due }) => lost / Math.max(1, due)))} %`,
        ms(middle(({ p50Ms }) => p50Ms)),
        ms(middle(({ p99Ms }) => p99Ms)),
      ];
    };
    const each = (values: readonly number[]): string => values.map(number).join(', ');
    return {
      name: 'overload',
      title: `acquisitions at ${PEAK} × the capacity for ${seconds.peak} s, in an open load`,
      columns: ['', 'made', 'refused', 'no connection free', 'p50', 'p99'],
      rows: [
        [
          `capacity: closed loop of ${CLIENTS}`,
          perSecond(figures.capacityPerSecond),
          '',
          '',
          ms(median(loops.map(({ p50Ms }) => p50Ms))),
          ms(median(loops.map(({ p99Ms }) => p99Ms))),
        ],
        ...over.flatMap(({ connections, mine }) => [
          row(`${number(connections)} connections: ${QUIET} × capacity, before`, mine, ({ calm }) => calm),
          row(`${PEAK} × capacity`, mine, ({ peak }) => peak),
          row(`${QUIET} × capacity, after`, mine, ({ rest }) => rest),
        ]),
      ],
      verdicts: over.flatMap(({ connections, middle }) => [
        atLeast(
          `made at ${PEAK} × ÷ capacity, ${number(connections)} connections`,
          middle(({ goodputPart }) => goodputPart),
          0.9,
          '',
        ),
        atMost(
          'normal again after',
          middle(({ normalAfterS }) => normalAfterS),
          5,
          ' s',
        ),
      ]),
      notes: [
        `${database.about}. Medians of ${rounds} rounds, ${number(loops.length)} closed loops in between; what is made at a peak is compared with the mean of those before and after it. Normal: in half a second at most ${100 * LOST_PART} % refused or lost, and p99 at most twice that before.`,
        ...over.map(
          ({ connections, mine }) =>
            `Over ${number(connections)} connections: ${each(mine.map(({ goodputPart }) => goodputPart))} of the capacity, normal again after ${each(mine.map(({ normalAfterS }) => normalAfterS))} s.`,
        ),
        `Who was refused and comes back at once waits for room, 1.25 s at most (http/early-refusal.ts), and its connection with it: what found no connection free did not arrive. Of the peak arrived ${over.map(({ connections, middle }) => `${number(100 * middle(({ arrivedPart }) => arrivedPart))} % over ${number(connections)}`).join(', ')}.`,
        `The generator shares the cores: at the peak and around it ${over.map(({ middle }) => number(middle(({ generatorCores }) => generatorCores))).join(' and ')} of one, the site ${number(figures.siteCores)}.`,
      ],
      figures,
    };
  } finally {
    await plant?.stop();
    await database.stop();
  }
}

export const overload: Bench = {
  name: 'overload',
  about: 'what is done at three times the capacity, and how soon all is as before',
  run,
};
