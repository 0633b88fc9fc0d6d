// The ledger of a global network whose home was restored from a backup (reliability.md F24): what a partition holds is
// its own word, and newer than the backup.
import type { BlockRecord } from '../block/record.ts';
import type { Ledger } from './ledger.ts';
import type { LedgerReconciliation } from './messages.ts';

const isSame = (a: BlockRecord | undefined, b: BlockRecord): boolean =>
  a !== undefined && a.holder === b.holder && a.h === b.h && a.state === b.state;

/** The rows that differ from the ledger. Nothing is ever freed by it: what nobody holds goes back by an offer. */
export function reconciledBlocks(
  ledger: Ledger,
  network: string,
  { holdings, kept, site, silent }: LedgerReconciliation,
): BlockRecord[] {
  const records = new Map<string, BlockRecord>();
  // What is on its way back may have been given to another since.
  const byCertainty = [...holdings].sort((a, b) => Number(a.isReturning) - Number(b.isReturning));
  for (const { first, length, prefix, holder, holderSite, h } of byCertainty) {
    if (records.has(first)) continue;
    records.set(first, { network, first, length, prefix, holder, holderSite, h, state: 'delivered' });
  }
  for (const { first, length, prefix, holder, h } of kept ?? []) {
    if (!records.has(first)) {
      records.set(first, { network, first, length, prefix, holder, holderSite: site, h, state: 'delivered' });
    }
  }
  for (const [first, { value }] of ledger.rows) {
    if (records.has(first) || value.holderSite === site || silent.includes(value.holderSite)) continue;
    // Nobody has it.
    if (value.state === 'resting') continue;
    // Whoever was given it does not have it: it came back after the backup, or the answer is still under way. An offer
    // ends both.
    records.set(first, { ...value, state: 'sent' });
  }
  return [...records.values()].filter((record) => !isSame(ledger.rows.get(record.first)?.value, record));
}
