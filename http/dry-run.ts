// A dry run: the handler of the real one over a site that decides and changes nothing (reliability.md I18).
import { isDryAnswer, type DryAnswer } from '../actors/runtime/dry-run.ts';
import { invalid, isRefusal, type Refusal } from '../actors/refusal.ts';
import type { AskOptions, Site } from './site.ts';

/** On requests of every version and on the answers to them. */
export const DRY_HEADER = 'X-Hanse-Dry-Run';
/** Query parameter, below /v2 only: v1 has its own parameters. */
export const DRY_QUERY = 'dryRun';

const MEMBERS_WITHIN_MS = 5_000;

export type WouldChange = DryAnswer['changes'][number];

const flag = (name: string, value: string | undefined): boolean | Refusal => {
  if (value === undefined) return false;
  if (value === 'true' || value === 'false') return value === 'true';
  return invalid(`${name} must be true or false, got "${value}"`);
};

/** Whether a dry run is asked for; Invalid when it is asked for in a way that would be overlooked. */
export function wantsDryRun(asked: {
  header: string | undefined;
  query: string | undefined;
  isV1: boolean;
}): boolean | Refusal {
  if (asked.header === undefined && asked.query === undefined) return false;
  if (asked.isV1 && asked.query !== undefined) {
    return invalid(`${DRY_QUERY} is a parameter of /v2, under /v1 send the header ${DRY_HEADER}: true`);
  }
  const byHeader = flag(`the header ${DRY_HEADER}`, asked.header);
  if (byHeader !== false) return byHeader;
  return flag(`the query parameter ${DRY_QUERY}`, asked.query);
}

/** The word of all others without promises; refused as the real proposal would be (router/federation). */
async function checkClaims(site: Site, h: string, claims: unknown): Promise<Refusal | undefined> {
  const answers = await site.federation.askOthers('promise.check', { h, site: site.id, claims }, MEMBERS_WITHIN_MS);
  const refused = [...answers].filter((answer): answer is [string, Refusal] => isRefusal(answer[1]));
  const [first] = refused;
  if (first === undefined) return undefined;
  const missing = refused.find(([, { kind }]) => kind === 'Unavailable');
  if (missing !== undefined) return missing[1];
  return { ...first[1], message: refused.map(([member, { message }]) => `${message} (site ${member})`).join('\n') };
}

/** The site as it is, save that nothing can be changed through it. What would be is put into `changes`. */
export const drySite = (site: Site, changes: WouldChange[]): Site => ({
  ...site,
  ask: (async (to, command, body, { who, withinMs, asker }) => {
    const options: AskOptions = { who, dry: true, asker, ...(withinMs === undefined ? {} : { withinMs }) };
    const answer: unknown = await site.ask(to, command, body, options);
    if (!isDryAnswer(answer)) return answer;
    changes.push(...answer.changes);
    return answer.reply;
  }) as Site['ask'],
  federation: {
    ...site.federation,
    propose: (h, claims) => checkClaims(site, h, claims),
    settle: async () => {},
    spread: async () => {},
  },
  host: async () => {},
});
