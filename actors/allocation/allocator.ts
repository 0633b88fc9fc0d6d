// One allocator a partition: it coordinates what takes from several actors, owns the VRF and ASN pools, and keeps the index
// of candidates.
import { freeNetwork, allocateNetwork } from '../network/coordination.ts';
import { isRefusal, notFound, unprocessable, type Refusal } from '../refusal.ts';
import type { Behaviour, Context, Coordination, Decision } from '../runtime/behaviour.ts';
import { allocateMachine } from './allocate-machine.ts';
import { deleteMachine } from './delete-machine.ts';
import type { Fabric } from './fabric.ts';
import { freeMachine } from './free-machine.ts';
import type { Pool } from './pools.ts';
import { registerMachine } from './register-machine.ts';
import { reinstallMachine } from './reinstall-machine.ts';
import { reportInstalled } from './report-installed.ts';
import { allocatorReservations, propose } from './reservations.ts';
import {
  absorbRow,
  createAllocatorState,
  evolveAllocator,
  holdNumbers,
  knowsFabric,
  networksWith,
  noteNetwork,
  unholdNumbers,
  untilKnown,
  type AllocatorState,
} from './state.ts';

const superNetworkOf = (state: AllocatorState): string | Refusal => {
  const supers = networksWith(state, 'privateSuper');
  if (supers.length > 1) return unprocessable('more than one network exists');
  return supers[0] ?? notFound('no network found');
};

const placeOf = (state: AllocatorState, context: Context) => ({ partition: state.id, nowMs: context.nowMs });
/** What changes a machine's ports needs all switches that they may be at. */
const wired = <R>(state: AllocatorState, coordinate: (fabric: Fabric) => Coordination<R>): Decision<R> =>
  knowsFabric(state) ? { coordinate: () => coordinate(state.fabric) } : untilKnown(state, 'switches and ports');

const figures = ({ held, free, reserved }: Pool) => ({ held, free, reserved });

export const allocatorBehaviour: Behaviour<'allocator', AllocatorState> = {
  kind: 'allocator',
  tables: ['pool'],
  // What is short and often needed first. A machine is known as one that may be taken once its own row is read: by then all
  // that are not alive are known.
  scans: ['network', 'switch', 'allocation', 'provisioning', 'machine', 'switch_port'],
  create: createAllocatorState,
  evolve: evolveAllocator,
  absorb: absorbRow,
  absorbed: (state, table) => void state.whole.add(table),

  commands: {
    allocateMachine(state, asked, context) {
      // What is plain at once is refused before anybody else is asked, in the order of metal-api's own checks.
      if (!state.whole.has('network')) return untilKnown(state, 'networks');
      const proposal = propose(state, asked, new Set(), () => context.random());
      if (isRefusal(proposal) || 'wait' in proposal) return proposal;
      return {
        coordinate: () =>
          allocateMachine(asked, {
            scope: context.scope,
            uuid: () => context.uuid(),
            supers: networksWith(state, 'privateSuper'),
            underlays: networksWith(state, 'underlay'),
          }),
      };
    },
    freeMachine: (state, { machine }, { scope }) => wired(state, (fabric) => freeMachine(machine, scope, fabric)),
    registerMachine: (state, asked, { scope }) => wired(state, (fabric) => registerMachine(asked, scope, fabric)),
    reportInstalled: (state, asked, { scope }) => wired(state, (fabric) => reportInstalled(asked, scope, fabric)),
    reinstallMachine: (state, asked, { scope }) => wired(state, (fabric) => reinstallMachine(asked, scope, fabric)),
    deleteMachine: (state, { machine }, { scope }) => wired(state, (fabric) => deleteMachine(machine, scope, fabric)),

    allocateNetwork: (state, asked, context) =>
      state.whole.has('network')
        ? { coordinate: () => allocateNetwork(asked, superNetworkOf(state), placeOf(state, context)) }
        : untilKnown(state, 'networks'),
    freeNetwork: (state, asked, context) => ({ coordinate: () => freeNetwork(asked, placeOf(state, context)) }),

    machineChanged(state, summary) {
      state.candidates.apply(summary);
      return { reply: {} };
    },
    switchChanged(state, summary) {
      state.fabric.apply(summary);
      return { reply: {} };
    },
    networkChanged(state, { network, ...known }) {
      noteNetwork(state, network, known);
      return { reply: {} };
    },

    switchesOf: (state, { rack }) =>
      state.whole.has('switch') ? { reply: { switches: state.fabric.ofRack(rack) } } : untilKnown(state, 'switches'),
    machinesOf: (state, { project }) =>
      state.whole.has('allocation') ? { reply: state.candidates.countOf(project) } : untilKnown(state, 'allocations'),
    pools: (state) => ({ reply: { vrf: figures(state.vrf), asn: figures(state.asn) } }),
  },

  reservations: allocatorReservations,
  hold: (state, _operation, changes) => holdNumbers(state, changes),
  unhold: (state, _operation, changes) => unholdNumbers(state, changes),
  describe: (state) => ({
    machines: state.candidates.size,
    switches: state.fabric.size,
    vrf: figures(state.vrf),
    asn: figures(state.asn),
    supers: networksWith(state, 'privateSuper'),
    underlays: networksWith(state, 'underlay'),
  }),
  audited: ({ vrf, asn }) => [
    ['vrf', figures(vrf)],
    ['asn', figures(asn)],
  ],
};
