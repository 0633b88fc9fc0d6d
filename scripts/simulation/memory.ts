// Whether the memory of the actors was right: a group that the database refuses for a version or a unique key was decided on
// a memory that was wrong, and outside of what a client can cause that must not happen (reliability.md §7.1).
import type { ShardStore } from '../../actors/ports.ts';
import type { Universe } from './universe.ts';

/** Refusals that a client causes: a key that is used twice, a text that no column can hold. */
const isClients = (constraint: string | undefined): boolean =>
  constraint === 'idempotency' || (constraint?.includes('a NUL') ?? false);

export function watchMemory(universe: Universe, name: string, store: ShardStore): ShardStore {
  let split: Set<string> | undefined;
  return {
    ...store,
    commit: (group, done) =>
      store.commit(group, (outcome) => {
        if (outcome.outcome === 'refused' && group.entries.length > 1)
          split = new Set(group.entries.map(({ operation }) => operation));
        if (
          outcome.outcome === 'committed' &&
          split !== undefined &&
          group.entries.some(({ operation }) => split?.has(operation))
        )
          universe.met('group split, neighbours written');
        if (outcome.outcome === 'refused') {
          universe.note(
            `${name} refused`,
            () => `${outcome.constraint ?? 'a version'}: ${group.entries.map(({ what }) => what).join(', ')}`,
          );
          universe.met(`refused: ${outcome.constraint ?? 'a version'}`);
          if (!isClients(outcome.constraint)) {
            const rows = group.changes
              .map(({ table, key, prev, version }) => `${table} ${key} ${prev}→${version}`)
              .join(', ');
            universe.violate(
              'I06',
              `${name} remembered what the rows do not say: ${outcome.constraint ?? 'a version'} refused ${group.entries.map(({ what }) => what).join(', ')}: ${rows}`,
            );
          }
        }
        if (outcome.outcome === 'fenced') universe.met('stale epoch refused at commit');
        if (outcome.outcome === 'unknown') universe.met('ambiguous commit');
        done(outcome);
      }),
    resolve: (id, done) =>
      store.resolve(id, (resolution) => {
        universe.met(`ambiguous commit resolved: ${resolution.outcome}`);
        done(resolution);
      }),
  };
}
