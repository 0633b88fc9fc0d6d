// Idempotency-Key: a mutating request that has one is executed once; whoever repeats it gets the first answer again
// (draft-ietf-httpapi-idempotency-key-header, design.md §4 and §12).
import { createHash } from 'node:crypto';
import type { Asker } from '../actors/asker.ts';
import type { IdempotencyKey, KeyedOutcome } from '../actors/ports.ts';
import {
  conflict,
  invalid,
  isRefusal,
  because,
  unavailable,
  undecided,
  unprocessable,
  unreachable,
  type Refusal,
} from '../actors/refusal.ts';
import { outcomeName } from './outcomes.ts';
import type { KnownOutcome } from './questions.ts';
import type { AskOptions, Caller, Site } from './site.ts';

export const KEY_HEADER = 'Idempotency-Key';
/** `true` on an answer that was given before. */
export const REPLAYED_HEADER = 'Idempotent-Replayed';
/** Of an answer that other sites may not know of: `site <id>`. */
export const SCOPE_HEADER = 'Idempotency-Scope';

/** Milliseconds for asking the other members whether they know a key. */
const MEMBERS_WITHIN_MS = 2_000;
/** Who has less time left is told what is known already; timers are not exact to the millisecond. */
const LOOK_MS = 20;

/**
 * An operation that any site may execute: the others are asked for the key first. `everywhere`: it is refused while one
 * can't be reached; `here`: it goes on, and the answer says how far the key counts.
 */
export type Placeless = 'everywhere' | 'here';

/** JSON without what an encoder is free to choose: blanks and the order of keys. */
function canonical(json: unknown): string {
  if (Array.isArray(json)) return `[${json.map(canonical).join()}]`;
  if (typeof json !== 'object' || json === null) return JSON.stringify(json) ?? 'null';
  const fields = Object.entries(json)
    .filter(([, value]) => value !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([name, value]) => `${JSON.stringify(name)}:${canonical(value)}`).join()}}`;
}

/** The header's value as a key, or Invalid; undefined without the header. */
export function readKey(header: string | undefined): string | undefined | Refusal {
  if (header === undefined || /^[\x21-\x7e]{1,255}$/.test(header)) return header;
  return invalid(`the header ${KEY_HEADER} must have 1 to 255 visible ASCII characters without blanks`);
}

/** `path` is that of v1, with the query but without `dryRun`; `body` as it was checked, undefined where none is read. */
export function keyOf(
  key: string,
  caller: Caller,
  request: { method: string; path: string; body: unknown },
): IdempotencyKey {
  const body = request.body === undefined ? '-' : createHash('sha256').update(canonical(request.body)).digest('hex');
  return {
    identity: `${caller.tenant}/${caller.email}`,
    key,
    request: `${request.method} ${request.path} ${body}`,
  };
}

/** Why the key's outcome is not that of this request. */
function otherRequest(known: KeyedOutcome, { key, request }: IdempotencyKey): Refusal | undefined {
  if (known.request === request) return undefined;
  const [method, path, body] = known.request.split(' ');
  const [ownMethod, ownPath, ownBody] = request.split(' ');
  const parts: Array<[isSame: boolean, name: string, differs: string]> = [
    [method === ownMethod, 'method', `the method was ${method}`],
    [path === ownPath, 'path', `the path was ${path}`],
    [body === ownBody, 'body', body === '-' ? 'there was no body' : 'the body was another'],
  ];
  const differs = parts.filter(([isSame]) => !isSame).map(([, , text]) => text);
  const same = parts.filter(([isSame]) => isSame).map(([, name]) => name);
  const rest = same.length === 0 ? '' : `, ${same.join(' and ')} ${same.length === 1 ? 'is' : 'are'} the same`;
  return unprocessable(
    `the ${KEY_HEADER} "${key}" was used for another request: ${differs.join(', ')}${rest}; use a new key`,
  );
}

const stillRunning = ({ key }: IdempotencyKey, where: string): Refusal =>
  undecided(conflict(`the first request with the ${KEY_HEADER} "${key}" is still running${where}, repeat it later`));

const find = async (site: Site, { identity, key }: IdempotencyKey): Promise<KeyedOutcome | undefined | Refusal> => {
  try {
    return await site.outcomes.find(identity, key);
  } catch {
    return because(
      'database',
      unavailable(`it is not known whether the ${KEY_HEADER} "${key}" has an outcome: the database does not answer`),
    );
  }
};

/** What the other members know of the key. `missing`: those that could not be asked. */
async function findElsewhere(
  site: Site,
  key: IdempotencyKey,
  asker: Asker | undefined,
): Promise<{ known: KeyedOutcome | undefined; missing: string[] } | Refusal> {
  const { identity } = key;
  const missing: string[] = [];
  let known: KeyedOutcome | undefined;
  if (site.federation.others().length === 0) return { known, missing };
  const question = { identity, key: key.key };
  const answers = await site.federation.askOthers('idempotency', question, MEMBERS_WITHIN_MS, asker);
  for (const [member, answer] of answers) {
    if (isRefusal(answer)) {
      missing.push(member);
      continue;
    }
    const { outcome, running } = answer as KnownOutcome;
    if (outcome !== null) known ??= outcome;
    else if (running) return stillRunning(key, ` at site ${member}`);
  }
  return { known, missing };
}

/** How a request with a key ended: a reply of now or of the first time, with headers for the answer. */
export interface Kept<R> {
  reply: R;
  headers: Record<string, string>;
}

/**
 * Executes `act` unless the key has an outcome. `act` is to pass the key with the ask that changes something, which stores
 * the outcome in its own transaction. `as.dry`: nothing will be stored, so nobody has to wait for this request.
 */
export async function once<R>(
  site: Site,
  key: IdempotencyKey,
  placeless: Placeless | undefined,
  { dry: isDry = false, asker }: Pick<AskOptions, 'dry' | 'asker'>,
  act: () => R | Refusal | Promise<R | Refusal>,
): Promise<Kept<R> | Refusal> {
  const { running } = site.outcomes;
  const name = outcomeName(key.identity, key.key);
  if (running.has(name)) return stillRunning(key, '');
  // Before the first question: two sites that are asked at once must see each other.
  if (!isDry) running.add(name);
  const replayed = (known: KeyedOutcome): Kept<R> | Refusal =>
    otherRequest(known, key) ?? { reply: known.reply as R, headers: { [REPLAYED_HEADER]: 'true' } };
  try {
    const known = await find(site, key);
    if (isRefusal(known)) return known;
    if (known !== undefined) return replayed(known);
    const headers: Record<string, string> = {};
    if (placeless !== undefined) {
      const elsewhere = await findElsewhere(site, key, asker);
      if (isRefusal(elsewhere)) return elsewhere;
      if (elsewhere.known !== undefined) return replayed(elsewhere.known);
      if (elsewhere.missing.length > 0) {
        const names = elsewhere.missing.join(', ');
        if (placeless === 'everywhere') {
          return unreachable(
            `it is not known whether the ${KEY_HEADER} "${key.key}" has an outcome: site ${names} can't be reached`,
            5,
          );
        }
        headers[SCOPE_HEADER] = `site ${site.id}`;
      }
    }
    const reply = await act();
    if (!isRefusal(reply)) return { reply, headers };
    // Its time is over, and the database may be what it waited for.
    if ((asker?.remainingMs ?? Infinity) < LOOK_MS) return reply;
    // Refused because it was done already, by a request that nobody waits for any more: of a process before this one, or
    // of a shard that ended without a word.
    const late = await find(site, key);
    return late === undefined || isRefusal(late) ? reply : replayed(late);
  } finally {
    if (!isDry) running.delete(name);
  }
}
