// One allocator a partition: it coordinates what takes from several actors, owns the VRF and ASN pools, and keeps the index
// of candidates.
import { freeNetwork, allocateNetwork } from '../network/coordination.ts';
import { isRefusal, notFound, unprocessable, type Refusal } from '../refusal.ts';
import type { Behaviour, Context } from '../runtime/behaviour.ts';
import { allocateMachine } from './allocate-machine.ts';
import { deleteMachine } from './delete-machine.ts';
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
  networksWith,
  noteNetwork,
  unholdNumbers,
  type AllocatorState,
} from './state.ts';

const superNetworkOf = (state: AllocatorState): string | Refusal => {
  const supers = networksWith(state, 'privateSuper');
  if (supers.length > 1) return unprocessable('more than one network exists');
  return supers[0] ?? notFound('no network found');
};

const placeOf = (state: AllocatorState, context: Context) => ({ partition: state.id, nowMs: context.nowMs });
const figures = ({ held, free, reserved }: Pool) => ({ held, free, reserved });

export const allocatorBehaviour: Behaviour<'allocator', AllocatorState> = {
  kind: 'allocator',
  tables: ['pool'],
  scans: ['machine', 'allocation', 'provisioning', 'switch', 'switch_port', 'network'],
  create: createAllocatorState,
  evolve: evolveAllocator,
  absorb: absorbRow,

  commands: {
    allocateMachine(state, asked, context) {
      // What is plain at once is refused before anybody else is asked, in the order of metal-api's own checks.
      const proposal = propose(state, asked, new Set(), () => context.random());
      if (isRefusal(proposal)) return proposal;
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
    freeMachine: (state, { machine }, { scope }) => ({ coordinate: () => freeMachine(machine, scope, state.fabric) }),
    registerMachine: (state, asked, { scope }) => ({ coordinate: () => registerMachine(asked, scope, state.fabric) }),
    reportInstalled: (state, asked, { scope }) => ({ coordinate: () => reportInstalled(asked, scope, state.fabric) }),
    reinstallMachine: (state, asked, { scope }) => ({ coordinate: () => reinstallMachine(asked, scope, state.fabric) }),
    deleteMachine: (state, { machine }, { scope }) => ({
      coordinate: () => deleteMachine(machine, scope, state.fabric),
    }),

    allocateNetwork: (state, asked, context) => ({
      coordinate: () => allocateNetwork(asked, superNetworkOf(state), placeOf(state, context)),
    }),
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

    switchesOf: (state, { rack }) => ({ reply: { switches: state.fabric.ofRack(rack) } }),
    machinesOf: (state, { project }) => ({ reply: state.candidates.countOf(project) }),
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
  audited: ({ vrf, asn }) => ({ vrf: figures(vrf), asn: figures(asn) }),
};
