// A dry run: the handler of the real one over a site that decides and changes nothing (reliability.md I18).
import type { Context } from 'hono';
import type { Asker } from '../actors/asker.ts';
import type { Claim } from '../actors/registry/messages.ts';
import { isDryAnswer, type DryAnswer } from '../actors/runtime/dry-run.ts';
import { together } from '../actors/registry/claims.ts';
import { invalid, isRefusal, type Refusal } from '../actors/refusal.ts';
import { meansDryRun } from '../router/message.ts';
import type { EdgeEnv } from './env.ts';
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

/** What a request says, as far as it may ask for a dry run. */
export interface DryAsked {
  header: string | undefined;
  query: string | undefined;
  isV1: boolean;
  /** Names of headers and of query parameters that read as a wish for one ({@link meansDryRun}). */
  headers: readonly string[];
  queries: readonly string[];
}

const mistyped = (what: string): Refusal =>
  invalid(
    `${what} is not known, and nothing was done: for a dry run send the header ${DRY_HEADER}: true, or below /v2 the query parameter ${DRY_QUERY}=true`,
  );

const isRightHeader = (name: string): boolean => name.toLowerCase() === 'x-hanse-dry-run';

/** Whether a dry run is asked for; Invalid when it is asked for in a way that would be overlooked. */
export function wantsDryRun(asked: DryAsked): boolean | Refusal {
  for (const name of asked.headers) {
    if (!isRightHeader(name)) return mistyped(`the header ${JSON.stringify(name)}`);
  }
  for (const name of asked.queries) {
    if (name !== DRY_QUERY) return mistyped(`the query parameter ${JSON.stringify(name)}`);
  }
  if (asked.header === undefined && asked.query === undefined) return false;
  if (asked.isV1 && asked.query !== undefined) {
    return invalid(`${DRY_QUERY} is a parameter of /v2, under /v1 send the header ${DRY_HEADER}: true`);
  }
  const byHeader = flag(`the header ${DRY_HEADER}`, asked.header);
  if (byHeader !== false) return byHeader;
  return flag(`the query parameter ${DRY_QUERY}`, asked.query);
}

const NONE: readonly string[] = [];

/** {@link wantsDryRun} of a request. */
export function isDryRequest({ req, env }: Context<EdgeEnv>, isV1: boolean): boolean | Refusal {
  // Of a socket the names lie ready: to ask the Request for them makes it three times as dear.
  const raw = env?.incoming?.rawHeaders;
  return wantsDryRun({
    header: req.header(DRY_HEADER),
    query: req.query(DRY_QUERY),
    isV1,
    headers:
      raw === undefined
        ? [...req.raw.headers.keys()].filter(meansDryRun)
        : raw.filter((name, at) => at % 2 === 0 && meansDryRun(name)),
    queries: req.url.includes('?') ? Object.keys(req.query()).filter(meansDryRun) : NONE,
  });
}

/** The word of all others without promises; refused as the real proposal would be (router/federation). */
async function checkClaims(site: Site, h: string, claims: Claim[], asker?: Asker): Promise<Refusal | undefined> {
  const ask = { h, site: site.id, claims };
  const answers = await site.federation.askOthers('promise.check', ask, MEMBERS_WITHIN_MS, asker);
  const refused = [...answers.values()].filter((answer) => isRefusal(answer));
  return refused.find(({ kind }) => kind === 'Unavailable') ?? together(refused);
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
    propose: (h, claims, asker) => checkClaims(site, h, claims, asker),
    settle: async () => {},
    release: async () => {},
    spread: async () => {},
  },
  host: async () => {},
});
