// How many requests this process works on at a time. The number follows the measured delay: too many at once only make
// each of them late, so who comes beyond it is refused at once, before its body is read (reliability.md §10).
import type { World } from '../actors/ports.ts';
import { refusedHeaders, spread } from '../router/refused.ts';
import { classify, type Arrival, type RequestClass } from './request-class.ts';
import type { Gate, Refused, RequestHead } from './gate.ts';
import { errorText } from './wire-errors.ts';

interface Best {
  sinceMs: number;
  before: number;
  now: number;
}

/** Why a request is refused: `share`: its identity has more than its part; `limit`: this process has enough. */
export interface Denied {
  status: 429 | 503;
  reason: 'share' | 'limit';
  retryAfterS: number;
}

/** `overloaded`: it was let in here, and somebody behind has too much to do: a shard, an actor, who reads bodies, a link. */
export type RefusedFor = Denied['reason'] | 'overloaded';

export interface AdmissionState {
  /** Requests that may be under way at a time, and that are. */
  limit: number;
  inFlight: number;
  /** Refused since the process began. */
  refused: Readonly<Record<RefusedFor, number>>;
  /** How much later than the best of their operation the answers of the last period were. */
  delayMs: number;
}

export interface Admission {
  /**
   * Either refused, or a function to be called once, when it is answered; `isOwn`: by this process alone, so that the time
   * it took tells of this process.
   */
  admit(arrival: Arrival): Denied | ((isOwn: boolean) => void);
  /** Whether it would be refused now, if `promised` more were under way (default 0); counts nothing. */
  look(arrival: Omit<Arrival, 'operation'>, promised?: number): Denied | undefined;
  /** Counts one that was refused because of a look, or behind it. */
  turnedAway(reason: RefusedFor): void;
  readonly state: AdmissionState;
}

export interface AdmissionOptions {
  world: Pick<World, 'monotonicMs' | 'random'>;
  /** The number may not fall below this, so that groups in the database stay worth their commit. Default 128. */
  least?: number;
  /** Default 1,024. */
  most?: number;
}

/** So much later than the best answer of its operation is paid for groups, more is a queue. */
const DELAY_MS = 20;
/** The best of so long: a database that became slow is not taken for a queue for ever. */
const MEMORY_MS = 30_000;
const PERIOD_MS = 100;
const DECREASE = 0.9;
const INCREASE = 8;
/** Of the number, for each class; A has more than all, so that giving back is possible when taking is not. */
const PARTS: Readonly<Record<RequestClass, number>> = { A: 1.25, B: 1, C: 0.5 };

export function createAdmission({ world, least = 128, most = 1_024 }: AdmissionOptions): Admission {
  let limit = Math.min(most, 4 * least);
  let inFlight = 0;
  const refused = { share: 0, limit: 0, overloaded: 0 };
  let delayMs = 0;
  const identities = new Map<string, number>();

  let periodStart = world.monotonicMs();
  /** Over the answers of a period: how much later than the best of its operation, and how much later it may be. */
  let late = 0;
  let allowed = 0;
  let count = 0;
  let peak = 0;
  const operations = new Map<string, Best>();

  /** The fastest answer of an operation lately: what it takes when nothing is in its way. */
  function bestOf(operation: string, ms: number, now: number): number {
    const known = operations.get(operation);
    if (known === undefined) {
      operations.set(operation, { sinceMs: now, before: ms, now: ms });
      return ms;
    }
    if (now - known.sinceMs > MEMORY_MS / 2) Object.assign(known, { sinceMs: now, before: known.now, now: ms });
    known.now = Math.min(known.now, ms);
    return Math.min(known.before, known.now);
  }

  function measure(operation: string, ms: number, now: number): void {
    const best = bestOf(operation, ms, now);
    late += ms - best;
    allowed += Math.max(DELAY_MS, 2 * best);
    count++;
    if (now - periodStart < PERIOD_MS) return;
    delayMs = late / count;
    if (late > allowed) limit = Math.max(least, limit * DECREASE);
    else if (peak > limit * 0.5) limit = Math.min(most, limit + INCREASE);
    periodStart = now;
    late = 0;
    allowed = 0;
    count = 0;
    peak = inFlight;
  }

  const deny = (status: Denied['status'], reason: Denied['reason']): Denied => ({
    status,
    reason,
    retryAfterS: spread(1, () => world.random()),
  });

  // Probes and agents are nobody's share.
  const hasShare = (kind: RequestClass, identity: string): boolean => kind !== 'A' && identity !== '';

  function look({ class: kind, identity }: Omit<Arrival, 'operation'>, promised = 0): Denied | undefined {
    const isShared = hasShare(kind, identity) && identities.size > 1;
    const own = identities.get(identity) ?? 0;
    const isBeyond = isShared && own >= limit / identities.size;
    const underWay = inFlight + promised;
    if (underWay >= limit * PARTS[kind]) return isBeyond ? deny(429, 'share') : deny(503, 'limit');
    // Near the end of the room nobody may take what another one has not had yet.
    return isBeyond && underWay >= limit * 0.9 ? deny(429, 'share') : undefined;
  }

  return {
    look,
    turnedAway: (reason) => void refused[reason]++,
    admit({ class: kind, identity, operation }) {
      const denied = look({ class: kind, identity });
      if (denied !== undefined) {
        refused[denied.reason]++;
        return denied;
      }
      const isShared = hasShare(kind, identity);
      inFlight++;
      peak = Math.max(peak, inFlight);
      if (isShared) identities.set(identity, (identities.get(identity) ?? 0) + 1);
      const startMs = world.monotonicMs();
      let isOver = false;
      return (isOwn) => {
        if (isOver) return;
        isOver = true;
        inFlight--;
        const left = (identities.get(identity) ?? 1) - 1;
        if (isShared && left === 0) identities.delete(identity);
        else if (isShared) identities.set(identity, left);
        const now = world.monotonicMs();
        // What a list takes depends on its length.
        if (isOwn && kind !== 'C') measure(operation, now - startMs, now);
      };
    },
    get state() {
      return { limit: Math.floor(limit), inFlight, refused: { ...refused }, delayMs };
    },
  };
}

/** Who asks, by the head alone: the HMAC user, or the token itself, which is not looked into before it is verified. */
export function identityOf(authorization: string | undefined): string {
  if (authorization === undefined) return '';
  if (authorization.startsWith('Bearer ')) return authorization.slice(-43);
  const blank = authorization.indexOf(' ');
  return blank < 0 ? authorization : authorization.slice(0, blank);
}

const TEXTS: Readonly<Record<Denied['reason'], string>> = {
  share: 'you have more requests under way than your share at the moment; nothing was done, try again',
  limit: 'more requests are under way than can be answered in time; nothing was done, try again',
};

const refusedBy = ({ status, reason, retryAfterS }: Denied): Refused => ({
  status,
  headers: [['content-type', 'application/json'], ...refusedHeaders(reason, retryAfterS)],
  body: Buffer.from(errorText(status, TEXTS[reason])),
});

/** There are few of them, and many ask at a time: each is made once. */
function createDeniedAnswers(): (denied: Denied) => Refused {
  const made = { share: new Map<number, Refused>(), limit: new Map<number, Refused>() };
  return (denied) => {
    let refused = made[denied.reason].get(denied.retryAfterS);
    if (refused === undefined) made[denied.reason].set(denied.retryAfterS, (refused = refusedBy(denied)));
    return refused;
  };
}

/** By the head of a request alone. */
export function createGate(admission: Admission, basePath: string): Gate {
  const answerOf = createDeniedAnswers();
  const read = ({ method, path, header }: RequestHead): Arrival => {
    const { class: kind, operation } = classify(method, path, header, basePath);
    return { class: kind, operation, identity: identityOf(header('authorization')) };
  };
  const arrivalOf = (head: RequestHead): Arrival => (head.arrival ??= read(head));
  return {
    look(head, promised) {
      const denied = admission.look(arrivalOf(head), promised);
      return denied && answerOf(denied);
    },
    turnedAway: ({ status }) => admission.turnedAway(status === 429 ? 'share' : 'limit'),
    answered(status, reason) {
      if (status === 503 && reason === 'overloaded') admission.turnedAway(reason);
    },
    enter(head) {
      const answer = admission.admit(arrivalOf(head));
      return typeof answer === 'function' ? answer : answerOf(answer);
    },
  };
}
