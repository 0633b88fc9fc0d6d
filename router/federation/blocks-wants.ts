// Open requests of the hosted partitions for blocks and single addresses: each is fetched until it is granted or denied, and
// what was denied is asked for again by itself, ahead of need.
import { partitionScope, scopeId } from '../../actors/address.ts';
import type { WantRecord } from '../../actors/block/record.ts';
import type { Row } from '../../actors/records.ts';
import type { Attempt, Attempts } from './blocks-attempts.ts';
import type { BlockHolder } from './blocks-holder.ts';
import type { Pauses } from './blocks-pauses.ts';
import type { Loans } from './loans.ts';

type Told = Pick<Row, 'table' | 'scope' | 'key' | 'version'> & { value: unknown };

export interface OpenWants {
  /** What a row says, which may be older than what was seen of it. */
  see(row: Told): void;
  /** Nothing more is done for those of the partition. */
  drop(partition: string): void;
}

export interface OpenWantsOptions {
  attempts: Attempts;
  pauses: Pauses;
  holder: Pick<BlockHolder, 'fetch' | 'fetchAgain'>;
  loans: Pick<Loans, 'fetch'>;
}

export function createOpenWants({ attempts, pauses, holder, loans }: OpenWantsOptions): OpenWants {
  /** By scope and key; with the version, since rows and log may overtake. */
  const wants = new Map<string, { version: number; record: WantRecord }>();

  /** What was denied is asked for again by itself, while it is needed; otherwise it is over. */
  function askLater(name: string, partition: string): void {
    const current = (): WantRecord | undefined => wants.get(name)?.record;
    pauses.later(name, () =>
      attempts.run(name, async () => {
        const outcome = await holder.fetchAgain(partition, current);
        return isDenied(name) ? askedLater(name, partition) : outcome;
      }),
    );
  }

  const isDenied = (name: string): boolean => wants.get(name)?.record.denied != null;

  function askedLater(name: string, partition: string): Attempt {
    askLater(name, partition);
    return 'done';
  }

  function forget(name: string): void {
    pauses.end(name);
    attempts.drop(name);
  }

  function see({ scope, key, version, value }: Told): void {
    const name = `want|${scope}|${key}`;
    const known = wants.get(name);
    if (known !== undefined && known.version > version) return;
    const record = value as WantRecord | null;
    if (record === null) {
      wants.delete(name);
      return forget(name);
    }
    wants.set(name, { version, record });
    const reason = record.denied?.reason;
    if (reason === undefined) pauses.end(name);
    else if (reason !== 'unreachable' || record.address !== null) askLater(name, scopeId(scope));
    if (reason === 'exhausted' || reason === 'elsewhere' || reason === 'declined') return;
    // Our own word that somebody can't be reached must not bring the next attempt forward.
    if (reason === 'unreachable' && known !== undefined) return;
    const current = (): WantRecord | undefined => wants.get(name)?.record;
    const isLoan = record.lender !== undefined;
    // A single address is asked for once a request: that it comes when nobody waits any more would be a surprise.
    if (isLoan && reason !== undefined) return;
    attempts.run(name, async () => {
      const outcome = await (isLoan ? loans : holder).fetch(scopeId(scope), current);
      // Somebody could not be asked, and now nothing is left.
      return outcome === 'done' && isDenied(name) ? askedLater(name, scopeId(scope)) : outcome;
    });
  }

  return {
    see,
    drop(partition) {
      for (const name of wants.keys()) if (name.startsWith(`want|${partitionScope(partition)}|`)) forget(name);
    },
  };
}
