import { drawSchedule } from './schedule.ts';
import { runSchedule } from './run.ts';
const from = Number(process.argv[2] ?? 1);
const count = Number(process.argv[3] ?? 1);
const trace = process.argv.includes('--trace') ? (line: string) => console.log(line) : undefined;
let [events, realMs, virtualMs] = [0, 0, 0];
for (let seed = from; seed < from + count; seed++) {
  const result = await runSchedule(drawSchedule(seed), { trace });
  events += result.events;
  realMs += result.realMs;
  virtualMs += result.virtualMs;
  if (count === 1) console.log(result);
  if (result.violation) {
    const text = `${result.violation.invariant}: ${result.violation.what.slice(0, 400)}`;
    console.log(seed, Math.round(result.violation.atMs), text);
  }
}
console.log({
  events,
  perSecond: Math.round((events / realMs) * 1000),
  realMs: Math.round(realMs),
  virtualS: Math.round(virtualMs / 1000),
});
