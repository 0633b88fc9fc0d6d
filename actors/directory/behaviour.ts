// One actor a site and kind. What it creates has its home here; what other sites created is a copy, applied by revision.
import { scopeId, type Scope } from '../address.ts';
import { changeRow } from '../change.ts';
import type { Change } from '../records.ts';
import { alreadyExists, conflict, isRefusal, notFound, unprocessable, type Refusal } from '../refusal.ts';
import type { Behaviour, Context, Decision } from '../runtime/behaviour.ts';
import { conflictsOf, keepLost, met, withoutLost } from './conflict.ts';
import { rulesOf } from './kinds.ts';
import { again, compareHybrid, livesBefore, winner } from './meeting.ts';
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
  /** The largest hybrid time seen. */
  clock: HybridTime;
}

/** Hybrid logical clock (Kulkarni et al. 2014): never behind the wall clock, never behind what was seen. */
const tick = (clock: HybridTime, nowMs: number, site: string): HybridTime =>
  nowMs > clock.wallMs
    ? { wallMs: nowMs, counter: 0, site }
    : { wallMs: clock.wallMs, counter: clock.counter + 1, site };

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
  const made = {
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
  return keepLost(made, earlier);
}

function apply(state: DirectoryState, incoming: DirectoryRecord[], context: Context): Decision<{ applied: number }> {
  const latest = new Map<string, DirectoryRecord>();
  for (const entry of incoming.map(withoutLost)) {
    if (entry.kind !== state.kind || entry.home === state.site) continue;
    const stored = latest.get(entry.id) ?? state.entries.get(entry.id)?.record;
    const next = stored === undefined ? entry : (again(stored, entry, state.site) ?? met(stored, entry, context.nowMs));
    if (next !== stored) latest.set(entry.id, next);
  }
  const changes = [...latest.values()].map((entry) => write(state, entry, context));
  return { reply: { applied: changes.length }, changes };
}

export const directoryBehaviour: Behaviour<'directory', DirectoryState> = {
  kind: 'directory',
  tables: ['directory'],
  create: (id: string, scope: Scope) => ({
    kind: id as DirectoryKind,
    site: scopeId(scope),
    entries: new Map(),
    held: new Set(),
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
      for (const entry of entries.map(withoutLost)) {
        if (entry.kind !== state.kind || entry.home !== state.site) continue;
        const stored = latest.get(entry.id) ?? state.entries.get(entry.id)?.record;
        // Also over one of another site that it was made in the knowledge of: the backup may end in between.
        if (stored === undefined) latest.set(entry.id, entry);
        else if (winner(stored, entry) === entry) latest.set(entry.id, met(stored, entry, context.nowMs));
      }
      const busy = [...latest.keys()].find((id) => state.held.has(id));
      if (busy !== undefined) return conflict(`${state.kind} ${busy} is being changed`);
      const changes = [...latest.values()].map((entry) => write(state, entry, context));
      return { reply: { restored: [...latest.keys()] }, changes };
    },
    all: (state) => ({ reply: { entries: [...state.entries.values()].map(({ record: entry }) => entry) } }),
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
  describe: (state) => ({
    entries: state.entries.size,
    conflicts: [...state.entries.values()].flatMap((entry) => conflictsOf(entry.record)),
  }),
  *audited(state) {
    for (const [id, { version, record: entry }] of state.entries) {
      yield ['entries', { id, version, revision: entry.revision }];
    }
  },
};
