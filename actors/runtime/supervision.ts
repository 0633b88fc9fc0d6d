// The tree of a shard in nact: shard → scope → kind. Messages never travel through it (nact's own path makes 0.3 M
// messages a second, a ready list 6 M); it carries names, lifecycle and the policy for crashes.
import { dispatch, spawn, start, stop } from 'nact';
import type { Kind, Scope } from '../address.ts';

export interface Crash {
  /** What failed, for the log. */
  actor: string;
  error: unknown;
  /** How often this actor has crashed, this time included. */
  times: number;
  restart(): void;
  quarantine(): void;
  /** The supervisors know nobody but by what they hear: nact keeps them as long as their thread lives. */
  log(message: string, fields: Record<string, unknown>): void;
}

export interface Supervision {
  crashed(scope: Scope, kind: Kind, crash: Crash): void;
  stop(): void;
}

/** After so many crashes an actor is left alone until an operator looks at it. */
const QUARANTINE_AFTER = 3;

/** nact allows no `:` in names. */
const nameOf = (text: string): string => text.replaceAll(/[^A-Za-z0-9$_.+!*'(),-]/g, '.');

/** nact's own `Ref` is an empty class, to which everything is assignable: an opaque type of ours instead. */
type Reference = { readonly nact: unique symbol };

/** nact finds a system by its name, and a thread may have several shards: tests and the simulation do. */
let systems = 0;

export function createSupervision(shard: number): Supervision {
  /** Most shards never need one. */
  let system: Reference | undefined;
  const scopes = new Map<Scope, Reference>();
  const kinds = new Map<string, Reference>();

  const keep = (state: undefined): undefined => state;

  function kindOf(scope: Scope, kind: Kind): Reference {
    const name = `${scope}/${kind}`;
    const known = kinds.get(name);
    if (known !== undefined) return known;
    let parent = scopes.get(scope);
    if (parent === undefined) {
      system ??= start({ name: `shard-${shard}-${++systems}` } as never) as unknown as Reference;
      parent = spawn(system, keep, nameOf(scope)) as Reference;
      scopes.set(scope, parent);
    }
    const supervisor = spawn(
      parent,
      ((_state: undefined, crash: Crash) => {
        throw crash;
      }) as never,
      nameOf(kind),
      {
        // A crash is a message that throws, so that the policy is nact's and stands once.
        onCrash: ((crash: Crash, _error: unknown, context: { resume: unknown }) => {
          crash.log('actor crashed', { actor: crash.actor, times: crash.times, error: String(crash.error) });
          if (crash.times >= QUARANTINE_AFTER) crash.quarantine();
          else crash.restart();
          return context.resume;
        }) as never,
      },
    ) as Reference;
    kinds.set(name, supervisor);
    return supervisor;
  }

  return {
    crashed(scope, kind, crash) {
      dispatch(kindOf(scope, kind), crash);
    },
    stop() {
      if (system !== undefined) stop(system);
      system = undefined;
      scopes.clear();
      kinds.clear();
    },
  };
}
