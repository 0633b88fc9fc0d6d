import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { siteScope, type Scope } from '../address.ts';
import { isRefusal } from '../refusal.ts';
import type { Context, Decided, Decision } from '../runtime/behaviour.ts';
import { byText } from './entity.ts';
import { directoryBehaviour, type DirectoryState } from './behaviour.ts';
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
  const create = (id: string, nowMs: number): unknown =>
    commit(
      directoryBehaviour.commands.create(
        state,
        {
          kind: 'tenant',
          request: {
            id,
            name: `${id} of ${site}`,
            description: '',
            meta: undefined,
            defaultQuotas: unlimited,
            quotas: unlimited,
            iamConfig: null,
          },
          facts: { isProvider: false },
        },
        at(nowMs),
      ),
    );
  const remove = (id: string, nowMs: number): unknown =>
    commit(
      directoryBehaviour.commands.delete(
        state,
        { kind: 'tenant', id, uses: { projects: 0, isProvider: false } },
        at(nowMs),
      ),
    );
  const apply = (entries: DirectoryRecord[]): unknown =>
    commit(directoryBehaviour.commands.apply(state, { entries: structuredClone(entries) }, at(0)));
  const restore = (entries: DirectoryRecord[]): unknown =>
    commit(directoryBehaviour.commands.restore(state, { entries: structuredClone(entries) }, at(0)));
  const own = (): DirectoryRecord[] =>
    [...state.entries.values()].map(({ record }) => record).filter(({ home }) => home === site);
  return { state, create, remove, apply, restore, own };
}

const shown = ({ state }: { state: DirectoryState }): Array<[string, string, boolean]> =>
  [...state.entries.values()]
    .map(({ record }): [string, string, boolean] => [record.id, record.home, record.entity !== null])
    .sort(([a], [b]) => byText(a, b));

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
    assert.deepEqual(
      muc.state.conflicts.map(({ home }) => home),
      ['muc'],
    );
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
      assert.deepEqual(site.state.conflicts, []);
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
    assert.deepEqual(muc.state.conflicts, []);
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
