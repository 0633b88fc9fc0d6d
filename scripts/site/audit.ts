// The audit of a running site: what must be conserved in its rows, and its actors' memory compared with them.
import { conflict, isRefusal, type Refusal } from '../../actors/refusal.ts';
import type { ShardHost } from '../../actors/runtime/host.ts';
import type { MemoryAudit } from '../../actors/runtime/memory-audit.ts';
import { briefOf, type RowsAudit } from '../../storage/audit/index.ts';
import type { AuditThread } from './audit-thread.ts';
import type { KeysView } from './inspect/keys.ts';

export interface AuditView extends RowsAudit {
  /** Of what was looked at; what could not be is said beside it. */
  isSound: boolean;
  /**
   * `busy`: in the middle of something each time. `left`: beyond the limits. `notCompared`: actors (or shards) whose rows
   * could not be read in time, each with why; nothing is said against them.
   */
  memory: Omit<MemoryAudit, 'findings'>;
  /** Keys that were answered at two sites during a cut: as designed, and listed so that somebody resolves them. */
  keys: KeysView;
  tookMs: number;
}

export interface AuditLimits {
  /** Log entries that are folded, the newest ones. */
  entries: number;
  /** Actors of each shard that are compared with their rows, the last active ones. */
  actors: number;
}

export const AUDIT_LIMITS: AuditLimits = { entries: 20_000, actors: 500 };

/** Only one at a time: who asks meanwhile for the same gets the answer of the one that runs, who asks for more does not. */
export function createAudit(
  host: Pick<ShardHost, 'auditMemory'>,
  thread: Pick<AuditThread, 'rows'>,
  findKeys: () => Promise<KeysView>,
) {
  let running: { limits: AuditLimits; answer: Promise<AuditView | Refusal> } | undefined;

  async function run({ entries, actors }: AuditLimits): Promise<AuditView | Refusal> {
    const startMs = performance.now();
    const parts = [thread.rows(entries), host.auditMemory(actors), findKeys()] as const;
    // None of them is left running when another one fails: the next audit would run beside it.
    await Promise.allSettled(parts);
    const [rows, memory, keys] = await Promise.all(parts);
    if (isRefusal(rows)) return rows;
    const inMemory = briefOf(memory.findings);
    const findings = [...rows.findings, ...inMemory.findings];
    const { compared, busy, left, notCompared } = memory;
    return {
      ...rows,
      isSound: findings.length === 0,
      findings,
      more: { ...rows.more, ...inMemory.more },
      memory: { compared, busy, left, notCompared },
      keys,
      tookMs: Math.round(performance.now() - startMs),
    };
  }

  return (limits: AuditLimits = AUDIT_LIMITS): Promise<AuditView | Refusal> => {
    if (running === undefined) {
      const answer = run(limits).finally(() => {
        running = undefined;
      });
      running = { limits, answer };
    }
    const { entries, actors } = running.limits;
    if (entries === limits.entries && actors === limits.actors) return running.answer;
    return Promise.resolve(
      conflict(
        `an audit with entries=${entries} and actors=${actors} is running: ask for entries=${limits.entries} and actors=${limits.actors} when it is over`,
      ),
    );
  };
}
