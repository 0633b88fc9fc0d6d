// The block actor: one a partition and global network. It gives out the network's addresses from blocks that it holds,
// with local commits only, so a cut link costs nothing until they run out.
import { addressOf } from '../address.ts';
import { leftIn, overdue, takeAddresses, usedIn, wake, type Piece } from '../network/address-space.ts';
import { auditedSpace } from '../network/audited-space.ts';
import { CLEARED_AT_ONCE, clearLater, clearNow, leftoverRow, portion } from '../network/clearing.ts';
import { familiesOf } from '../network/ip-rules.ts';
import { ipTurns } from '../network/ip-turns.ts';
import { blockKey } from '../network/ledger.ts';
import { noSuchNetwork } from '../network/network-rules.ts';
import type { NetworkRecord } from '../network/record.ts';
import { takenIn, usagePart } from '../network/usage.ts';
import type { Rest } from '../network/quarantine.ts';
import { changeRow } from '../change.ts';
import type { Change } from '../records.ts';
import { conflict, isRefusal, type Refusal } from '../refusal.ts';
import { reservation, reserveAll, type Behaviour, type Context, type Coordination } from '../runtime/behaviour.ts';
import { inUseIn } from './in-use.ts';
import { freeLoanCommands, freeLoanNeeds } from './free-loans.ts';
import { loanCommands, loanNeeds } from './loans.ts';
import { checkOffer, isKnown } from './receive.ts';
import { fenced, restoredCommands, restoredNeeds } from './restored.ts';
import type { RecalledBlock } from './messages.ts';
import type { HoldingRecord } from './record.ts';
import {
  createBlockState,
  evolveBlockActor,
  holdBlockActor,
  partitionOf,
  unholdBlockActor,
  viewOfCopy,
  type BlockState,
  type Holding,
} from './state.ts';
import { askAhead, askedAnew, firstWants, shortage, stillWanted, wantRow } from './wants.ts';

type Adopted = { network: NetworkRecord | null; home: string };

/** On its way home, or there: what rests in it, the home keeps. */
const isGone = ({ open, doubtful }: Piece): boolean => !open && doubtful !== true;

const turns = ipTurns<BlockState>({
  holder: 'block',
  space: (state) => state.space,
  network: (state) => fenced(state) ?? state.copy?.value.network ?? noSuchNetwork(state.id),
  shortage,
  isGone,
  ahead: askAhead,
});

const at = (state: BlockState, context: Context) => ({ scope: context.scope, owner: state.id });
const selfOf = (state: BlockState, { scope }: Context) => addressOf(scope, 'block', state.id);

const holdingRow = (
  state: BlockState,
  context: Context,
  first: string,
  live: Holding | null,
  value: HoldingRecord | null,
): Change => changeRow(at(state, context), 'holding', blockKey(state.id, first), live, context.version(), value);

const copyRow = (state: BlockState, context: Context, { network, home }: Adopted): Change =>
  changeRow(
    at(state, context),
    'global_network',
    state.id,
    state.copy,
    context.version(),
    network === null ? null : { ...state.copy?.value, network, home },
  );

const addedPrefixes = (before: NetworkRecord | undefined, after: NetworkRecord): string[] =>
  after.prefixes.filter((text) => before?.prefixes.includes(text) !== true);

/** The copy follows its home; older news than what is known changes nothing. */
function becoming(state: BlockState, adopted: Adopted, context: Context): Change[] | Refusal {
  if (state.inFlight.has(`global_network:${state.id}`)) {
    return conflict(`the copy of network ${state.id} is being changed; try again`);
  }
  const { network } = adopted;
  if (network === null) {
    if (state.copy === null) return [];
    const held = [...state.holdings.keys()];
    if (held.length > 0) {
      return conflict(
        `partition ${partitionOf(state)} still holds blocks of network ${state.id}: ${held.slice(0, 8).join(', ')}`,
      );
    }
    if (state.space.resting.size > 0) {
      return conflict(
        `partition ${partitionOf(state)} still takes ${state.space.resting.size} released addresses of network ${state.id} away; try again`,
      );
    }
    const wants = [...state.wants.values()].map((want) => wantRow(state, context, want.value.h, want, null));
    return [copyRow(state, context, adopted), ...wants];
  }
  const known = state.copy?.value;
  const isNews =
    known === undefined ||
    network.changed > known.network.changed ||
    (known.home !== adopted.home && network.changed >= known.network.changed);
  const grown = isNews ? familiesOf({ prefixes: addedPrefixes(known?.network, network) }) : [];
  return [
    ...(isNews ? [copyRow(state, context, adopted)] : []),
    ...askedAnew(state, grown, context),
    ...firstWants(state, familiesOf(isNews ? network : known.network), context),
  ];
}

/** No network of this partition may have, or get, the VRF of a global one. */
function* adoption(state: BlockState, adopted: Adopted): Coordination<Record<string, never>> {
  const partition = partitionOf(state);
  const pool = addressOf(state.scope, 'allocator', partition);
  const network = adopted.network ?? state.copy?.value.network;
  if (network === undefined) return { reply: {} };
  const { id, vrf, vrfShared: shared } = network;
  const granted = yield* reserveAll([
    reservation(addressOf(state.scope, 'block', state.id), 'become', adopted),
    adopted.network === null
      ? reservation(pool, 'releaseVrf', { network: id, vrf })
      : reservation(pool, 'takeVrf', { network: id, number: vrf, shared }),
  ]);
  return isRefusal(granted) ? granted : { reply: {} };
}

const offerOf = ({ first, length, prefix, h, rest }: HoldingRecord): RecalledBlock => ({
  first,
  length,
  prefix,
  h,
  ...(rest === undefined ? {} : { rest }),
});

/** A block that goes home. The home keeps it for as long as addresses in it rest, whose rows go from here. */
function returning({ space }: BlockState, { value, piece }: Holding): HoldingRecord {
  let rest: Rest | undefined;
  for (const left of leftIn(space, piece)) {
    if (left.rest === undefined) continue;
    const { sinceMs, untilMs } = left.rest;
    rest = { sinceMs: Math.max(rest?.sinceMs ?? 0, sinceMs), untilMs: Math.max(rest?.untilMs ?? 0, untilMs) };
  }
  return { ...value, state: 'returning', ...(rest === undefined ? {} : { rest }) };
}

export const blockBehaviour: Behaviour<'block', BlockState> = {
  kind: 'block',
  tables: ['global_network', 'holding', 'want', 'ip'],
  create: createBlockState,
  evolve: evolveBlockActor,
  hold: holdBlockActor,
  addresses: (state, packed) => takeAddresses(state.space, packed),
  unhold: (state, _operation, changes) => unholdBlockActor(state, changes),
  needs: { ...turns.needs, ...loanNeeds, ...freeLoanNeeds, ...restoredNeeds },

  commands: {
    ...turns.commands,
    ...loanCommands,
    ...freeLoanCommands,
    ...restoredCommands,

    get(state) {
      const network = state.copy?.value.network;
      return network === undefined ? noSuchNetwork(state.id) : { reply: viewOfCopy(state, network) };
    },

    usage(state, { before }, context) {
      if (state.copy === null) return noSuchNetwork(state.id);
      wake(state.space, context.nowMs);
      const { space } = state;
      const { growth } = space;
      const families = familiesOf(state.copy.value.network);
      const more = { families, children: [], inOperation: 0, before };
      return {
        reply: usagePart(state.id, space, { growth, taken: takenIn(space) }, context.nowMs, more),
        hints: clearLater(space, selfOf(state, context), context.nowMs),
      };
    },

    adopt(state, adopted, context) {
      const first = adopted.network !== null && state.copy === null;
      const last = adopted.network === null && state.copy !== null;
      const vrf = adopted.network?.vrf ?? state.copy?.value.network.vrf ?? 0;
      if ((first || last) && vrf !== 0) return { coordinate: () => adoption(state, adopted) };
      const changes = becoming(state, adopted, context);
      return isRefusal(changes) ? changes : { reply: {}, changes };
    },

    receive(state, { h, blocks, exhausted }, context) {
      const unknown = blocks.filter((block) => !isKnown(state, h, block));
      const want = state.wants.get(h);
      if (blocks.length > 0 && unknown.length === 0) return { reply: { held: state.holdings.size, refused: [] } };
      // An h ends for good when its blocks came: whatever comes for it later is an echo, and goes back.
      if (want === undefined) return { reply: { held: state.holdings.size, refused: unknown } };
      if (blocks.length === 0) {
        if (!exhausted) return { reply: { held: state.holdings.size, refused: [] } };
        const denied = { reason: 'exhausted' as const, detail: '', atMs: context.nowMs };
        return {
          reply: { held: state.holdings.size, refused: [] },
          changes: [wantRow(state, context, h, want, { ...want.value, denied })],
        };
      }
      if (state.inFlight.has(`want:${state.id}|${h}`)) {
        return conflict(`request ${h} for blocks of network ${state.id} is being changed; offer them again`);
      }
      const refused = checkOffer(state, want.value, unknown);
      if (refused !== undefined) return refused;
      return {
        reply: { held: state.holdings.size + unknown.length, refused: [] },
        changes: [
          ...unknown.map((block) =>
            holdingRow(state, context, block.first, null, { network: state.id, ...block, h, state: 'held' }),
          ),
          wantRow(state, context, h, want, null),
        ],
      };
    },

    denied(state, { h, reason, detail, kind, ahead = false }, context) {
      const want = state.wants.get(h);
      if (ahead && want?.value.ahead !== true) return { reply: {} };
      if (want === undefined || state.inFlight.has(`want:${state.id}|${h}`)) return { reply: {} };
      const denied = { reason, detail, atMs: context.nowMs, ...(kind === undefined ? {} : { kind }) };
      return { reply: {}, changes: [wantRow(state, context, h, want, { ...want.value, denied })] };
    },

    stillWanted(state, { h }, context) {
      wake(state.space, context.nowMs);
      const { isWanted, changes } = stillWanted(state, h, context);
      return { reply: { isWanted }, changes };
    },

    recall(state, { count, family, keep = 0, prefix, resting = false, look = false }, context) {
      const { space } = state;
      wake(space, context.nowMs);
      const leaving = [...state.holdings.values()].filter(({ value }) => value.state === 'returning');
      const idle = [...state.holdings.values()].filter(
        ({ value, piece }) =>
          value.state === 'held' &&
          (family === undefined || piece.set.prefix.family === family) &&
          (prefix === undefined || value.prefix === prefix) &&
          (resting ? usedIn(space, piece) : piece.set.heldCount) === 0,
      );
      const chosen = idle.toReversed().slice(0, Math.max(0, Math.min(count, idle.length - keep)));
      const going = chosen.map((holding) => ({ holding, value: returning(state, holding) }));
      const reply = { blocks: [...leaving, ...going].map(({ value }) => offerOf(value)) };
      if (look) {
        const inUse = inUseIn(
          state,
          (one) => (family === undefined || one.family === family) && (prefix === undefined || one.text === prefix),
        );
        return { reply: { ...reply, inUse } };
      }
      const pieces = new Set(chosen.map(({ piece }) => piece));
      const rows = portion(overdue(space, (piece) => pieces.has(piece) || isGone(piece)));
      return {
        reply,
        changes: [
          ...going.map(({ holding, value }) => holdingRow(state, context, value.first, holding, value)),
          ...rows.map((left) => leftoverRow(state, context, left)),
        ],
        hints:
          rows.length === CLEARED_AT_ONCE
            ? [clearNow(selfOf(state, context))]
            : clearLater(space, selfOf(state, context), context.nowMs, { gone: rows.length }),
      };
    },

    returned(state, { first, h }, context) {
      const holding = state.holdings.get(first);
      if (holding === undefined || holding.value.h !== h || holding.value.state !== 'returning') return { reply: {} };
      return { reply: {}, changes: [holdingRow(state, context, first, holding, null)] };
    },

    holdings(state) {
      const open = state.space.pieces.filter((piece) => piece.open);
      return {
        reply: {
          holdings: [...state.holdings.values()].map(({ value }) => value),
          wants: [...state.wants.values()].map(({ value }) => value),
          free: Number(open.reduce((sum, { set }) => sum + set.freeCount, 0n)),
          held: state.space.pieces.reduce((sum, { set }) => sum + set.heldCount, 0),
        },
      };
    },
  },

  reservations: {
    ...turns.reservations,

    become(state, adopted, context) {
      const changes = becoming(state, adopted, context);
      return isRefusal(changes) ? changes : { reply: {}, changes };
    },
  },

  describe: (state) => ({
    network: state.copy?.value ?? null,
    holdings: [...state.holdings.values()].map(({ value, piece }) => ({ ...value, held: piece.set.heldCount })),
    wants: [...state.wants.values()].map(({ value }) => value),
    reserved: [...state.space.inFlight.keys()],
    loans: Object.fromEntries(state.space.loans),
    resting: state.space.resting.size,
  }),

  *audited({ copy, holdings, wants, space }) {
    yield ['copy', copy];
    const { held, resting } = yield* auditedSpace(space);
    for (const { value, version, piece } of holdings.values()) {
      yield ['holdings', { value, version, rows: held.get(piece) }];
    }
    for (const want of wants.values()) yield ['wants', want];
    for (const loan of space.loans) yield ['loans', loan];
    yield ['resting', resting];
  },
};
