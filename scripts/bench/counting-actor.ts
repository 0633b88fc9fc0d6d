// The smallest actor there is, on the runtime's own shard, over a store that answers at once: what is left is the runtime.
import { addressOf, type Address, type Scope } from '../../actors/address.ts';
import type { ShardStore, World } from '../../actors/ports.ts';
import { isRefusal } from '../../actors/refusal.ts';
import {
  askAll,
  type AnyBehaviour,
  type Context,
  type Coordination,
  type Hint,
  type Question,
} from '../../actors/runtime/behaviour.ts';

export const SCOPE: Scope = 'partition:bench';

/** Ids as machines have them. */
export const counterAt = (n: number): Address =>
  addressOf(SCOPE, 'machine', `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`);

export interface Counter {
  id: string;
  version: number;
}

/** What `tour` is told: to ask these, so many of them at a time, so often in all. */
export interface Tour {
  to: Address[];
  atOnce: number;
  asks: number;
}

function* tour({ to, atOnce, asks }: Tour): Coordination<number> {
  for (let n = 0; n < asks; n += atOnce) {
    const questions: Question<number>[] = [];
    for (let i = 0; i < atOnce; i++) questions.push({ to: to[(n + i) % to.length]!, name: 'look', body: null });
    const answers = yield* askAll(questions);
    if (isRefusal(answers)) return answers;
  }
  return { reply: asks };
}

/** An answer like that to an acquisition. */
const ANSWER = {
  address: '10.1.134.160',
  uuid: '01890a5d-ac96-774b-bcce-b302099a8057',
  network: 'internet-muc',
  prefix: '10.0.0.0/14',
  created: 1_700_000_000_000,
};

export const countingBehaviour = {
  kind: 'machine',
  tables: ['pool'],
  create: (id: string): Counter => ({ id, version: 0 }),
  evolve(state: Counter, { version }: { version: number }) {
    state.version = version;
  },
  hold() {},
  unhold() {},
  commands: {
    /** Changes nothing. */
    look: (state: Counter) => ({ reply: state.version }),
    /** Changes nothing, answers as much as an acquisition does. */
    answer: () => ({ reply: ANSWER }),
    /** Changes its one row. */
    count(state: Counter, _body: unknown, context: Context) {
      const version = context.version();
      const value = { pool: 'vrf', number: 1, owners: [], shared: false, elected: null };
      const change = {
        table: 'pool',
        scope: SCOPE,
        key: state.id,
        owner: state.id,
        prev: state.version,
        version,
        value,
      };
      return { reply: version, changes: [change] };
    },
    /** Tells all of them. */
    tell: (_state: Counter, hints: Hint[]) => ({ reply: hints.length, hints }),
    tour: (_state: Counter, body: Tour) => ({ coordinate: () => tour(body) }),
  },
  reservations: {},
} as AnyBehaviour;

/** Accepts every group after one turn of the event loop, and keeps nothing. */
export const forgetfulStore = ({ defer }: Pick<World, 'defer'>): ShardStore => ({
  commit: (_group, done) => defer(() => done({ outcome: 'committed' })),
  resolve: (_id, done) => done({ outcome: 'committed' }),
  raise: (held, done) => done(held),
  load: (_scope, _wanted, _fences, done) => done([], []),
  fetch: (_scope, _keys, _fences, done) => done([]),
  scan: (_scope, _tables, _fences, _each, done) => done(undefined),
});
