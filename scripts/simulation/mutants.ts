// The safety mechanisms, each switched off in turn by an object that is put in the place of a sound one. Every one of them
// has to be caught by an invariant, else the simulation would not notice if it went missing.
import type { Fence, ShardStore } from '../../actors/ports.ts';
import type { Change, Row } from '../../actors/records.ts';
import { isRefusal } from '../../actors/refusal.ts';
import { signRequest } from '../../http/auth/hmac.ts';
import { command, forgetful, holdingOnce } from './altered-actors.ts';
import type { Invariant } from './invariants.ts';
import type { Mutation } from './parts.ts';
import type { FaultKind, Wishes } from './schedule.ts';
import type { Thread } from './universe.ts';

export interface Mutant {
  name: string;
  /** What it switches off, and what stands behind it. */
  what: string;
  /** A fresh one for every run: some remember. */
  mutation(): Mutation;
  wishes?: Wishes;
  /** One of these must catch it: by another one it would be a mistake of the mutant. */
  caughtBy: readonly Invariant[];
  /** Within so many seeds it must be caught. */
  withinSeeds: number;
}

const faults = (...kinds: FaultKind[]): Wishes => ({ faults: kinds });

const onShard = (change: (sound: ShardStore, thread: Thread) => Partial<ShardStore>): Mutation => ({
  parts: { shardStore: (sound, thread) => ({ ...sound, ...change(sound, thread) }) },
});
const SLOW_MS = 1_500;

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'epoch check',
    what: 'the database writes groups of owners that are no more',
    mutation: () => ({ rules: { fences: false } }),
    wishes: faults('crash', 'shard', 'slow'),
    caughtBy: ['I07'],
    withinSeeds: 60,
  },
  {
    name: 'epoch raise at the start of a shard',
    what: 'a restarted shard goes on under the epoch of its predecessor',
    mutation: () => onShard(() => ({ raise: (held: Fence[], done) => done([...held]) })),
    wishes: faults('shard', 'doubt'),
    caughtBy: ['I06', 'I14'],
    withinSeeds: 5,
  },
  {
    name: 'word of a raised epoch',
    what: 'a shard that started over does not tell the others: what its earlier life reserved there stays reserved',
    mutation: () => ({ parts: { arrives: ({ m }) => m !== 'restarted' } }),
    wishes: { ...faults('shard', 'doubt'), often: ['allocateMachine', 'freeMachine'] },
    caughtBy: ['I20'],
    withinSeeds: 10,
  },
  {
    name: 'reply after the commit',
    what: 'answers leave before the group is written',
    mutation: () =>
      onShard((sound) => ({
        commit(group, done) {
          done({ outcome: 'committed' });
          sound.commit(group, () => {});
        },
      })),
    wishes: faults('storm', 'doubt', 'down', 'crash'),
    caughtBy: ['I06', 'I14', 'I15'],
    withinSeeds: 10,
  },
  {
    name: 'reservation',
    what: 'what an operation reserved refuses nobody else',
    mutation: () => ({
      parts: { behaviours: (all) => all.map((sound) => ({ ...sound, hold() {}, unhold() {} })) },
    }),
    wishes: faults(),
    caughtBy: ['I06'],
    withinSeeds: 30,
  },
  {
    name: 'reservation over a load',
    what: 'an actor that is loaded again, or could not be, has lost what was reserved with it',
    mutation: () => ({ parts: { behaviours: holdingOnce } }),
    wishes: {
      ...faults('down', 'slow', 'doubt'),
      sites: 1,
      often: ['allocateNetwork', 'freeNetwork', 'allocateMachine'],
    },
    caughtBy: ['I06'],
    withinSeeds: 60,
  },
  {
    name: 'dedupe by key',
    what: 'a repeated request is executed again: neither looked up nor unique in the database',
    mutation: () => ({
      rules: { keys: false },
      parts: { siteStore: (sound) => ({ ...sound, findOutcome: async () => undefined }) },
    }),
    wishes: faults('crash', 'doubt', 'shard'),
    caughtBy: ['I06', 'I10'],
    withinSeeds: 30,
  },
  {
    name: 'ledger of the hand-over',
    what: 'the home of a global network gives blocks and writes nothing down',
    mutation: () => ({
      parts: {
        behaviours: command('network', 'giveBlocks', (sound) => (state, body, context) => {
          const decided = sound(state, body, context) as { changes?: Change[] };
          return isRefusal(decided) ? decided : { ...decided, changes: [] };
        }),
      },
    }),
    wishes: { ...faults(), sites: 3 },
    caughtBy: ['I03'],
    withinSeeds: 10,
  },
  {
    name: 'unique check in the actor',
    what: 'networks forget what they gave out; the versions of the rows are all that is left',
    mutation: () => ({ parts: { behaviours: forgetful } }),
    wishes: faults(),
    caughtBy: ['I06'],
    withinSeeds: 10,
  },
  {
    name: 'version check',
    what: 'the same, and the database takes a row whatever version it was decided on',
    mutation: () => ({ parts: { behaviours: forgetful }, rules: { versions: false } }),
    wishes: faults(),
    caughtBy: ['I06'],
    withinSeeds: 10,
  },
  {
    name: 'unique keys and versions behind a wrong memory',
    what: 'the same with the last line gone as well: an address is given out twice',
    mutation: () => ({ parts: { behaviours: forgetful }, rules: { versions: false, unique: false } }),
    wishes: faults(),
    caughtBy: ['I06', 'I01'],
    withinSeeds: 10,
  },
  {
    name: 'deadline check',
    what: 'nobody looks whether somebody still waits',
    mutation: () => ({ parts: { withinMs: () => 10 ** 9 } }),
    wishes: faults('down', 'storm'),
    caughtBy: ['I16'],
    withinSeeds: 80,
  },
  {
    name: 'word that the time is over',
    what: 'a shard does not hear that a request has no more time, and answers when its wheel comes by, or its group ends',
    mutation: () => ({ parts: { arrives: ({ m }) => m !== 'late' } }),
    wishes: { ...faults('down', 'slow'), often: ['takeIp', 'freeIp'] },
    caughtBy: ['I16'],
    withinSeeds: 40,
  },
  {
    name: 'verification at the home',
    what: 'what comes over a link is believed: a peer may assert a user',
    mutation: () => ({
      parts: {
        app: (sound, { hmac }) => ({
          fetch(request, env, context) {
            if ((env as { via?: string }).via !== 'link') return sound.fetch(request, env, context);
            const dateMs = Date.parse(request.headers.get('x-date') ?? '');
            const headers = new Headers(request.headers);
            const signed = signRequest('Metal-Admin', hmac['Metal-Admin'].key, request.method, dateMs, 'a');
            for (const [name, value] of Object.entries(signed)) headers.set(name, value);
            return sound.fetch(new Request(request.url, { method: request.method, headers }), env, context);
          },
        }),
      },
    }),
    wishes: { ...faults(), sites: 3 },
    caughtBy: ['I19'],
    withinSeeds: 30,
  },
  {
    name: 'cursor of a copy',
    what: 'a member says that it has all entries of the directory, whatever it has',
    mutation: () => ({
      parts: {
        ask: (kind, sound) =>
          kind !== 'directory.digest'
            ? sound
            : async (body, peer, asker) => {
                const { known } = (await sound(body, peer, asker)) as { known: Array<[string, string, number]> };
                return { known: known.map(([entry, id]) => [entry, id, 1_000]) };
              },
      },
    }),
    wishes: { ...faults('cut', 'reset', 'crash'), sites: 3 },
    caughtBy: ['I20'],
    withinSeeds: 40,
  },
  {
    name: 'cursor of the log',
    what: 'what a dead shard wrote and never told is read from one entry too late',
    mutation: () => ({
      parts: {
        siteStore: (sound) => ({
          ...sound,
          entriesAfter: (cursor, beforeEpoch) => sound.entriesAfter({ ...cursor, n: cursor.n + 1 }, beforeEpoch),
        }),
      },
    }),
    wishes: faults('shard'),
    caughtBy: ['I14'],
    withinSeeds: 60,
  },
  {
    name: 'group split',
    what: 'a bad change takes its neighbours down with it',
    mutation: () => {
      const poisoned = new Map<string, string>();
      return onShard((sound) => ({
        commit(group, done) {
          const why = group.entries.map(({ operation }) => poisoned.get(operation)).find((one) => one !== undefined);
          if (why !== undefined) return done({ outcome: 'refused', constraint: why });
          sound.commit(group, (outcome) => {
            if (outcome.outcome === 'refused')
              for (const { operation } of group.entries) poisoned.set(operation, outcome.constraint ?? 'version');
            done(outcome);
          });
        },
      }));
    },
    wishes: { ...faults(), often: ['poison', 'takeIp'] },
    caughtBy: ['I15'],
    withinSeeds: 40,
  },
  {
    name: 'doubt ended by writing',
    what: 'an ambiguous group is looked for, and taken for lost when it is not there yet',
    mutation: () => ({ rules: { abandoned: false } }),
    wishes: faults('doubt'),
    caughtBy: ['I06'],
    withinSeeds: 120,
  },
  {
    name: 'doubt ended at all',
    what: 'an ambiguous group is taken for written',
    mutation: () => onShard(() => ({ resolve: (_id, done) => done({ outcome: 'committed' }) })),
    wishes: faults('doubt'),
    caughtBy: ['I14', 'I06', 'I15'],
    withinSeeds: 10,
  },
  {
    name: 'fresh loads',
    what: 'an actor that is loaded again gets what was read the first time',
    mutation: () => {
      const warm = new Map<string, Row[]>();
      return onShard((sound) => ({
        load(scope, wanted, fences, done) {
          const name = `${scope} ${JSON.stringify(wanted)}`;
          const known = warm.get(name);
          if (known !== undefined) return done(structuredClone(known), []);
          sound.load(scope, wanted, fences, (rows, packed) => {
            if (!isRefusal(rows)) warm.set(name, structuredClone(rows));
            done(rows, packed);
          });
        },
      }));
    },
    wishes: faults('crash', 'shard', 'doubt'),
    caughtBy: ['I06'],
    withinSeeds: 10,
  },
  {
    name: 'epochs of other shards',
    what: 'a group proves its own epochs only, not those of participants',
    mutation: () =>
      onShard((sound, { world }) => ({
        commit(group, done) {
          const own = new Set(group.entries.map(({ shard }) => shard));
          const fences = group.fences.filter(({ shard }) => own.has(shard));
          if (fences.length === group.fences.length) return sound.commit(group, done);
          // Long on its way, so that a participant's shard has time to start again, and to decide.
          world.after(world.random() * SLOW_MS, () => sound.commit({ ...group, fences }, done));
        },
      })),
    wishes: {
      ...faults('shard'),
      sites: 1,
      processes: 1,
      often: ['allocateMachine', 'freeMachine', 'agent'],
    },
    caughtBy: ['I06'],
    withinSeeds: 150,
  },
  {
    name: 'word of all',
    // I20: what it does not remember it is told again and again, without end.
    what: 'a member promises everything and remembers nothing',
    mutation: () => ({ parts: { behaviours: command('registry', 'promise', () => () => ({ reply: {} })) } }),
    wishes: { ...faults(), sites: 3, often: ['createNetwork', 'deleteNetwork'] },
    caughtBy: ['I12', 'I13', 'I20'],
    withinSeeds: 60,
  },
  {
    name: 'lease before the answer',
    what: 'a process answers from its memory without looking whether it is still the owner',
    mutation: () => ({ parts: { isGuarded: false } }),
    wishes: { ...faults('stall', 'slow', 'down'), sites: 1, processes: 2, often: ['takeThisIp', 'freeIp', 'readIp'] },
    caughtBy: ['I06'],
    withinSeeds: 150,
  },
  {
    name: 'hearing before the answer',
    what: 'a process answers from its memory before it has heard of what a shard wrote that started again',
    mutation: () => ({
      parts: {
        waitsToHear: false,
        // Read slowly, so that somebody writes and asks meanwhile.
        siteStore: (sound, _database, { world }) => ({
          ...sound,
          async entriesAfter(cursor, beforeEpoch) {
            await new Promise<void>((resolve) => void world.after(SLOW_MS, resolve));
            return sound.entriesAfter(cursor, beforeEpoch);
          },
        }),
      },
    }),
    wishes: { ...faults('shard'), sites: 1, processes: 1, often: ['putSize', 'deleteSize', 'readSize'] },
    caughtBy: ['I06'],
    withinSeeds: 20,
  },
  {
    name: 'renewing is not acquiring',
    what: 'a holder that slept takes its lease back, though another one had it meanwhile',
    mutation: () => ({
      parts: {
        siteStore: (sound) => ({ ...sound, renewLease: (holder, leaseMs) => sound.acquireLease(holder, leaseMs) }),
      },
    }),
    wishes: { ...faults('stall', 'down'), processes: 2, often: ['takeThisIp', 'freeIp', 'readIp'] },
    caughtBy: ['I06', 'I20'],
    withinSeeds: 150,
  },
  {
    name: 'one site speaks for itself only',
    what: 'entries of the directory are taken from whoever brings them',
    mutation: () => ({
      parts: {
        ask: (kind, sound) =>
          kind !== 'directory.apply'
            ? sound
            : (body, peer, asker) => {
                const home = (body as { entries: Array<{ home: string }> }).entries[0]?.home ?? peer.name;
                return sound(body, { ...peer, name: home }, asker);
              },
      },
    }),
    wishes: { ...faults(), sites: 3 },
    caughtBy: ['I20', 'I13'],
    withinSeeds: 30,
  },
];
