// Asking the home for blocks: ahead of need, or because a request found nothing (design.md §6). A request stays open
// under one h until blocks came for it, so that an answer that comes late, or twice, still finds it.
import { parseAddress, type Family } from '../ipam/address.ts';
import { hasUsable } from './block-space.ts';
import { noAddressLeft } from '../ipam/refusal-texts.ts';
import { prefixesOf } from '../network/ip-rules.ts';
import { heldText } from '../network/counts.ts';
import { freeAddresses, lastPiece, pieceOf, type Piece } from '../network/address-space.ts';
import type { NetworkRecord } from '../network/record.ts';
import { changeRow, type Live } from '../change.ts';
import { oncePerRow, type Change } from '../records.ts';
import { conflict, exhausted, notFound, unavailable, unreachable, type Refusal } from '../refusal.ts';
import type { Context, Waiting } from '../runtime/behaviour.ts';
import type { Denial, Lender, WantRecord } from './record.ts';
import { blockSize, partitionOf, type BlockState } from './state.ts';

/** So long a denial answers further requests by itself: else every request on an empty network asks the home again. */
const DENIAL_HOLDS_MS = 1_000;
/** The same for a single address, whose state at the lender may change at any moment: only those who wait hear it. */
const LENDER_DENIAL_HOLDS_MS = 250;
/** Asking ahead has time. */
const AHEAD_AGAIN_MS = 10_000;
/** Blocks wanted within this time of the last ones are wanted in greater number. */
const SOON_MS = 1_000;
const MOST_BLOCKS = 16;
/** So many prefixes a refusal names. */
const MOST_NAMED = 8;
const BLOCKS = { one: 'block', many: 'blocks' };

interface Wanted {
  family: Family;
  address: string | null;
  /** Set: the address itself is wanted, not the block around it. */
  lender?: Lender;
  /** Nobody waits yet. */
  ahead?: true;
}

const isFor = (record: WantRecord, wanted: Wanted): boolean =>
  record.address === wanted.address &&
  record.family === wanted.family &&
  (record.lender === undefined) === (wanted.lender === undefined);

const openWant = (state: BlockState, wanted: Wanted): Live<WantRecord> | undefined =>
  [...state.wants.values()].find(({ value }) => isFor(value, wanted));

/** A reservation that is not committed yet asks already. */
const isBeingWritten = (state: BlockState, wanted: Wanted): boolean =>
  [...state.inFlight.values()].some(
    (change) => change.table === 'want' && change.value !== null && isFor(change.value, wanted),
  );

export const wantRow = (
  state: BlockState,
  context: Context,
  h: string,
  live: Live<WantRecord> | null,
  value: WantRecord | null,
): Change =>
  changeRow({ scope: context.scope, owner: state.id }, 'want', `${state.id}|${h}`, live, context.version(), value);

/** The wall clock may jump either way; then a denial is simply over. */
const isWithin = (nowMs: number, atMs: number, ms: number): boolean => Math.abs(nowMs - atMs) < ms;

/** A new request. What was denied for single addresses and is over goes with it, so that such rows don't pile up. */
export function newWant(state: BlockState, wanted: Wanted, context: Context): Change[] {
  const h = context.uuid();
  const last = wanted.address === null ? state.lastWant.get(wanted.family) : undefined;
  const soon = last !== undefined && isWithin(context.nowMs, last.createdMs, SOON_MS);
  const stale = [...state.wants.values()].filter(
    ({ value: { address, denied } }) =>
      address !== null && denied !== null && !isWithin(context.nowMs, denied.atMs, AHEAD_AGAIN_MS),
  );
  const value: WantRecord = {
    network: state.id,
    h,
    ...wanted,
    count: soon ? Math.min(last.count * 2, MOST_BLOCKS) : 1,
    createdMs: context.nowMs,
    denied: null,
  };
  return [
    wantRow(state, context, h, null, value),
    ...stale.map((want) => wantRow(state, context, want.value.h, want, null)),
  ];
}

/** A denied request is asked again under the same h. */
const askAgain = (state: BlockState, want: Live<WantRecord>, context: Context): Change =>
  wantRow(state, context, want.value.h, want, { ...want.value, denied: null });

/** A prefix more may have what there was nothing of: what was denied is asked again, whoever waits. */
export const askedAnew = (state: BlockState, families: readonly Family[], context: Context): Change[] =>
  [...state.wants.values()]
    .filter(({ value: { h, address, family, denied } }) => {
      const isOver = denied !== null && address === null && families.includes(family);
      return isOver && !state.inFlight.has(`want:${state.id}|${h}`);
    })
    .map((want) => askAgain(state, want, context));

/** Somebody waits for it now. */
function needed(state: BlockState, want: Live<WantRecord>, context: Context): Change {
  const value = { ...want.value, denied: null };
  delete value.ahead;
  return wantRow(state, context, want.value.h, want, value);
}

function refusalOf(state: BlockState, denial: Denial, home: string, wanted: Wanted, nowMs: number): Refusal {
  const counts = `partition ${partitionOf(state)} holds ${heldText(state.space, wanted.family, nowMs, BLOCKS)}`;
  if (denial.reason === 'exhausted') {
    const others = denial.detail === '' ? '' : ` (${denial.detail})`;
    const why = `${counts}, site ${home} has no block left${others}, and no partition has an address left`;
    return exhausted(noAddressLeft(state.id, why));
  }
  if (denial.reason === 'elsewhere') return conflict(denial.detail);
  return unreachable(
    `partition ${partitionOf(state)} holds no free address of network ${state.id}, and its home, site ${home}, can't give more: ${denial.detail} (${counts})`,
  );
}

/** The closed block here that the address lies in. */
function closedPiece(state: BlockState, text: string | null): Piece | undefined {
  const address = text === null ? undefined : parseAddress(text);
  return address === undefined ? undefined : pieceOf(state.space, address);
}

/** Said at once: nobody has, or ever gets, an address of these prefixes. */
function useless({ id, prefixes }: NetworkRecord, { family, address }: Wanted): Refusal | undefined {
  const own = prefixesOf({ prefixes }).filter(({ prefix }) => prefix.family === family);
  if (address !== null || own.length === 0 || own.some(({ prefix }) => hasUsable(prefix))) return undefined;
  const named = own.slice(0, MOST_NAMED).map(({ text }) => text);
  if (own.length > MOST_NAMED) named.push(`${own.length - MOST_NAMED} more`);
  const ends = family === 'IPv4' ? 'the first and the last address of each are' : 'the first address of each is';
  return exhausted(
    noAddressLeft(id, `none of its ${family} prefixes has a usable address (${named.join(', ')}): ${ends} reserved`),
  );
}

/** Nothing here serves the request: waits for blocks, or says why none come. */
export function shortage(
  state: BlockState,
  wanted: Wanted,
  network: NetworkRecord,
  context: Context,
): Refusal | Waiting {
  const never = useless(network, wanted);
  if (never !== undefined) return never;
  const home = state.copy?.value.home ?? '';
  const what = wanted.address ?? `free ${wanted.family} address`;
  const wait = `partition ${partitionOf(state)} holds no block with ${what} of network ${state.id}; its home, site ${home}, was asked for one and has not answered yet`;
  const closed = closedPiece(state, wanted.address);
  if (closed?.doubtful) {
    return unavailable(
      `${what} of network ${state.id} lies in block ${closed.set.prefix.canonical}, out of which partition ${partitionOf(state)} gives nothing since its site was restored from a backup: it may have been given out after it`,
    );
  }
  // On its way home; only then its block can be asked for again.
  if (closed !== undefined || isBeingWritten(state, wanted)) return { wait };
  const want = openWant(state, wanted);
  if (want === undefined) return { wait, changes: newWant(state, wanted, context) };
  const { denied, ahead } = want.value;
  if (ahead && !state.inFlight.has(`want:${state.id}|${want.value.h}`)) {
    return { wait, changes: [needed(state, want, context)] };
  }
  if (denied === null) return { wait };
  if (isWithin(context.nowMs, denied.atMs, DENIAL_HOLDS_MS))
    return refusalOf(state, denied, home, wanted, context.nowMs);
  return { wait, changes: [askAgain(state, want, context)] };
}

/** An address that another partition has: waits until it is here, or says why it does not come. */
export function bringWant(
  state: BlockState,
  wanted: Wanted & { address: string; lender: Lender },
  context: Context,
): Refusal | Waiting {
  const { address, lender } = wanted;
  const where = `ip ${address} of network ${state.id} is in partition ${lender.partition} (site ${lender.site})`;
  const wait = `${where}, which was asked for it and has not answered yet`;
  const want = openWant(state, wanted);
  if (want === undefined) return { wait, changes: newWant(state, wanted, context) };
  const { denied } = want.value;
  if (denied === null) return { wait };
  if (isWithin(context.nowMs, denied.atMs, LENDER_DENIAL_HOLDS_MS)) {
    if (denied.reason !== 'declined') return unreachable(`${where}: ${denied.detail}`);
    return denied.kind === 'NotFound' ? notFound(denied.detail) : conflict(denied.detail);
  }
  return { wait, changes: [wantRow(state, context, want.value.h, want, { ...want.value, lender, denied: null })] };
}

/** Whether less than a quarter of a block is left, apart from `taken` addresses that are about to go. */
function isLow({ space }: BlockState, family: Family, taken: bigint): boolean {
  const last = lastPiece(space, family);
  const size = last === undefined ? 1n : blockSize(last.set.prefix, family);
  // 4 × (free − taken) < size of a block, in whole numbers.
  const enough = size / 4n + 1n + taken;
  return 4n * (freeAddresses(space, family, enough) - taken) < size;
}

/** Before one more address of the family is given out: less than a quarter of a block left means asking for more. */
export function askAhead(state: BlockState, family: Family, context: Context): Change[] {
  if (!isLow(state, family, 1n)) return [];
  const wanted: Wanted = { family, address: null, ahead: true };
  const want = openWant(state, wanted);
  if (want === undefined) return isBeingWritten(state, wanted) ? [] : newWant(state, wanted, context);
  const { denied } = want.value;
  if (denied === null || isWithin(context.nowMs, denied.atMs, AHEAD_AGAIN_MS) || isBeingWritten(state, wanted)) {
    return [];
  }
  return [askAgain(state, want, context)];
}

/**
 * The first blocks of the families of which nothing is held or asked, and more of those that run low: as after a block went
 * home. What is on its way there is as good as gone.
 */
export const firstWants = (state: BlockState, families: readonly Family[], context: Context): Change[] =>
  oncePerRow(
    families
      .filter((family) => isLow(state, family, 0n))
      .map((family): Wanted => ({ family, address: null, ahead: true }))
      .filter((wanted) => openWant(state, wanted) === undefined && !isBeingWritten(state, wanted))
      .flatMap((wanted) => newWant(state, wanted, context)),
  );

/**
 * Whether what was denied is to be asked for again, though nobody waits: blocks, while there are too few addresses. Of
 * anything else nothing is to be said any more, and its row goes.
 */
export function stillWanted(state: BlockState, h: string, context: Context): { isWanted: boolean; changes: Change[] } {
  const want = state.wants.get(h);
  if (want === undefined) return { isWanted: false, changes: [] };
  const { denied, address, family } = want.value;
  const network = state.copy?.value.network;
  if (denied === null || network === undefined || state.inFlight.has(`want:${state.id}|${h}`)) {
    return { isWanted: denied === null, changes: [] };
  }
  const isWanted = address === null && isLow(state, family, 0n) && useless(network, { family, address }) === undefined;
  return { isWanted, changes: isWanted ? [] : [wantRow(state, context, h, want, null)] };
}
