// The registry actor: one a site. It alone decides what must be unique over all sites, as far as this site knows.
import { checkNat, checkVrf } from '../network/network-rules.ts';
import { changeRow } from '../change.ts';
import type { RowKey } from '../ports.ts';
import type { Change } from '../records.ts';
import { conflict, notFound } from '../refusal.ts';
import type { Behaviour, Context } from '../runtime/behaviour.ts';
import {
  adoptedAs,
  claimKey,
  claimsOfNetwork,
  collisions,
  createRegistryState,
  evolveRegistry,
  holdClaims,
  rolesOfNetwork,
  settledRecords,
  together,
  unholdClaims,
  type RegistryState,
} from './claims.ts';
import { createNetwork, deleteNetwork, dropPromise, promise } from './coordination.ts';
import type { Claim } from './messages.ts';
import type { ClaimRecord } from './record.ts';

const row = (
  state: RegistryState,
  context: Context,
  claim: Claim,
  as: Pick<ClaimRecord, 'site' | 'state' | 'h'> | null,
): Change => {
  const { what, value, holder, replaces } = claim;
  const key = claimKey(claim);
  return changeRow(
    { scope: context.scope, owner: state.id },
    'claim',
    key,
    state.claims.get(key),
    context.version(),
    as && {
      what,
      value,
      holder,
      site: as.site,
      state: as.state,
      h: as.h,
      ...(as.state === 'promised' && replaces !== undefined && { replaces }),
    },
  );
};

/** Not there yet for the same site and operation: a repeated word says nothing new. */
const news = (state: RegistryState, given: readonly Claim[], site: string, h?: string): Claim[] =>
  given.filter((claim) => {
    const record = state.claims.get(claimKey(claim))?.value;
    return record === undefined || record.site !== site || (h !== undefined && record.h !== h);
  });

/** Prefixes of the same site and network that go when a promised one is made. */
const replacedBy = (state: RegistryState, { site, holder, replaces = [] }: ClaimRecord): ClaimRecord[] =>
  replaces.flatMap((value) => {
    const record = state.claims.get(claimKey({ what: 'prefix', value, holder }))?.value;
    return record?.site === site && record.holder === holder ? [record] : [];
  });

/**
 * No row has this key: it is asked for the proof of ownership that comes with every fetch. Without it a process that had
 * stood still while another one took over would tell what it remembers, and the other sites would let go of all that was
 * claimed since (reliability.md §8, F04).
 */
const PROOF: RowKey = { table: 'claim', key: '' };

export const registryBehaviour: Behaviour<'registry', RegistryState> = {
  kind: 'registry',
  tables: ['claim'],
  needs: { claims: () => [PROOF] },
  create: createRegistryState,
  evolve: evolveRegistry,
  hold: (state, _operation, changes) => holdClaims(state, changes),
  unhold: (state, _operation, changes) => unholdClaims(state, changes),

  commands: {
    createNetwork(state, ask) {
      const { network } = ask;
      const unique = claimsOfNetwork(network).filter(({ what }) => what !== 'vrf');
      const [taken] = collisions(state, unique, state.id);
      if (taken !== undefined) return taken;
      if (network.partition !== '' && !ask.partitions.includes(network.partition)) {
        return notFound(`no partition with id "${network.partition}" found`);
      }
      const [second] = collisions(state, rolesOfNetwork(network), state.id);
      const refused = second ?? checkNat(network) ?? checkVrf(network.vrf);
      return refused ?? { coordinate: () => createNetwork(ask, state.id) };
    },

    deleteNetwork(state, ask) {
      const own = [...state.claims.values()]
        .map(({ value }) => value)
        .filter(({ site, holder, what }) => site === state.id && holder === ask.id && what !== 'partition');
      return { coordinate: () => deleteNetwork(ask, state.id, own) };
    },

    promise(state, ask) {
      const { h, site } = ask;
      const refused = together(collisions(state, news(state, ask.claims, site, h), site));
      if (refused !== undefined) return refused;
      return { coordinate: () => promise(ask, state.id) };
    },

    settle(state, ask, context) {
      const { made, ...settled } = ask;
      const records = settledRecords(state, settled);
      if (!made) return { coordinate: () => dropPromise(settled, state.id, records) };
      const promised = records.filter((record) => record.state === 'promised');
      const replaced = promised.flatMap((record) => replacedBy(state, record));
      if (replaced.some((record) => state.leaving.has(claimKey(record)))) {
        return { wait: 'prefixes that are replaced are being released by another operation' };
      }
      return {
        reply: {},
        changes: [
          ...[...new Set(replaced)].map((record) => row(state, context, record, null)),
          ...promised.map((record) => row(state, context, record, { ...record, state: 'owned' })),
        ],
      };
    },

    claims(state, { own }) {
      // An operation whose commit is under way has claims or not: whoever asks wants to know which.
      if (state.making.size + state.leaving.size > 0)
        return { wait: 'claims are part of an operation that is not over' };
      const records = [...state.claims.values()].map(({ value }) => value);
      return { reply: { claims: own ? records.filter(({ site }) => site === state.id) : records } };
    },

    adopt(state, ask, context) {
      const added = news(state, ask.claims, ask.site);
      const refused = together(collisions(state, added, ask.site));
      if (refused !== undefined) return refused;
      const owned = { site: ask.site, state: 'owned' as const, h: adoptedAs(ask.site) };
      return { reply: {}, changes: added.map((claim) => row(state, context, claim, owned)) };
    },
  },

  reservations: {
    claim(state, { claims: given, h, promisedTo }, context) {
      const added = promisedTo === undefined ? given : news(state, given, promisedTo, h);
      const refusals = collisions(state, added, promisedTo ?? state.id);
      // metal-api's clients read one text; a site that asks wants to know all.
      const refused = promisedTo === undefined ? refusals[0] : together(refusals);
      if (refused !== undefined) return refused;
      const value =
        promisedTo === undefined
          ? { site: state.id, state: 'owned' as const, h }
          : { site: promisedTo, state: 'promised' as const, h };
      return { reply: {}, changes: added.map((claim) => row(state, context, claim, value)) };
    },

    release(state, { claims: given }, context) {
      const there = given.filter((claim) => state.claims.get(claimKey(claim))?.value.site === state.id);
      const busy = there.find((claim) => state.leaving.has(claimKey(claim)));
      if (busy !== undefined) return conflict(`${busy.what} ${busy.value} is being released by another operation`);
      return { reply: {}, changes: there.map((claim) => row(state, context, claim, null)) };
    },

    dropPromise(state, settled, context) {
      const there = settledRecords(state, settled).filter((record) => !state.leaving.has(claimKey(record)));
      return { reply: {}, changes: there.map((record) => row(state, context, record, null)) };
    },
  },

  describe: (state) => ({
    claims: [...state.claims.values()].map(({ value }) => value),
    making: [...state.making.keys()],
    leaving: [...state.leaving],
  }),
};
