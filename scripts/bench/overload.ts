// Three times as many acquisitions as a site can make: how many it makes all the same, and how soon it is as before afterwards.
import { startDatabase } from './database.ts';
import { measure } from './measured.ts';
import { runOpenLoad, SLICE_MS, type OpenResult, type Slice } from './open-load.ts';
import { makeNetwork, makePartition, startPlant, type Plant } from './plant.ts';
import { atLeast, atMost, ms, number, perSecond, type Bench, type Report } from './report.ts';

const CLIENTS = 64;
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

/** Seconds until half a second of it looks as before the peak; NaN: never. */
function secondsToNormal(after: readonly Slice[], normalP99Ms: number): number {
  for (let at = 0; at + WINDOW <= after.length; at++) {
    const { due, refused, lost, p99Ms } = sumOf(after.slice(at, at + WINDOW));
    if (refused + lost <= LOST_PART * due && p99Ms <= 2 * normalP99Ms) return (at * SLICE_MS) / 1_000;
  }
  return NaN;
}

interface Peak {
  connections: number;
  calm: Sum;
  peak: Sum;
  rest: Sum;
  normalAfterS: number;
  /** Of what was due at the peak, for which a connection was free. */
  arrivedPart: number;
  generatorCores: number;
}

function peakOf(connections: number, result: OpenResult, seconds: { quiet: number; peak: number }): Peak {
  const cut = (from: number, length: number): Slice[] =>
    result.slices.slice((from * 1_000) / SLICE_MS, ((from + length) * 1_000) / SLICE_MS);
  const calm = sumOf(cut(1, seconds.quiet - 1));
  const peak = sumOf(cut(seconds.quiet, seconds.peak));
  const after = cut(seconds.quiet + seconds.peak, seconds.quiet);
  return {
    connections,
    calm,
    peak,
    rest: sumOf(after),
    normalAfterS: secondsToNormal(after, calm.p99Ms),
    arrivedPart: (peak.due - peak.lost) / Math.max(1, peak.due),
    generatorCores: result.cpuMs / (1_000 * (2 * seconds.quiet + seconds.peak)),
  };
}

async function run({ quick, progress }: Parameters<Bench['run']>[0]): Promise<Report> {
  const seconds = quick ? { quiet: 3, peak: 5 } : { quiet: 8, peak: 10 };
  const database = await startDatabase();
  let plant: Plant | undefined;
  try {
    plant = await startPlant({ database });
    const { project } = await makePartition(plant);
    await makeNetwork(plant, { id: 'load', project, prefix: '10.0.0.0/8' });
    const { host, httpPort: port, admin: credentials } = plant;
    const request = { method: 'POST', path: '/v1/ip/allocate', body: { networkid: 'load', projectid: project } };
    const common = { host, port, credentials, wantedStatus: 201 };
    const closed = (forSeconds: number) =>
      measure(plant!, {
        ...common,
        clients: CLIENTS,
        requests: [request],
        each: 'again and again',
        seconds: forSeconds,
        warmUpSeconds: 3,
        keep: 'nothing',
      });
    progress('finding the capacity');
    const capacity = await closed(quick ? 3 : 8);
    const cpuBefore = plant.cpu();
    const peaks: Peak[] = [];
    for (const connections of CONNECTIONS) {
      progress(`${PEAK} × ${number(capacity.perSecond)}/s over ${number(connections)} connections`);
      const quiet = { perSecond: QUIET * capacity.perSecond, seconds: seconds.quiet };
      const peak = { perSecond: PEAK * capacity.perSecond, seconds: seconds.peak };
      const result = await runOpenLoad({ ...common, request, connections, phases: [quiet, peak, quiet] });
      peaks.push(peakOf(connections, result, seconds));
    }
    const cpuAfter = plant.cpu();
    // What others on the machine take may have changed meanwhile.
    progress('finding the capacity again');
    const again = await closed(quick ? 3 : 8);
    const best = (capacity.perSecond + again.perSecond) / 2;
    const allSeconds = CONNECTIONS.length * (2 * seconds.quiet + seconds.peak);
    const figures = {
      capacityPerSecond: capacity.perSecond,
      capacityAfterPerSecond: again.perSecond,
      siteCores: (cpuAfter.siteMs - cpuBefore.siteMs) / (1_000 * allSeconds),
      ...Object.fromEntries(
        peaks.flatMap(({ connections, peak, normalAfterS, generatorCores, arrivedPart }) =>
          Object.entries({
            goodputPerSecond: peak.goodPerSecond,
            goodputPart: peak.goodPerSecond / best,
            p99AtPeakMs: peak.p99Ms,
            arrivedPart,
            normalAfterS,
            generatorCores,
          }).map(([name, value]) => [`${name}Over${connections}`, value]),
        ),
      ),
    };
    const row = (what: string, sum: Sum): string[] => [
      what,
      perSecond(sum.goodPerSecond),
      `${number((100 * sum.refused) / Math.max(1, sum.due))} %`,
      `${number((100 * sum.lost) / Math.max(1, sum.due))} %`,
      ms(sum.p50Ms),
      ms(sum.p99Ms),
    ];
    const closedRow = (what: string, { perSecond: rate, p50Ms, p99Ms }: typeof capacity): string[] => [
      `capacity: closed loop, ${what}`,
      perSecond(rate),
      '',
      '',
      ms(p50Ms),
      ms(p99Ms),
    ];
    return {
      name: 'overload',
      title: `acquisitions at ${PEAK} × the capacity for ${seconds.peak} s, in an open load`,
      columns: ['', 'made', 'refused', 'no connection free', 'p50', 'p99'],
      rows: [
        closedRow('before', capacity),
        ...peaks.flatMap(({ connections, calm, peak, rest }) => [
          row(`${number(connections)} connections: ${QUIET} × capacity, before`, calm),
          row(`${PEAK} × capacity`, peak),
          row(`${QUIET} × capacity, after`, rest),
        ]),
        closedRow('after', again),
      ],
      verdicts: peaks.flatMap(({ connections, peak, normalAfterS }) => [
        atLeast(`made at ${PEAK} × ÷ capacity, ${number(connections)} connections`, peak.goodPerSecond / best, 0.9, ''),
        atMost('normal again after', normalAfterS, 5, ' s'),
      ]),
      notes: [
        `${database.about}. Capacity: the mean of both closed loops. Normal: in half a second at most ${100 * LOST_PART} % refused or lost, and p99 at most twice that before.`,
        `Who was refused and comes back at once waits for room, 1.25 s at most (http/early-refusal.ts), and its connection with it: what found no connection free did not arrive. Of the peak arrived ${peaks.map(({ connections, arrivedPart }) => `${number(100 * arrivedPart)} % over ${number(connections)}`).join(', ')}.`,
        `The generator shares the cores: at the peak and around it ${peaks.map(({ generatorCores }) => number(generatorCores)).join(' and ')} of one, the site ${number(figures.siteCores)}.`,
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
