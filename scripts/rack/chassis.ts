// One machine of the rack: holds its state, and does what the state machine decides.
import { runBootImage, type HammerTools } from './hammer.ts';
import type { Journal } from './journal.ts';
import { decide, unpowered, type Consequence, type Happening, type MachineState } from './machine.ts';
import type { PlannedMachine } from './plan.ts';

export interface Chassis {
  plan: PlannedMachine;
  state(): MachineState;
  happen(happening: Happening): void;
  /** Ends whatever runs, for good. */
  stop(): void;
}

export interface ChassisTools extends Omit<HammerTools, 'journal' | 'wiped'> {
  journal: Journal;
  /** The installed system came up: its switches see it from now on. */
  systemUp: (machine: PlannedMachine) => void;
}

export const createChassis = (plan: PlannedMachine, tools: ChassisTools): Chassis => {
  const journal: Journal = (event, fields) => tools.journal(event, { machine: plan.name, ...fields });
  let state = unpowered();
  let running = new AbortController();
  let isStopped = false;

  const bootImage = async (boot: number, signal: AbortSignal): Promise<void> => {
    const wiped = (): void => happen({ what: 'wiped', boot });
    const outcome = await runBootImage(plan, { ...tools, journal, wiped }, signal);
    happen(
      outcome.what === 'installed' ? { what: 'installed', boot, image: outcome.image } : { what: 'crashed', boot },
    );
  };

  const carryOut = (consequence: Consequence): void => {
    switch (consequence.do) {
      case 'stop':
        running.abort();
        running = new AbortController();
        return;
      case 'boot image': {
        const { signal } = running;
        bootImage(consequence.boot, signal).catch((error: unknown) => {
          if (!signal.aborted) journal('boot image failed', { reason: String(error) });
        });
        return;
      }
      case 'system':
        journal('system is up', { image: consequence.image });
        tools.systemUp(plan);
    }
  };

  const happen = (happening: Happening): void => {
    if (isStopped) return;
    const { state: next, consequences } = decide(state, happening);
    state = next;
    for (const consequence of consequences) carryOut(consequence);
  };

  return {
    plan,
    state: () => state,
    happen,
    stop() {
      isStopped = true;
      running.abort();
    },
  };
};
