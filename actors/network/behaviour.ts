// The network actor: a partition's network, or a global one at its home.
import { addressOf, isPartitionScope, scopeId } from '../address.ts';
import { noAddressLeft, prefixHasAddresses } from '../ipam/refusal-texts.ts';
import { alreadyExists, conflict, exhausted, isRefusal, unprocessable, type Refusal } from '../refusal.ts';
import type { BlockRecord } from '../block/record.ts';
import { changeRow, type Live } from '../change.ts';
import type { Change } from '../records.ts';
import type { Behaviour, Context, Hint } from '../runtime/behaviour.ts';
import { leftIn, takeAddresses, usedIn, wake } from './address-space.ts';
import { auditedSpace } from './audited-space.ts';
import { CLEARED_AT_ONCE, clearLater, leftoverRow, portion } from './clearing.ts';
import { heldText } from './counts.ts';
import { cutChildPrefixes, releasedChildren } from './children.ts';
import { updateNetwork } from './coordination.ts';
import { familiesOf, prefixesOf } from './ip-rules.ts';
import { ipTurns } from './ip-turns.ts';
import { blockContaining, blockKey, blockLengths, freeBlocks, offered, rowsOfOperation, spareOf } from './ledger.ts';
import type { BlocksIdle, OfferedBlock } from './messages.ts';
import { isGlobal, noSuchNetwork, notAChild, RELEASE_FAILED, UNABLE } from './network-rules.ts';
import { quarantineMs, restsUntilMs, type Rest } from './quarantine.ts';
import { reconciledBlocks } from './reconcile.ts';
import type { NetworkRecord, PrefixRecord } from './record.ts';
import {
  canonicalCidr,
  createNetworkState,
  evolveNetwork,
  holdNetwork,
  networkOf,
  prefixInUse,
  unholdNetwork,
  viewOf,
  type NetworkState,
} from './state.ts';
import { childrenUsage, cutFrom, takenIn, usagePart } from './usage.ts';
import { updatedNetwork } from './update-rules.ts';

const turns = ipTurns<NetworkState>({
  holder: 'network',
  space: (state) => state.space,
  network(state) {
    const network = networkOf(state);
    if (isRefusal(network) || !isGlobal(network)) return network;
    return unprocessable(
      `network ${state.id} is global: its addresses are given out by the partitions that hold blocks of it`,
    );
  },
  shortage: (state, wanted, _network, context) =>
    wanted.address === null
      ? exhausted(noAddressLeft(state.id, heldText(state.space, wanted.family, context.nowMs)))
      : conflict(`the prefix of ${wanted.address} is being removed from network ${state.id}`),
  isGone: () => false,
  ahead: () => [],
});

const at = (state: NetworkState, context: Context) => ({ scope: context.scope, owner: state.id });

const networkRow = (state: NetworkState, context: Context, value: NetworkRecord | null): Change =>
  changeRow(at(state, context), 'network', state.id, state.network, context.version(), value);

const prefixRow = (state: NetworkState, context: Context, cidr: string, value: PrefixRecord | null): Change =>
  changeRow(at(state, context), 'prefix', cidr, state.prefixRows.get(cidr), context.version(), value);

const blockRow = (state: NetworkState, context: Context, first: string, value: BlockRecord | null): Change =>
  changeRow(
    at(state, context),
    'block',
    blockKey(state.id, first),
    state.ledger.rows.get(first),
    context.version(),
    value,
  );

const topLevelRows = (state: NetworkState, context: Context, prefixes: readonly string[], made: boolean): Change[] =>
  prefixes
    .map(canonicalCidr)
    .filter((cidr) => made || state.prefixRows.has(cidr))
    .map((cidr) => prefixRow(state, context, cidr, made ? { cidr, network: state.id, root: cidr } : null));

/** What goes with prefixes that nobody uses any more: the rows of released addresses, and blocks that rest at home. */
function* leftoversOf(state: NetworkState, context: Context, prefixes: readonly string[]): Generator<Change, void> {
  for (const piece of state.space.pieces) {
    if (!prefixes.includes(piece.prefix)) continue;
    for (const left of leftIn(state.space, piece)) yield leftoverRow(state, context, left);
  }
  for (const { value } of state.ledger.rows.values()) {
    if (value.state === 'resting' && prefixes.includes(value.prefix)) yield blockRow(state, context, value.first, null);
  }
}

/** The same, with the operation that takes the prefixes away; of more than a portion nothing does (`clearLeaving`). */
function leftoverRows(state: NetworkState, context: Context, prefixes: readonly string[]): Change[] {
  const rows = portion(leftoversOf(state, context, prefixes));
  return rows.length < CLEARED_AT_ONCE ? rows : [];
}

/** The allocator of the partition keeps in mind which networks are its super and its underlay. */
function tellAllocator(network: NetworkRecord, exists: boolean, version: number, context: Context): Hint[] {
  if (!isPartitionScope(context.scope) || !(network.privateSuper || network.underlay)) return [];
  const { privateSuper, underlay } = network;
  return [
    {
      to: addressOf(context.scope, 'allocator', scopeId(context.scope)),
      name: 'networkChanged',
      body: { network: network.id, version, exists, privateSuper, underlay },
    },
  ];
}

/** The network, unless an operation is about to change it. */
function idleNetwork(state: NetworkState): Live<NetworkRecord> | Refusal {
  if (state.network === null) return noSuchNetwork(state.id);
  return state.underway === null ? state.network : conflict(`network ${state.id} is being changed; try again`);
}

/** networks.md §1.5: child networks without addresses in use. */
function notFreeable(state: NetworkState, network: NetworkRecord, nowMs: number): Refusal | undefined {
  if (network.parent === null) return notAChild(network.id);
  const used = state.space.pieces.find((piece) => usedIn(state.space, piece) > 0);
  if (used === undefined) return undefined;
  const counts = heldText(state.space, used.set.prefix.family, nowMs);
  return unprocessable(`${RELEASE_FAILED}: ${prefixHasAddresses(used.set.prefix)}: ${counts}`);
}

/** networks.md §1.7. */
function notDeletable(state: NetworkState, network: NetworkRecord, blocksIdle: BlocksIdle): Refusal | undefined {
  if ([...state.children.values()].some((space) => space.children > 0)) {
    const children = [...state.children.values()].reduce((sum, space) => sum + space.children, 0);
    return unprocessable(
      `network cannot be deleted because there are children of this network: ${children} prefixes are cut from it`,
    );
  }
  return network.prefixes
    .map((text) => prefixInUse(state, text, { what: UNABLE.delete, blocksIdle }))
    .find((refused) => refused !== undefined);
}

/** A global network whose ledger may be used. */
function globalOf(state: NetworkState) {
  const network = networkOf(state);
  if (isRefusal(network)) return network;
  return isGlobal(network) ? network : unprocessable(`network ${state.id} is not global: no blocks of it are leased`);
}

/** Whether what rested in a block that came home does not any more. */
const isRestOver =
  (network: NetworkRecord, nowMs: number) =>
  (rest: Rest): boolean =>
    restsUntilMs(rest, quarantineMs(network)) <= nowMs;

const openPrefixes = (state: NetworkState, network: NetworkRecord): string[] =>
  network.prefixes.filter((text) => !state.leaving.has(canonicalCidr(text)));

export const networkBehaviour: Behaviour<'network', NetworkState> = {
  kind: 'network',
  tables: ['network', 'prefix', 'block', 'ip'],
  create: createNetworkState,
  evolve: evolveNetwork,
  hold: holdNetwork,
  addresses: (state, packed) => takeAddresses(state.space, packed),
  unhold: (state, _operation, changes) => unholdNetwork(state, changes),
  needs: turns.needs,

  commands: {
    ...turns.commands,

    get(state) {
      return state.network === null ? noSuchNetwork(state.id) : { reply: viewOf(state, state.network.value) };
    },

    usage(state, { before }, context) {
      const network = state.network?.value;
      if (network === undefined) return noSuchNetwork(state.id);
      wake(state.space, context.nowMs);
      const isSuper = network.privateSuper;
      const children = (isSuper ? prefixesOf(network) : []).map(({ prefix }) =>
        childrenUsage(prefix, state.children.get(prefix.canonical), network.defaultChildPrefixLength?.[prefix.family]),
      );
      const { growth } = state.space;
      const taken = isSuper ? cutFrom(state.children.values()) : takenIn(state.space);
      const families = familiesOf(network);
      const more = { families, children, inOperation: state.prefixesInFlight.size, before };
      return {
        reply: usagePart(state.id, state.space, { growth, taken }, context.nowMs, more),
        hints: clearLater(state.space, addressOf(context.scope, 'network', state.id), context.nowMs),
      };
    },

    update(state, patch, context) {
      const current = idleNetwork(state);
      if (isRefusal(current)) return current;
      const { value: stored, version: basedOn } = current;
      const updated = updatedNetwork(stored, patch, context.nowMs);
      if (isRefusal(updated)) return updated;
      const { blocksIdle } = patch;
      for (const removed of updated.removedPrefixes) {
        const used = prefixInUse(state, removed, { what: UNABLE.update, blocksIdle });
        if (used !== undefined) return used;
      }
      const { network, addedPrefixes, removedPrefixes } = updated;
      if (isGlobal(stored) || addedPrefixes.length + removedPrefixes.length > 0) {
        const { site, h } = patch;
        return { coordinate: () => updateNetwork({ ...updated, scope: context.scope, site, h, basedOn, blocksIdle }) };
      }
      const row = networkRow(state, context, network);
      return {
        reply: viewOf(state, network),
        changes: [row],
        hints: tellAllocator(network, true, row.version, context),
      };
    },

    giveBlocks(state, ask, context) {
      const network = globalOf(state);
      if (isRefusal(network)) return network;
      const given = rowsOfOperation(state.ledger, ask.h, ask.partition);
      if (given.length > 0) return { reply: { blocks: given.map(offered), exhausted: false, holder: null } };
      const prefixes = openPrefixes(state, network);
      const over = isRestOver(network, context.nowMs);
      let blocks: OfferedBlock[];
      if (ask.address === null) blocks = freeBlocks(state.ledger, prefixes, ask, over);
      else {
        const found = blockContaining(state.ledger, prefixes, ask.address, over);
        if (found !== undefined && 'holder' in found) {
          return { reply: { blocks: [], exhausted: false, holder: found.holder } };
        }
        if (found !== undefined && 'rest' in found) {
          const forMs = restsUntilMs(found.rest, quarantineMs(network)) - context.nowMs;
          return { reply: { blocks: [], exhausted: false, holder: null, restsMs: forMs } };
        }
        blocks = found === undefined ? [] : [found.free];
      }
      const { partition: holder, site: holderSite, h } = ask;
      return {
        reply: { blocks, exhausted: blocks.length === 0, holder: null },
        changes: blocks.map((block) =>
          blockRow(state, context, block.first, {
            network: state.id,
            ...block,
            holder,
            holderSite,
            h,
            state: 'sent',
          }),
        ),
      };
    },

    blocksDelivered(state, ask, context) {
      const sent = rowsOfOperation(state.ledger, ask.h).filter((record) => record.state === 'sent');
      return {
        reply: { delivered: rowsOfOperation(state.ledger, ask.h).length },
        changes: sent.map((record) => blockRow(state, context, record.first, { ...record, state: 'delivered' })),
      };
    },

    takeBack(state, ask, context) {
      const row = state.ledger.rows.get(ask.first);
      // Given under another operation meanwhile: this is a late echo of an earlier life of the block.
      if (row === undefined || row.value.h !== ask.h || row.value.holder !== ask.partition) return { reply: {} };
      if (row.value.state === 'resting') return { reply: {} };
      const network = state.network?.value;
      const { rest } = ask;
      const rests = rest !== undefined && network !== undefined && !isRestOver(network, context.nowMs)(rest);
      const value: BlockRecord | null = rests ? { ...row.value, state: 'resting', rest } : null;
      return { reply: {}, changes: [blockRow(state, context, ask.first, value)] };
    },

    ledger(state) {
      const network = globalOf(state);
      if (isRefusal(network)) return network;
      const blocks = [...state.ledger.rows.values()].map(({ value }) => value);
      const { prefixes } = network;
      const spare = spareOf(state.ledger, prefixes);
      const { version } = state.ledger;
      return { reply: { blocks, blockLength: blockLengths(state.ledger, prefixes), spare, version } };
    },

    clearLeaving(state, _ask, context) {
      const { network, underway } = state;
      // A dry run holds nothing, so that nothing leaves.
      if (network === null || underway === null || underway.clears) return { reply: { isClear: true } };
      const { prefixes } = network.value;
      const isLeaving = (text: string): boolean => underway.what === 'close' || state.leaving.has(canonicalCidr(text));
      const changes = portion(leftoversOf(state, context, prefixes.filter(isLeaving)));
      return { reply: { isClear: changes.length < CLEARED_AT_ONCE }, changes };
    },

    reconcileLedger(state, ask, context) {
      const network = globalOf(state);
      if (isRefusal(network)) return network;
      const records = reconciledBlocks(state.ledger, state.id, ask);
      return {
        reply: { changed: records.length },
        changes: records.map((record) => blockRow(state, context, record.first, record)),
      };
    },
  },

  reservations: {
    ...turns.reservations,

    create(state, { network }, context) {
      if (state.network !== null || state.underway !== null) return alreadyExists();
      const row = networkRow(state, context, network);
      const own = network.parent === null ? topLevelRows(state, context, network.prefixes, true) : [];
      return {
        reply: viewOf(state, network),
        changes: [row, ...own],
        hints: tellAllocator(network, true, row.version, context),
      };
    },

    cutChildren(state, ask, context) {
      const network = networkOf(state);
      if (isRefusal(network)) return network;
      state.space.growth.note(context.nowMs, () => cutFrom(state.children.values()));
      const cut = cutChildPrefixes(state, network, ask, context.nowMs);
      if (isRefusal(cut)) return cut;
      return {
        reply: { prefixes: cut.map(({ cidr }) => cidr), parent: network },
        changes: cut.map(({ cidr, root }) =>
          prefixRow(state, context, cidr, { cidr, network: ask.child, root, cut: context.nowMs }),
        ),
      };
    },

    releaseChildren(state, ask, context) {
      const released = releasedChildren(state, ask);
      if (isRefusal(released)) return released;
      return { reply: {}, changes: released.map((cidr) => prefixRow(state, context, cidr, null)) };
    },

    close(state, ask, context) {
      const current = idleNetwork(state);
      if (isRefusal(current)) return current;
      const network = current.value;
      const refused =
        ask.as === 'free' ? notFreeable(state, network, context.nowMs) : notDeletable(state, network, ask.blocksIdle);
      if (refused !== undefined) return refused;
      const row = networkRow(state, context, null);
      return {
        reply: network,
        changes: [
          row,
          ...leftoverRows(state, context, network.prefixes),
          ...topLevelRows(state, context, network.prefixes, false),
        ],
        hints: tellAllocator(network, false, row.version, context),
      };
    },

    change(state, ask, context) {
      const current = idleNetwork(state);
      if (isRefusal(current)) return current;
      if (current.version !== ask.basedOn) {
        return conflict(`network ${state.id} was changed meanwhile; read it and try again`);
      }
      for (const removed of ask.removedPrefixes) {
        const used = prefixInUse(state, removed, { what: UNABLE.update, blocksIdle: ask.blocksIdle });
        if (used !== undefined) return used;
      }
      const row = networkRow(state, context, ask.network);
      return {
        reply: viewOf(state, ask.network),
        changes: [
          row,
          ...leftoverRows(state, context, ask.removedPrefixes),
          ...topLevelRows(state, context, ask.removedPrefixes, false),
          ...topLevelRows(state, context, ask.addedPrefixes, true),
        ],
        hints: tellAllocator(ask.network, true, row.version, context),
      };
    },
  },

  describe: (state) => ({
    network: state.network?.value ?? null,
    held: state.space.pieces.map(({ prefix, set, open }) => ({
      prefix,
      held: set.heldCount,
      bytes: set.sizeBytes,
      open,
    })),
    children: [...state.children].map(([root, space]) => ({ root, children: space.children })),
    blocks: state.ledger.rows.size,
    reserved: [...state.space.inFlight.keys(), ...state.prefixesInFlight.keys()],
    resting: state.space.resting.size,
    underway: state.underway,
  }),

  *audited({ network, space, children, ledger }) {
    yield ['network', network];
    const { held, resting } = yield* auditedSpace(space);
    for (const [{ prefix }, rows] of held) yield ['rows', { prefix, rows }];
    yield ['resting', resting];
    for (const [root, cut] of children) if (cut.children > 0) yield ['children', { root, children: cut.children }];
    for (const block of ledger.rows) yield ['blocks', block];
  },
};
