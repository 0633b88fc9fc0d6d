// The process that makes the load: raw sockets, because an HTTP client would cost as much as the server that is measured.
import { connect, type Socket } from 'node:net';
import { createEncoder, NOTHING, readAnswer, type Answer } from './load-wire.ts';
import type { LoadMessage, LoadPlan, LoadResult } from './load.ts';

const MOST_ODD = 3;
const KEPT_PER_MESSAGE = 2_000;

function keeper(keep: LoadPlan['keep']): (body: Buffer) => string | undefined {
  if (keep === 'nothing') return () => undefined;
  if (keep === 'bodies') return (body) => body.toString('utf8');
  const mark = Buffer.from(`"${keep.field}":"`);
  return (body) => {
    const at = body.indexOf(mark);
    if (at < 0) return undefined;
    const from = at + mark.length;
    return body.toString('latin1', from, body.indexOf(0x22, from));
  };
}

const quantile = (sorted: Float64Array, q: number): number => sorted[Math.floor(q * (sorted.length - 1))] ?? NaN;

function run(plan: LoadPlan, tell: (message: LoadMessage) => void): void {
  const encode = createEncoder(plan);
  const keepOf = keeper(plan.keep);
  const most = Math.min(plan.most ?? Infinity, plan.each === 'once' ? plan.requests.length : Infinity);
  const times: number[] = [];
  const statuses = new Map<number, number>();
  const odd: string[] = [];
  let kept: string[] = [];
  let sent = 0;
  let broken = 0;
  let open = plan.clients;
  let beginMs = Infinity;
  let beginCpu = process.cpuUsage();
  let endMs = Infinity;
  let lastMs = 0;
  let isOver = false;
  const sockets = new Set<Socket>();

  const keep = (value: string): void => {
    // Short fields leave after the run; bodies are large and leave in the middle of it.
    if (kept.push(value) < KEPT_PER_MESSAGE || plan.keep !== 'bodies') return;
    tell({ is: 'kept', kept });
    kept = [];
  };

  const finish = (): void => {
    if (isOver) return;
    isOver = true;
    const cpu = process.cpuUsage(beginCpu);
    for (const socket of sockets) socket.destroy();
    const sorted = Float64Array.from(times).sort();
    // Whoever sends a fixed number of requests is measured to the last answer.
    const seconds = (Math.min(endMs, Math.max(lastMs, beginMs)) - beginMs) / 1_000;
    const result: LoadResult = {
      clients: plan.clients,
      seconds,
      answers: sorted.length,
      perSecond: sorted.length / seconds,
      p50Ms: quantile(sorted, 0.5),
      p99Ms: quantile(sorted, 0.99),
      maxMs: sorted.at(-1) ?? NaN,
      statuses: Object.fromEntries(statuses),
      broken,
      odd,
      kept: [],
      generatorCpuUs: (cpu.user + cpu.system) / Math.max(1, sorted.length),
    };
    for (let from = 0; from < kept.length; from += KEPT_PER_MESSAGE)
      tell({ is: 'kept', kept: kept.slice(from, from + KEPT_PER_MESSAGE) });
    tell({ is: 'end', result });
  };

  const client = (): void => {
    const socket = connect({ host: plan.host, port: plan.port, noDelay: true });
    sockets.add(socket);
    let sentMs = 0;
    let waiting: Buffer = NOTHING;
    let isDone = false;

    const leave = (): void => {
      if (isDone) return;
      isDone = true;
      sockets.delete(socket);
      socket.destroy();
      if (--open === 0) finish();
    };
    const next = (): void => {
      // Whoever has an answer on its way when the window ends still waits for it: it is kept and checked.
      if (sent >= most || performance.now() >= endMs) return leave();
      const request = plan.requests[sent++ % plan.requests.length]!;
      sentMs = performance.now();
      socket.write(encode(request));
    };
    const hear = (answer: Answer): void => {
      const nowMs = performance.now();
      lastMs = nowMs;
      statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
      if (answer.status === plan.wantedStatus) {
        if (nowMs >= beginMs && nowMs < endMs) times.push(nowMs - sentMs);
        const value = keepOf(answer.body);
        if (value !== undefined) keep(value);
      } else if (odd.length < MOST_ODD) odd.push(`${answer.status} ${answer.body.toString('utf8').slice(0, 400)}`);
      next();
    };

    socket.on('connect', next);
    socket.on('data', (chunk: Buffer) => {
      waiting = waiting.length === 0 ? chunk : Buffer.concat([waiting, chunk]);
      const answer = readAnswer(waiting);
      if (answer === undefined) return;
      waiting = answer.rest;
      hear(answer);
    });
    const breakOff = (): void => {
      if (isDone || isOver) return;
      broken++;
      leave();
    };
    socket.on('error', breakOff);
    socket.on('close', breakOff);
  };

  const begin = (): void => {
    beginMs = performance.now();
    endMs = beginMs + plan.seconds * 1_000;
    beginCpu = process.cpuUsage();
    tell({ is: 'begin' });
  };
  if (plan.warmUpSeconds === 0) begin();
  else setTimeout(begin, plan.warmUpSeconds * 1_000);
  for (let n = 0; n < plan.clients; n++) client();
}

process.once('message', (plan: LoadPlan) => run(plan, (message) => void process.send?.(message)));
process.once('disconnect', () => process.exit(0));
