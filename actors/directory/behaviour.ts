// One actor a site and kind. What it creates has its home here; what other sites created is a copy, applied by revision.
import { scopeId, type Scope } from '../address.ts';
import { changeRow } from '../change.ts';
import type { Change } from '../records.ts';
import { alreadyExists, conflict, isRefusal, notFound, unprocessable, type Refusal } from '../refusal.ts';
import type { Behaviour, Context, Decision } from '../runtime/behaviour.ts';
import { rulesOf } from './kinds.ts';
import type { AskedKind } from './messages.ts';
import type { DirectoryEntities, DirectoryKind, DirectoryRecord, HybridTime } from './record.ts';

/** An entry with the version of its row. */
interface Entry {
  version: number;
  record: DirectoryRecord;
}

export interface DirectoryState {
  kind: DirectoryKind;
  site: string;
  entries: Map<string, Entry>;
  /** Ids that a publication holds until it is committed. */
  held: Set<string>;
  /** Entries that lost their id to an older one of another site; shown until an operator resolves them. */
  conflicts: DirectoryRecord[];
  /** The largest hybrid time seen. */
  clock: HybridTime;
}

/** Hybrid logical clock (Kulkarni et al. 2014): never behind the wall clock, never behind what was seen. */
const tick = (clock: HybridTime, nowMs: number, site: string): HybridTime =>
  nowMs > clock.wallMs
    ? { wallMs: nowMs, counter: 0, site }
    : { wallMs: clock.wallMs, counter: clock.counter + 1, site };

export const compareHybrid = (a: HybridTime, b: HybridTime): number =>
  a.wallMs - b.wallMs || a.counter - b.counter || (a.site < b.site ? -1 : a.site > b.site ? 1 : 0);

const keyOf = (kind: DirectoryKind, id: string): string => `${kind}|${id}`;

function write(state: DirectoryState, record: DirectoryRecord, context: Context): Change {
  const stored = state.entries.get(record.id);
  return changeRow(
    { scope: context.scope, owner: state.kind },
    'directory',
    keyOf(record.kind, record.id),
    stored === undefined ? null : { value: stored.record, version: stored.version },
    context.version(),
    record,
  );
}

const live = (state: DirectoryState, id: string): DirectoryRecord | undefined => {
  const record = state.entries.get(id)?.record;
  return record === undefined || record.entity === null ? undefined : record;
};

/** The entity behind an id that this site may change, or why not. */
function own(state: DirectoryState, id: string): DirectoryRecord | Refusal {
  const record = live(state, id);
  if (record === undefined) return notFound(`no ${state.kind} with id "${id}" found`);
  if (record.home !== state.site) return conflict(`${state.kind} ${id} is changed at its home, site ${record.home}`);
  return record;
}

const entitiesOf = (state: DirectoryState): Array<DirectoryEntities[DirectoryKind]> =>
  [...state.entries.values()].flatMap(({ record }) => (record.entity === null ? [] : [record.entity]));

function record(
  state: DirectoryState,
  id: string,
  entity: DirectoryEntities[DirectoryKind] | null,
  context: Context,
): DirectoryRecord {
  const earlier = state.entries.get(id)?.record;
  const over = earlier === undefined ? undefined : livesBefore(earlier, state.site);
  return {
    kind: state.kind,
    id,
    home: state.site,
    // Grows over deletion and new creation, so that a copy never takes an old life for the new one.
    revision: (earlier?.revision ?? 0) + 1,
    created:
      earlier !== undefined && earlier.entity !== null ? earlier.created : tick(state.clock, context.nowMs, state.site),
    ...(over === undefined ? {} : { over }),
    entity,
  } as DirectoryRecord;
}

/** What a new record of an id stands upon: all that was known of it at other homes. */
const livesBefore = ({ home, revision, over }: DirectoryRecord, site: string): DirectoryRecord['over'] =>
  home === site ? over : { ...over, [home]: Math.max(revision, over?.[home] ?? 0) };

/** Whether `a` was made in the knowledge of `b`, or of something later of its home. */
const supersedes = (a: DirectoryRecord, b: DirectoryRecord): boolean => (a.over?.[b.home] ?? 0) >= b.revision;

/**
 * Which of two records of one id stands. Same home: the later revision. Two homes: one that was made in the knowledge of
 * the other, whose copy only comes late; else the one created earlier by the hybrid clock, then by site id (design.md §7),
 * the same on every site whatever the order. A deleted one counts as what it was: would it give way, a site that has
 * never heard of its life would decide otherwise than those that have. It is `again` that lets it give way.
 */
export function winner(a: DirectoryRecord, b: DirectoryRecord): DirectoryRecord {
  if (a.home === b.home) return b.revision > a.revision ? b : a;
  if (supersedes(a, b) !== supersedes(b, a)) return supersedes(a, b) ? a : b;
  return compareHybrid(a.created, b.created) <= 0 ? a : b;
}

/**
 * The home's own live entry once more, when it meets an earlier one that is deleted already: made anew in the knowledge of
 * that. undefined: the incoming one stands for another reason, or does not stand.
 */
function again(stored: DirectoryRecord, incoming: DirectoryRecord, site: string): DirectoryRecord | undefined {
  const isMet = stored.home === site && stored.entity !== null && incoming.entity === null;
  if (!isMet || supersedes(incoming, stored) || winner(stored, incoming) === stored) return undefined;
  const over = { ...stored.over, [incoming.home]: Math.max(incoming.revision, stored.over?.[incoming.home] ?? 0) };
  return { ...stored, revision: stored.revision + 1, over };
}

function apply(state: DirectoryState, incoming: DirectoryRecord[], context: Context): Decision<{ applied: number }> {
  const latest = new Map<string, DirectoryRecord>();
  for (const entry of incoming) {
    if (entry.kind !== state.kind || entry.home === state.site) continue;
    const stored = latest.get(entry.id) ?? state.entries.get(entry.id)?.record;
    const anew = stored === undefined ? undefined : again(stored, entry, state.site);
    if (stored === undefined || winner(stored, entry) === entry) latest.set(entry.id, anew ?? entry);
    const isNews = stored !== undefined && !supersedes(stored, entry) && !supersedes(entry, stored);
    if (isNews && stored.home !== entry.home && stored.entity !== null && entry.entity !== null) {
      const wins = winner(stored, entry);
      remember(state, wins, wins === entry ? stored : entry);
    }
  }
  const changes = [...latest.values()].map((entry) => write(state, entry, context));
  return { reply: { applied: changes.length }, changes };
}

function remember(state: DirectoryState, winning: DirectoryRecord, losing: DirectoryRecord): void {
  // Two sites that had the same before they joined have nothing to resolve.
  if (contentOf(winning) === contentOf(losing)) return;
  if (!state.conflicts.some((known) => known.id === losing.id && known.home === losing.home)) {
    state.conflicts.push(losing);
  }
}

const MADE = new Set(['created', 'changed', 'createdTime', 'updatedTime']);

/** What an entry says, without when it was made, and whatever the order in which a database gives its fields back. */
const contentOf = ({ entity }: DirectoryRecord): string =>
  JSON.stringify(entity, (_, value: unknown) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
    const said = Object.entries(value).filter(([name]) => !MADE.has(name));
    return Object.fromEntries(said.sort(([a], [b]) => (a < b ? -1 : 1)));
  });

export const directoryBehaviour: Behaviour<'directory', DirectoryState> = {
  kind: 'directory',
  tables: ['directory'],
  create: (id: string, scope: Scope) => ({
    kind: id as DirectoryKind,
    site: scopeId(scope),
    entries: new Map(),
    held: new Set(),
    conflicts: [],
    clock: { wallMs: 0, counter: 0, site: scopeId(scope) },
  }),
  evolve(state, applied) {
    if (applied.table !== 'directory') return;
    const { value } = applied;
    if (value === null) return;
    state.entries.set(value.id, { version: applied.version, record: value });
    if (compareHybrid(value.created, state.clock) > 0) state.clock = value.created;
  },
  hold(state, _operation, changes) {
    for (const held of changes) if (held.table === 'directory' && held.value !== null) state.held.add(held.value.id);
  },
  unhold(state, _operation, changes) {
    for (const held of changes) if (held.table === 'directory' && held.value !== null) state.held.delete(held.value.id);
  },
  commands: {
    create(state, body, context) {
      const rules = rulesOf(body.kind);
      const id = body.request.id === '' && rules.generatesId ? context.uuid() : body.request.id;
      if (live(state, id) !== undefined || state.held.has(id)) return alreadyExists();
      const entity = rules.create({ ...body.request, id }, body.facts, entitiesOf(state) as never, context.nowMs);
      if (isRefusal(entity)) return entity;
      const made = record(state, id, entity as DirectoryEntities[AskedKind], context);
      return { reply: made, changes: [write(state, made, context)] };
    },
    update(state, body, context) {
      const stored = own(state, body.id);
      if (isRefusal(stored)) return stored;
      const entity = rulesOf(body.kind).update(
        stored.entity as never,
        body.request,
        body.facts,
        entitiesOf(state) as never,
        context.nowMs,
      );
      if (isRefusal(entity)) return entity;
      const made = record(state, body.id, entity as DirectoryEntities[AskedKind], context);
      return { reply: made, changes: [write(state, made, context)] };
    },
    delete(state, body, context) {
      const stored = own(state, body.id);
      if (isRefusal(stored)) return stored;
      const refused = rulesOf(body.kind).refuseDelete(body.id, body.uses);
      if (refused !== undefined) return refused;
      return { reply: stored, changes: [write(state, record(state, body.id, null, context), context)] };
    },
    apply: (state, { entries }, context) => apply(state, entries, context),
    restore(state, { entries }, context) {
      const latest = new Map<string, DirectoryRecord>();
      for (const entry of entries) {
        if (entry.kind !== state.kind || entry.home !== state.site) continue;
        const stored = latest.get(entry.id) ?? state.entries.get(entry.id)?.record;
        // Also over one of another site that it was made in the knowledge of: the backup may end in between.
        if (stored === undefined || winner(stored, entry) === entry) latest.set(entry.id, entry);
      }
      const busy = [...latest.keys()].find((id) => state.held.has(id));
      if (busy !== undefined) return conflict(`${state.kind} ${busy} is being changed`);
      const changes = [...latest.values()].map((entry) => write(state, entry, context));
      return { reply: { restored: [...latest.keys()] }, changes };
    },
    all: (state) => ({
      reply: { entries: [...state.entries.values()].map(({ record: entry }) => entry), conflicts: state.conflicts },
    }),
  },
  reservations: {
    publish(state, { id, entity }, context) {
      if (state.held.has(id)) return conflict(`${state.kind} ${id} is being changed`);
      const stored = live(state, id);
      if (stored !== undefined && stored.home !== state.site) {
        return unprocessable(`${state.kind} ${id} belongs to site ${stored.home}`);
      }
      return { reply: {}, changes: [write(state, record(state, id, entity, context), context)] };
    },
  },
  describe: (state) => ({ entries: state.entries.size, conflicts: state.conflicts }),
  *audited(state) {
    for (const [id, { version, record: entry }] of state.entries) {
      yield ['entries', { id, version, revision: entry.revision }];
    }
  },
};
