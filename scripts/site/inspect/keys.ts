// Idempotency-Keys that have an outcome at two sites: while one can't be reached, an address is given out all the same, and
// the answer says how far its key counts (design.md §12). What came of it twice is an operator's to resolve.
import type { KeyedOutcome } from '../../../actors/ports.ts';
import { isRefusal } from '../../../actors/refusal.ts';
import { keyedView, MOST_KEYS, type KeyedView, type Questions } from '../../../http/questions.ts';
import type { Site } from '../../../http/site.ts';

export interface TwiceKey {
  identity: string;
  key: string;
  /** One for each site that has an outcome of it. */
  outcomes: Array<{ site: string } & Pick<KeyedView, 'request' | 'thing' | 'atMs'>>;
}

export interface KeysView {
  /** The newest keys of this site that the others were asked for. */
  compared: number;
  /** Sites that could not be asked. */
  missing: string[];
  twice: TwiceKey[];
}

const WITHIN_MS = 5_000;

const nameOf = ({ identity, key }: { identity: string; key: string }): string => `${identity}\0${key}`;
const outcomeOf = (site: string, { request, thing, atMs }: KeyedView): TwiceKey['outcomes'][number] => ({
  site,
  request,
  thing,
  atMs,
});

/** Asks every other site for the newest keys that have an outcome here. */
export async function keysTwice(
  site: Pick<Site, 'id' | 'federation'>,
  newest: (most: number) => Promise<KeyedOutcome[]>,
): Promise<KeysView> {
  if (site.federation.others().length === 0) return { compared: 0, missing: [], twice: [] };
  const own = new Map((await newest(MOST_KEYS)).map((outcome) => [nameOf(outcome), keyedView(outcome)]));
  const ask: Questions['keys-known']['ask'] = {
    keys: [...own.values()].map(({ identity, key }) => ({ identity, key })),
  };
  const missing: string[] = [];
  const twice = new Map<string, TwiceKey>();
  const answers = own.size === 0 ? [] : await site.federation.askOthers('keys-known', ask, WITHIN_MS);
  for (const [member, answer] of answers) {
    if (isRefusal(answer)) {
      missing.push(member);
      continue;
    }
    for (const view of (answer as Questions['keys-known']['reply']).known) {
      const here = own.get(nameOf(view));
      if (here === undefined) continue;
      const { identity, key } = view;
      const found = twice.get(nameOf(view)) ?? { identity, key, outcomes: [outcomeOf(site.id, here)] };
      found.outcomes.push(outcomeOf(member, view));
      twice.set(nameOf(view), found);
    }
  }
  return { compared: own.size, missing, twice: [...twice.values()] };
}
