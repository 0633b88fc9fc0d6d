// The audit of a running site: what must be conserved in its rows, and its actors' memory compared with them.
import type { ShardHost } from '../../actors/runtime/host.ts';
import { audit } from '../../storage/audit/index.ts';
import type { Inspection } from '../../storage/inspection.ts';
import type { KeysView } from './inspect/keys.ts';

export interface AuditView {
  site: string;
  isSound: boolean;
  /** Sentences that begin with the name of the rule that is broken; empty: sound. */
  findings: string[];
  rows: { live: number; log: number; isWholeLog: boolean };
  /** `busy`: in the middle of something each time, and not compared. `left`: beyond the limit. */
  memory: { compared: number; busy: number; left: number };
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

/** Only one at a time: who asks meanwhile gets the answer of the one that runs. */
export function createAudit(
  host: Pick<ShardHost, 'auditMemory'>,
  inspection: Pick<Inspection, 'rows'>,
  findKeys: () => Promise<KeysView>,
) {
  let running: Promise<AuditView> | undefined;

  async function run(limits: AuditLimits): Promise<AuditView> {
    const startMs = performance.now();
    const [site, memory, keys] = await Promise.all([
      inspection.rows(limits.entries),
      host.auditMemory(limits.actors),
      findKeys(),
    ]);
    const findings = [...audit([site]), ...memory.findings];
    const live = Object.values(site.rows).reduce(
      (sum, rows) => sum + rows.filter(({ value }) => value !== null).length,
      0,
    );
    const { compared, busy, left } = memory;
    return {
      site: site.site,
      isSound: findings.length === 0,
      findings,
      rows: { live, log: site.log.length, isWholeLog: site.isWholeLog },
      memory: { compared, busy, left },
      keys,
      tookMs: Math.round(performance.now() - startMs),
    };
  }

  return (limits: AuditLimits = AUDIT_LIMITS): Promise<AuditView> =>
    (running ??= run(limits).finally(() => {
      running = undefined;
    }));
}
