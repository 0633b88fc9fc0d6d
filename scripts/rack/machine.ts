// A machine as its BMC sees it: power, what it boots from, what runs. Pure; agents.ts and hammer.ts do what it decides.

export type BootTarget = 'PXE' | 'DISK' | 'BIOS';

export interface MachineState {
  power: 'ON' | 'OFF';
  bootTarget: BootTarget;
  led: 'LED-ON' | 'LED-OFF';
  /** The image on its disk. */
  installed: string | null;
  runs: 'nothing' | 'firmware setup' | 'boot image' | 'system';
  /** Grows with each boot: what an earlier one still says no longer counts. */
  boot: number;
}

export type Happening =
  /** A command from the bus (machines.md §11.2). */
  | { what: 'command'; command: string }
  /** The machine has no owner any more. */
  | { what: 'deleted' }
  /** First look: what the control plane says it should be. */
  | { what: 'found'; installed: string | null }
  | { what: 'wiped'; boot: number }
  | { what: 'installed'; boot: number; image: string }
  | { what: 'crashed'; boot: number };

export type Consequence =
  /** Whatever ran is dead. */
  { do: 'stop' } | { do: 'boot image'; boot: number } | { do: 'system'; boot: number; image: string };

export interface Decided {
  state: MachineState;
  consequences: Consequence[];
}

export const unpowered = (): MachineState => ({
  power: 'OFF',
  bootTarget: 'PXE',
  led: 'LED-OFF',
  installed: null,
  runs: 'nothing',
  boot: 0,
});

const booted = (state: MachineState): Decided => {
  const boot = state.boot + 1;
  const on: MachineState = { ...state, power: 'ON', boot };
  if (state.bootTarget === 'BIOS') return { state: { ...on, runs: 'firmware setup' }, consequences: [{ do: 'stop' }] };
  // A disk without a system: the firmware goes on to the network.
  return state.bootTarget === 'DISK' && state.installed !== null
    ? {
        state: { ...on, runs: 'system' },
        consequences: [{ do: 'stop' }, { do: 'system', boot, image: state.installed }],
      }
    : { state: { ...on, runs: 'boot image' }, consequences: [{ do: 'stop' }, { do: 'boot image', boot }] };
};

const same = (state: MachineState): Decided => ({ state, consequences: [] });

const commanded = (state: MachineState, command: string): Decided => {
  switch (command) {
    case 'ON':
      return state.power === 'ON' ? same(state) : booted(state);
    case 'OFF':
      return state.power === 'OFF'
        ? same(state)
        : { state: { ...state, power: 'OFF', runs: 'nothing', boot: state.boot + 1 }, consequences: [{ do: 'stop' }] };
    // Also from off: a machine that was freed while it was off has to come back.
    case 'RESET':
    case 'CYCLE':
      return booted(state);
    case 'PXE':
    case 'DISK':
    case 'BIOS':
      return same({ ...state, bootTarget: command });
    case 'LED-ON':
    case 'LED-OFF':
      return same({ ...state, led: command });
    case 'REINSTALL':
      return booted({ ...state, bootTarget: 'PXE' });
    default:
      return same(state);
  }
};

const isOfThisBoot = (state: MachineState, boot: number): boolean => boot === state.boot && state.runs === 'boot image';

export const decide = (state: MachineState, happening: Happening): Decided => {
  switch (happening.what) {
    case 'command':
      return commanded(state, happening.command);
    case 'deleted':
      return booted({ ...state, bootTarget: 'PXE' });
    case 'found':
      return booted({
        ...state,
        installed: happening.installed,
        bootTarget: happening.installed === null ? 'PXE' : 'DISK',
      });
    case 'wiped':
      return same(isOfThisBoot(state, happening.boot) ? { ...state, installed: null } : state);
    case 'installed':
      return isOfThisBoot(state, happening.boot)
        ? {
            state: { ...state, installed: happening.image, runs: 'system' },
            consequences: [{ do: 'system', boot: state.boot, image: happening.image }],
          }
        : same(state);
    case 'crashed':
      return isOfThisBoot(state, happening.boot) ? booted(state) : same(state);
  }
};
