// Requests of the clients: signed as metalctl signs, on their way to a process that may die meanwhile, repeated under a key.
import { createAsker, type Asker } from '../../../actors/asker.ts';
import { signRequest } from '../../../http/auth/hmac.ts';
import type { EdgeConfig } from '../../../http/site.ts';
import type { HttpAnswer, HttpRequest } from '../../../router/message.ts';
import { OTHERS_GRACE_MS, OWN_GRACE_MS } from '../../site/in-time.ts';
import { UNSTORABLE } from '../../site/poison.ts';
import { between, chance, pick, scaled } from '../draw.ts';
import type { SiteProcess } from '../site-process.ts';
import { START_MS, type Universe } from '../universe.ts';
import { claimsNothing, claimsPoison, hasHeader, messageOf, type Told } from './answers.ts';

export interface RequestsOptions {
  universe: Universe;
  hmac: EdgeConfig['hmac'];
  processesOf(site: number): readonly SiteProcess[];
  isOver(): boolean;
  /** What is said from memory may be old: nobody is held to it. */
  isDisputed(): boolean;
  /** Names of requests that have no answer. */
  open: Set<string>;
}

export interface Wanted {
  method: string;
  path: string;
  body?: unknown;
  key?: string | undefined;
  /** Signed with another key than the sites'. */
  isForged?: boolean;
  /** It gives the request no time of its own. */
  isPatient?: boolean;
}

export interface Requests {
  readonly answered: number;
  /** Chance of what clients do, beside the schedule. */
  noise(): number;
  send(site: number, wanted: Wanted): Promise<Told>;
  /** Repeats until it is answered, if there is a key. */
  persist(site: number, wanted: Wanted): Promise<Told>;
  /** Requests that were on their way to a process that died end with its connections. */
  died(process: SiteProcess): void;
}

/** A request may take its own time, and that of the asks it makes. */
const ANSWER_WITHIN_MS = 100_000;
/**
 * A request with a time of its own is answered so long after it at the latest: its place may be asked for until then, and
 * after that it is our own edge's. Timers are a hundredth late.
 */
const lateBy = (timeoutMs: number): number => OTHERS_GRACE_MS + OWN_GRACE_MS + 5 + 0.02 * timeoutMs;
const REPEAT_MS = 700;
const MOST_TRIES = 12;
const SALT = 'abcdefghijklmnopqrstuvwx';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

async function textOf(body: HttpAnswer['body']): Promise<string> {
  if (body === null) return '';
  return body instanceof Uint8Array ? decoder.decode(body) : await new Response(body).text();
}

export function createRequests({ universe, hmac, processesOf, isOver, isDisputed, open }: RequestsOptions): Requests {
  const noise = universe.stream('clients');
  const times = universe.stream('times of requests');
  const hasty = pick(times, [0, 0.1, 0.3]);
  const waiting = new Map<SiteProcess, Set<() => void>>();
  const signatures = new Map<string, Array<[string, string]>>();
  let requests = 0;
  let answered = 0;

  /** A signature covers second, method and key only. */
  function signed(method: string, isForged: boolean): Array<[string, string]> {
    const second = Math.floor((START_MS + universe.nowMs) / 1_000);
    const name = `${second} ${method} ${isForged}`;
    let known = signatures.get(name);
    if (known === undefined) {
      const key = isForged ? 'another key' : hmac['Metal-Admin'].key;
      known = Object.entries(signRequest('Metal-Admin', key, method, second * 1_000, SALT));
      signatures.set(name, known);
    }
    return known;
  }

  const requestOf = ({ method, path, body, key, isForged = false }: Wanted): HttpRequest => ({
    method,
    path,
    headers: [
      ...signed(method, isForged),
      ['accept', 'application/json'],
      ...(body === undefined ? [] : [['content-type', 'application/json'] as const]),
      ...(key === undefined ? [] : [['Idempotency-Key', key] as const]),
    ],
    body: body === undefined ? new Uint8Array() : encoder.encode(JSON.stringify(body)),
    via: 'http',
  });

  /** Milliseconds from its arrival. */
  const timeoutOf = ({ isPatient = false }: Wanted): number =>
    !isPatient && chance(times, hasty) ? scaled(times, 5, 5_000) : Infinity;

  /** Hears in time what came of it, whatever stands still, but for the process itself. */
  function inTime(name: string, process: SiteProcess, timeoutMs: number): { asker?: Asker; answered(): void } {
    if (timeoutMs === Infinity) return { answered: () => {} };
    const { world, stalledMs } = process.main;
    const arrivedMs = universe.nowMs;
    return {
      asker: createAsker(() => arrivedMs + timeoutMs - world.monotonicMs()),
      answered() {
        const tookMs = universe.nowMs - arrivedMs;
        if (tookMs > timeoutMs) universe.met('request answered after its own time');
        if (tookMs <= timeoutMs + lateBy(timeoutMs) || process.main.stalledMs !== stalledMs) return;
        universe.violate('I16', `${name} had ${Math.round(timeoutMs)} ms and was answered after ${Math.round(tookMs)}`);
      },
    };
  }

  function send(site: number, wanted: Wanted): Promise<Told> {
    const request = requestOf(wanted);
    const timeoutMs = timeoutOf(wanted);
    const { method, path } = request;
    const serving = processesOf(site).filter((process) => process.isServing);
    const process = serving[Math.floor(noise() * serving.length)];
    return new Promise((resolve) => {
      if (process === undefined)
        return void universe.after(between(noise, 0.2, 2), () => resolve({ status: 'unsent' }));
      let isEnded = false;
      const name = `request ${++requests} ${process.name} ${method} ${path}`;
      open.add(name);
      const finish = (told: Told): void => {
        if (isEnded) return;
        isEnded = true;
        open.delete(name);
        waiting.get(process)?.delete(broken);
        cancel();
        if (told.status !== 'lost') answered++;
        if (claimsPoison(told) && !decoder.decode(request.body).includes(UNSTORABLE))
          universe.violate('I15', `${method} ${path} was refused for what another one asked`);
        universe.note('answer', () => `${method} ${path} ${JSON.stringify(told).slice(0, 300)}`);
        resolve(told);
      };
      const broken = (): void => void universe.after(between(noise, 0.1, 3), () => finish({ status: 'lost' }));
      const set = waiting.get(process) ?? new Set();
      waiting.set(process, set.add(broken));
      const cancel = universe.after(ANSWER_WITHIN_MS, () => {
        if (isEnded) return;
        universe.violate('I16', `${method} ${path} at ${process.name} had no answer after ${ANSWER_WITHIN_MS} ms`);
      });
      universe.note('request', () => `${process.name} ${method} ${path} ${decoder.decode(request.body)}`);
      process.main.world.after(between(noise, 0.1, 1), () => {
        const time = inTime(name, process, timeoutMs);
        process
          .handle({ ...request, asker: time.asker })
          .then(async ({ status, headers, body }) => {
            const text = await textOf(body);
            time.answered();
            // Of a write it is only a refusal that comes from memory; that nobody knows the outcome stays so.
            const isSaid = method === 'GET' || (status >= 400 && status !== 503 && status !== 429);
            const told: Told = isSaid && isDisputed() ? { status: 'unsent' } : { status, text, headers };
            process.main.world.after(between(noise, 0.1, 1), () => finish(told));
          })
          .catch(() => broken());
      });
    });
  }

  /** Whether it is worth another try. */
  const isUncertain = ({ status }: Told): boolean =>
    status === 'lost' || status === 'unsent' || status === 503 || status === 409;
  /** Whether it may have been executed. */
  const mayHaveRun = (told: Told): boolean =>
    told.status === 'lost' || (told.status === 503 && 'text' in told && !claimsNothing(messageOf(told.text)));

  async function persist(site: number, wanted: Wanted): Promise<Told> {
    const first = processesOf(site).find(({ isServing }) => isServing);
    let told = await send(site, wanted);
    if (wanted.key === undefined) return told;
    let wasLost = told.status === 'lost';
    for (let tries = 0; tries < MOST_TRIES && !isOver(); tries++) {
      if (!isUncertain(told)) {
        if (wasLost && 'text' in told && hasHeader(told, 'idempotent-replayed')) {
          universe.met('request replayed after a lost answer');
          if (first?.main.isAlive === false) universe.met('request replayed after a failover');
        }
        return told;
      }
      wasLost ||= mayHaveRun(told);
      if (told.status === 409 && !wasLost) return told;
      await new Promise<void>((resolve) => void universe.after(REPEAT_MS * (0.5 + noise()), resolve));
      const again = await send(site, wanted);
      // What was once lost stays possible, whatever is said of a later try.
      const isRefused = typeof again.status === 'number' && again.status >= 400;
      if (wasLost && isRefused && again.status !== 503 && again.status !== 409) return { status: 'lost' };
      told = again;
    }
    return wasLost ? { status: 'lost' } : told;
  }

  return {
    get answered() {
      return answered;
    },
    noise,
    send,
    persist,
    died(process) {
      const all = waiting.get(process);
      waiting.delete(process);
      for (const broken of all ?? []) broken();
    },
  };
}
