import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { siteScope, type Scope } from '../address.ts';
import { isRefusal } from '../refusal.ts';
import type { Context, Decided, Decision } from '../runtime/behaviour.ts';
import { byText } from './entity.ts';
import { directoryBehaviour, type DirectoryState } from './behaviour.ts';
import { conflictsOf, MOST_LOST } from './conflict.ts';
import { winner } from './meeting.ts';
import type { DirectoryRecord } from './record.ts';

const unlimited = { cluster: null, machine: null, ip: null, project: null };

function directoryOf(site: string) {
  const scope: Scope = siteScope(site);
  const state: DirectoryState = directoryBehaviour.create('tenant', scope);
  let version = 0;
  const at = (nowMs: number): Context => ({
    scope,
    id: 'tenant',
    nowMs,
    who: 'test',
    random: () => 0.5,
    uuid: () => `generated-${version}`,
    version: () => ++version,
    row: () => undefined,
  });
  const commit = <R>(decision: Decision<R>): R | Decision<R> => {
    if (isRefusal(decision) || !('reply' in decision)) return decision;
    for (const change of (decision as Decided<R>).changes ?? []) directoryBehaviour.evolve(state, change);
    return decision.reply;
  };
  const asked = (id: string, name: string) => ({
    id,
    name,
    description: '',
    meta: undefined,
    defaultQuotas: unlimited,
    quotas: unlimited,
    iamConfig: null,
  });
  const facts = { isProvider: false };
  const create = (id: string, nowMs: number): unknown => {
    const body = { kind: 'tenant', request: asked(id, `${id} of ${site}`), facts } as const;
    return commit(directoryBehaviour.commands.create(state, body, at(nowMs)));
  };
  const update = (id: string, name: string, nowMs: number): unknown => {
    const meta = { version: 0, annotations: {}, labels: [] };
    const body = { kind: 'tenant', id, request: { ...asked(id, name), meta }, facts } as const;
    return commit(directoryBehaviour.commands.update(state, body, at(nowMs)));
  };
  const remove = (id: string, nowMs: number): unknown =>
    commit(
      directoryBehaviour.commands.delete(
        state,
        { kind: 'tenant', id, uses: { projects: 0, isProvider: false } },
        at(nowMs),
      ),
    );
  const decideApply = (entries: DirectoryRecord[], nowMs = 0) =>
    directoryBehaviour.commands.apply(state, { entries: structuredClone(entries) }, at(nowMs));
  const apply = (entries: DirectoryRecord[], nowMs = 0): unknown => commit(decideApply(entries, nowMs));
  const restore = (entries: DirectoryRecord[]): unknown =>
    commit(directoryBehaviour.commands.restore(state, { entries: structuredClone(entries) }, at(0)));
  /** Forgets all memory: what is known comes from the rows. */
  const reload = (): void => {
    const rows = JSON.parse(JSON.stringify([...state.entries.values()])) as Array<{
      version: number;
      record: DirectoryRecord;
    }>;
    Object.assign(state, directoryBehaviour.create('tenant', scope));
    for (const { version: written, record: value } of rows) {
      const key = `tenant|${value.id}`;
      const row = { table: 'directory', scope, key, owner: 'tenant', prev: 0, version: written, value } as const;
      directoryBehaviour.evolve(state, row);
    }
  };
  const own = (): DirectoryRecord[] =>
    [...state.entries.values()].map(({ record }) => record).filter(({ home }) => home === site);
  return { state, create, update, remove, apply, decideApply, restore, own, reload };
}

const shown = ({ state }: { state: DirectoryState }): Array<[string, string, boolean]> =>
  [...state.entries.values()]
    .map(({ record }): [string, string, boolean] => [record.id, record.home, record.entity !== null])
    .sort(([a], [b]) => byText(a, b));

const found = ({ state }: { state: DirectoryState }) =>
  [...state.entries.values()].flatMap(({ record }) => conflictsOf(record));
const conflicts = (site: { state: DirectoryState }): string[] =>
  found(site).map(
    ({ entity, winner: home, isDeleted }) => `${entity?.name} lost to ${home}${isDeleted ? ', deleted' : ''}`,
  );

describe('directory', () => {
  it('clients.md §2.3: an existing id is 409 before every other rule', () => {
    const muc = directoryOf('muc');
    muc.create('acme', 1);
    assert.deepEqual(
      (muc.create('acme', 2) as { kind: string; message: string }).message,
      'Conflict entity already exists',
    );
  });

  it('generates an absent id, and makes a deleted one anew with a larger revision', () => {
    const muc = directoryOf('muc');
    assert.match((muc.create('', 1) as DirectoryRecord).id, /^generated-/);
    const first = muc.create('acme', 1) as DirectoryRecord;
    muc.remove('acme', 2);
    const second = muc.create('acme', 3) as DirectoryRecord;
    assert.ok(second.revision > first.revision + 1);
  });

  it('an entry of another site is changed at its home only', () => {
    const [muc, fra] = [directoryOf('muc'), directoryOf('fra')];
    muc.create('acme', 1);
    fra.apply(muc.own());
    assert.match((fra.remove('acme', 2) as { message: string }).message, /home, site muc/);
  });

  it('an older revision never replaces a newer one', () => {
    const [muc, fra] = [directoryOf('muc'), directoryOf('fra')];
    muc.create('acme', 1);
    const old = structuredClone(muc.own());
    muc.remove('acme', 2);
    fra.apply(muc.own());
    fra.apply(old);
    assert.deepEqual(shown(fra), [['acme', 'muc', false]]);
  });

  it('F15: two sites made one id: the earlier wins on both, the loser stays visible', () => {
    const [muc, fra] = [directoryOf('muc'), directoryOf('fra')];
    fra.create('acme', 5);
    muc.create('acme', 9);
    const [ofMuc, ofFra] = [muc.own(), fra.own()];
    muc.apply(ofFra);
    fra.apply(ofMuc);
    assert.deepEqual(shown(muc), [['acme', 'fra', true]]);
    assert.deepEqual(shown(fra), shown(muc));
    for (const site of [muc, fra]) assert.deepEqual(conflicts(site), ['acme of muc lost to fra']);
  });

  it('F15, I13: the loser of an id does not stand where only the end of the winner is heard of', () => {
    const [muc, fra, ber] = [directoryOf('muc'), directoryOf('fra'), directoryOf('ber')];
    fra.create('acme', 5);
    muc.create('acme', 9);
    ber.apply(muc.own());
    const ofFra = structuredClone(fra.own());
    fra.apply(muc.own());
    muc.apply(ofFra);
    fra.remove('acme', 12);
    for (const site of [muc, ber]) site.apply(fra.own());
    for (const site of [muc, fra, ber]) assert.deepEqual(shown(site), [['acme', 'fra', false]]);
  });

  it('F15, I13: who made an id and then hears that it had been another one’s, which is deleted, keeps it, everywhere', () => {
    const [muc, fra, ber] = [directoryOf('muc'), directoryOf('fra'), directoryOf('ber')];
    fra.create('acme', 5);
    const life = structuredClone(fra.own());
    fra.remove('acme', 6);
    muc.create('acme', 9);
    ber.apply(muc.own());
    ber.apply(fra.own());
    muc.apply(fra.own());
    for (const site of [fra, ber]) site.apply(muc.own());
    for (const site of [muc, ber]) site.apply(life);
    for (const site of [muc, fra, ber]) assert.deepEqual(shown(site), [['acme', 'muc', true]]);
  });

  it('F24: a restored site takes its own entry back over the one of another site that it had come after', () => {
    const [muc, fra, restored] = [directoryOf('muc'), directoryOf('fra'), directoryOf('fra')];
    muc.create('acme', 1);
    muc.remove('acme', 2);
    for (const site of [fra, restored]) site.apply(muc.own());
    fra.create('acme', 3);
    muc.apply(fra.own());
    assert.deepEqual(restored.restore(fra.own()), { restored: ['acme'] });
    assert.deepEqual(shown(restored), shown(muc));
  });

  it('an id that was deleted at one site and made anew at another is not undone by a late copy of its first life', () => {
    const [muc, fra, ber] = [directoryOf('muc'), directoryOf('fra'), directoryOf('ber')];
    muc.create('acme', 1);
    const first = structuredClone(muc.own());
    muc.remove('acme', 2);
    fra.apply(muc.own());
    fra.create('acme', 3);
    const second = structuredClone(fra.own());
    for (const late of [fra, ber]) {
      late.apply(second);
      late.apply(first);
    }
    ber.apply(muc.own());
    muc.apply(second);
    for (const site of [muc, fra, ber]) {
      assert.deepEqual(shown(site), [['acme', 'fra', true]]);
      assert.deepEqual(conflicts(site), []);
    }
    // And not by a late copy once the second life is over, too.
    fra.remove('acme', 4);
    for (const site of [fra, ber]) {
      site.apply(fra.own());
      site.apply(first);
      assert.deepEqual(shown(site), [['acme', 'fra', false]]);
    }
  });

  it('two sites that had the same before they joined have no conflict', () => {
    const [muc, fra] = [directoryOf('muc'), directoryOf('fra')];
    fra.create('acme', 5);
    muc.create('acme', 9);
    const same = structuredClone(fra.own());
    for (const record of same) {
      (record.entity as { name: string }).name = 'acme of muc';
      // As it comes back from a database.
      record.entity = Object.fromEntries(Object.entries(record.entity ?? {}).reverse()) as never;
    }
    muc.apply(same);
    assert.deepEqual(shown(muc), [['acme', 'fra', true]]);
    assert.deepEqual(conflicts(muc), []);
  });

  /** Both made `acme` while they were cut apart, fra earlier; each has heard of the other. */
  function afterConflict() {
    const [muc, fra] = [directoryOf('muc'), directoryOf('fra')];
    fra.create('acme', 5);
    muc.create('acme', 9);
    const [ofMuc, ofFra] = [structuredClone(muc.own()), structuredClone(fra.own())];
    muc.apply(ofFra, 20);
    fra.apply(ofMuc, 30);
    return { muc, fra, ofMuc, ofFra };
  }

  it('F15, I13: what lost is in the rows, at either site, with its time and all that it said', () => {
    const { muc, fra } = afterConflict();
    for (const [site, seenAtMs] of [
      [muc, 20],
      [fra, 30],
    ] as const) {
      site.reload();
      const [one] = found(site);
      assert.deepEqual(conflicts(site), ['acme of muc lost to fra']);
      assert.deepEqual(
        [one?.kind, one?.id, one?.loser, one?.createdAtMs, one?.seenAtMs],
        ['tenant', 'acme', 'muc', 9, seenAtMs],
      );
    }
  });

  it('F15: nothing is known of a conflict before it is written', () => {
    const [muc, fra] = [directoryOf('muc'), directoryOf('fra')];
    fra.create('acme', 5);
    muc.create('acme', 9);
    for (const [site, other] of [
      [muc, fra],
      [fra, muc],
    ] as const) {
      const before = structuredClone(site.state);
      const decision = site.decideApply(other.own());
      assert.ok('changes' in decision && decision.changes?.length === 1);
      assert.deepEqual(site.state, before);
    }
  });

  it('F15: a loser that is brought again is not written again; a later revision of it is what was lost', () => {
    const { fra, ofMuc } = afterConflict();
    const revision = fra.own()[0]?.revision;
    assert.deepEqual(fra.decideApply(ofMuc, 40), { reply: { applied: 0 }, changes: [] });
    assert.equal(revision, 1, 'to other sites nothing changed');
    const later = ofMuc.map((one) => ({ ...one, revision: 2 }));
    fra.apply(later, 50);
    assert.deepEqual(
      found(fra).map(({ seenAtMs }) => seenAtMs),
      [50],
    );
  });

  it('F15: what one site saw is not told to another one, nor taken from it', () => {
    const { fra } = afterConflict();
    const ber = directoryOf('ber');
    assert.ok(fra.own()[0]?.lost !== undefined);
    ber.apply(fra.own());
    assert.deepEqual(shown(ber), shown(fra));
    assert.deepEqual(conflicts(ber), []);
    const restored = directoryOf('fra');
    restored.restore(fra.own());
    assert.deepEqual(conflicts(restored), []);
  });

  it('F15: a conflict stays while the entry is changed or deleted, and is over when the id is made anew', () => {
    for (const anewAt of ['muc', 'fra'] as const) {
      const { muc, fra } = afterConflict();
      fra.update('acme', 'changed', 40);
      muc.apply(fra.own());
      for (const site of [muc, fra]) assert.deepEqual(conflicts(site), ['acme of muc lost to fra']);
      fra.remove('acme', 50);
      muc.apply(fra.own());
      for (const site of [muc, fra]) assert.deepEqual(conflicts(site), ['acme of muc lost to fra, deleted']);
      const [maker, other] = anewAt === 'muc' ? [muc, fra] : [fra, muc];
      maker.create('acme', 60);
      other.apply(maker.own());
      for (const site of [muc, fra]) {
        assert.deepEqual(shown(site), [['acme', anewAt, true]]);
        assert.deepEqual(conflicts(site), []);
      }
    }
  });

  it('F15: also who only hears of the end of the winner keeps what lost, until its home makes it anew', () => {
    const [muc, fra, ber] = [directoryOf('muc'), directoryOf('fra'), directoryOf('ber')];
    fra.create('acme', 5);
    fra.remove('acme', 6);
    muc.create('acme', 9);
    ber.apply(muc.own());
    ber.apply(fra.own());
    assert.deepEqual(conflicts(ber), ['acme of muc lost to fra, deleted']);
    muc.apply(fra.own());
    ber.apply(muc.own());
    for (const site of [muc, ber]) {
      assert.deepEqual(shown(site), [['acme', 'muc', true]]);
      assert.deepEqual(conflicts(site), []);
    }
  });

  it('F15: of three sites that made one id each loser is kept, whatever the order', () => {
    const sites = ['muc', 'fra', 'ber'].map(directoryOf);
    for (const [i, site] of sites.entries()) site.create('acme', 5 + i);
    const records = sites.map((site) => structuredClone(site.own()));
    for (const order of [
      [0, 1, 2],
      [2, 1, 0],
      [1, 2, 0],
      [2, 0, 1],
    ]) {
      const seeing = directoryOf('ham');
      for (const i of order) seeing.apply(records[i] as DirectoryRecord[]);
      assert.deepEqual(conflicts(seeing).sort(), ['acme of ber lost to muc', 'acme of fra lost to muc']);
    }
  });

  it('F15: of more losers than are kept the newest stay, and the others are not written again and again', () => {
    const standing = directoryOf('fra');
    standing.create('acme', 1);
    const losers = Array.from({ length: MOST_LOST + 2 }, (_, i) => {
      const site = directoryOf(`s${i}`);
      site.create('acme', 10 + i);
      return site.own();
    });
    for (const loser of losers.toReversed()) standing.apply(loser);
    const kept = found(standing).map(({ createdAtMs }) => createdAtMs);
    assert.deepEqual(
      kept,
      Array.from({ length: MOST_LOST }, (_, i) => 12 + i),
    );
    for (const loser of losers) assert.deepEqual(standing.decideApply(loser), { reply: { applied: 0 }, changes: [] });
  });

  it('F24: a restored site keeps what its rows say of a conflict when it takes its own entry back', () => {
    const { fra, ofMuc } = afterConflict();
    const restored = directoryOf('fra');
    restored.restore(fra.own());
    restored.apply(ofMuc, 40);
    fra.update('acme', 'changed', 50);
    assert.deepEqual(restored.restore(fra.own()), { restored: ['acme'] });
    assert.deepEqual(conflicts(restored), ['acme of muc lost to fra']);
  });

  it('I13: any order of delivery converges to the same winner', () => {
    const record = fc.record({
      site: fc.constantFrom('a', 'b', 'c'),
      wallMs: fc.integer({ min: 1, max: 5 }),
      revision: fc.integer({ min: 1, max: 4 }),
      live: fc.boolean(),
    });
    fc.assert(
      fc.property(
        fc.uniqueArray(record, { selector: ({ site, revision }) => `${site}${revision}`, maxLength: 8 }),
        fc.infiniteStream(fc.nat()),
        (drawn, luck) => {
          const created = new Map<string, number>();
          const records = drawn.map(({ site, wallMs, revision, live }) => {
            const at = created.get(site) ?? wallMs;
            created.set(site, at);
            return {
              kind: 'tenant',
              id: 'x',
              home: site,
              revision,
              created: { wallMs: at, counter: 0, site },
              entity: live ? {} : null,
            } as DirectoryRecord;
          });
          // What a site sends is its latest; older ones may arrive late, in any order.
          const final = (order: DirectoryRecord[]): string => {
            const latest = new Map<string, DirectoryRecord>();
            for (const one of order) {
              const known = latest.get(one.home);
              if (known === undefined || one.revision > known.revision) latest.set(one.home, one);
            }
            const homes = [...latest.values()].sort((a, b) => (a.home < b.home ? -1 : 1));
            return homes.length === 0 ? 'none' : homes.reduce(winner).home;
          };
          const keys = records.map(() => luck.next().value as number);
          const shuffled = records
            .map((one, i) => ({ one, key: keys[i] as number }))
            .sort((a, b) => a.key - b.key)
            .map(({ one }) => one);
          assert.equal(final(shuffled), final(records));
          const latest = [...new Map(records.map((one) => [one.home, one])).values()];
          for (const a of latest) for (const b of latest) assert.equal(winner(a, b).home, winner(b, a).home);
        },
      ),
    );
  });
});
