// What is judged of a load: after each round of a fault what everybody was told of it (reliability.md §5.2) and what is
// conserved (§5.4), at the end the whole history, and that nothing is left.
import assert from 'node:assert/strict';
import { auditDatabases, countTaken } from './audit.ts';
import { readSite } from './audit-rows.ts';
import { since, type Operation } from './history.ts';
import { checkHistory } from './linear.ts';
import type { Workload } from './workload.ts';

export interface Judge {
  /** Judges what was answered since the last time, while nobody asks for anything. */
  round(when: string): Promise<void>;
  /** Reads everything, gives everything back and reads it again; the clients have stopped. */
  end(when: string): Promise<void>;
}

/** `isTelling`: what of the history is judged. */
export function createJudge(
  load: Workload,
  databaseUrl: string,
  isTelling: (operation: Operation) => boolean = () => true,
): Judge {
  const { operations } = load.history;
  const check = (part: readonly Operation[]): string[] => checkHistory(part.filter(isTelling));
  let judged = 0;
  return {
    round: (when) =>
      load.paused(async () => {
        await load.readAll();
        const next = operations.length;
        assert.deepEqual(check(since(operations, judged)), [], when);
        assert.deepEqual(await auditDatabases([databaseUrl]), [], when);
        // The next round begins with what is read now.
        judged = next;
        await load.readAll();
      }),
    async end(when) {
      await load.readAll();
      await load.freeAll();
      await load.readAll();
      assert.deepEqual(check(operations), [], when);
      assert.deepEqual(load.strange, [], when);
      assert.deepEqual(await auditDatabases([databaseUrl], { isQuiet: true }), [], when);
      assert.deepEqual(countTaken([await readSite(databaseUrl)]), { addresses: 0, allocations: 0, asns: 0 }, when);
    },
  };
}
