// How routes read and write the directory: reads from the site's copy, writes through the directory actor, answered when
// the reachable members have them (design.md §2, read your writes).
import { addressOf, siteScope } from '../../actors/address.ts';
import type {
  AskedKind,
  CreateEntry,
  DeleteEntry,
  DirectoryRequests,
  UpdateEntry,
} from '../../actors/directory/messages.ts';
import type { DirectoryEntities, DirectoryKind, DirectoryRecord } from '../../actors/directory/record.ts';
import { alreadyExists, isRefusal, notFound, unreachable, type Refusal } from '../../actors/refusal.ts';
import type { EntryAnswer } from '../questions.ts';
import { created, ok, type Answer } from '../route.ts';
import type { AskOptions, Site } from '../site.ts';

/** What a write needs of the request. */
export interface Writer {
  site: Site;
  as: AskOptions;
}

/** Milliseconds for a question to the other members. */
export const MEMBERS_WITHIN_MS = 2_000;

export const unreachableMembers = (answers: ReadonlyMap<string, unknown>): string[] =>
  [...answers].filter(([, answer]) => isRefusal(answer)).map(([member]) => member);

/** 503 that names who can't be reached. */
export const refuseUnreachable = (answers: ReadonlyMap<string, unknown>, why: string): Refusal | undefined => {
  const missing = unreachableMembers(answers);
  return missing.length === 0 ? undefined : unreachable(`${why}: site ${missing.join(', ')} can't be reached`, 5);
};

/** An entry as another member knows it. What it says of ours is a copy that is behind: we would know. */
const known = (site: Site, answer: unknown): DirectoryRecord | null => {
  const entry = isRefusal(answer) ? null : (answer as EntryAnswer).entry;
  return entry === null || entry.home === site.id ? null : (entry as DirectoryRecord);
};

const directoryActor = (site: Site, kind: AskedKind) => addressOf(siteScope(site.id), 'directory', kind);

export const noSuch = (kind: DirectoryKind, id: string): Refusal => notFound(`no ${kind} with id "${id}" found`);

/** From the copy, else of all members before 404; 503 while one that can't be reached might know it. */
export async function findEntry<K extends DirectoryKind>(
  site: Site,
  kind: K,
  id: string,
  { asker }: Pick<AskOptions, 'asker'>,
): Promise<DirectoryEntities[K] | Refusal> {
  const own = site.directory.get(kind, id);
  if (own !== undefined) return own;
  const absent = noSuch(kind, id);
  if (site.federation.others().length === 0) return absent;
  const answers = await site.federation.askOthers('directory-entry', { kind, id }, MEMBERS_WITHIN_MS, asker);
  for (const answer of answers.values()) {
    const found = known(site, answer);
    if (found !== null && found.entity !== null) return found.entity as DirectoryEntities[K];
  }
  return refuseUnreachable(answers, `it is not known whether there is a ${kind} "${id}"`) ?? absent;
}

/** Ids that every member must call unused; of the others, those members that can be reached. */
const NEEDS_WORD: ReadonlySet<DirectoryKind> = new Set(['project', 'tenant', 'partition']);

/**
 * Is the id unused everywhere? What two sites make of one id while they are cut apart is settled afterwards
 * (design.md §12).
 */
async function refuseUsedId({ site, as }: Writer, kind: DirectoryKind, id: string): Promise<Refusal | undefined> {
  if (site.directory.get(kind, id) !== undefined) return alreadyExists();
  if (site.federation.others().length === 0) return undefined;
  const answers = await site.federation.askOthers('directory-entry', { kind, id }, MEMBERS_WITHIN_MS, as.asker);
  for (const answer of answers.values()) {
    if (known(site, answer)?.entity) return alreadyExists();
  }
  return NEEDS_WORD.has(kind) ? refuseUnreachable(answers, `the id "${id}" of a ${kind} must be unique`) : undefined;
}

/** `facts`: of other kinds, as the rules of this one need them. An empty id is the rules' business. */
export async function createEntry<K extends AskedKind>(
  { site, as }: Writer,
  kind: K,
  request: DirectoryRequests[K]['create'],
  facts: DirectoryRequests[K]['facts'],
): Promise<DirectoryRecord | Refusal> {
  const used = request.id === '' ? undefined : await refuseUsedId({ site, as }, kind, request.id);
  if (used !== undefined) return used;
  const body = { kind, request, facts } as CreateEntry;
  return site.ask(directoryActor(site, kind), 'create', body, as);
}

/** The request travels to the entry's home, so the actor here has it. */
export async function updateEntry<K extends AskedKind>(
  { site, as }: Writer,
  kind: K,
  id: string,
  request: DirectoryRequests[K]['update'],
  facts: DirectoryRequests[K]['facts'],
): Promise<DirectoryRecord | Refusal> {
  const known = await findEntry(site, kind, id, as);
  if (isRefusal(known)) return known;
  const body = { kind, id, request, facts } as UpdateEntry;
  return site.ask(directoryActor(site, kind), 'update', body, as);
}

/** `uses` is counted before; answers the entry as it was. */
export async function deleteEntry<K extends AskedKind>(
  { site, as }: Writer,
  kind: K,
  id: string,
  uses: DirectoryRequests[K]['uses'],
): Promise<DirectoryRecord | Refusal> {
  const body = { kind, id, uses } as DeleteEntry;
  return site.ask(directoryActor(site, kind), 'delete', body, as);
}

type Shape<K extends DirectoryKind> = (entity: DirectoryEntities[K]) => unknown;
type RecordAnswer = (record: DirectoryRecord, request: { site: Site }) => Promise<Answer | Refusal>;

const answering =
  <K extends DirectoryKind>(
    kind: K,
    shape: Shape<K>,
    answer: (body: unknown) => Answer,
    news: (record: DirectoryRecord) => DirectoryRecord,
  ): RecordAnswer =>
  async (record, { site }) => {
    await site.federation.spread(news(record));
    const entity = record.entity as DirectoryEntities[K] | null;
    return entity === null ? noSuch(kind, record.id) : answer(shape(entity));
  };

const asItIs = (record: DirectoryRecord): DirectoryRecord => record;
/** The actor answers the entry as it was; the others are to hear that it is gone. */
const asGone = (record: DirectoryRecord): DirectoryRecord =>
  ({ ...record, revision: record.revision + 1, entity: null }) as DirectoryRecord;

/** Answers to what `createEntry`, `updateEntry` and `deleteEntry` did, when the reachable members have it. */
export const answerCreated = <K extends DirectoryKind>(kind: K, shape: Shape<K>): RecordAnswer =>
  answering(kind, shape, created, asItIs);
export const answerUpdated = <K extends DirectoryKind>(kind: K, shape: Shape<K>): RecordAnswer =>
  answering(kind, shape, (body) => ok(body), asItIs);
export const answerDeleted = <K extends DirectoryKind>(kind: K, shape: Shape<K>): RecordAnswer =>
  answering(kind, shape, (body) => ok(body), asGone);
