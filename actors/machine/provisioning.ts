// What a machine is doing, told by events from its boot image and its switches (machines.md §3, §4).

export const PROVISIONING_EVENTS = [
  'PXE Booting',
  'Preparing',
  'Registering',
  'Waiting',
  'Installing',
  'Booting New Kernel',
  'Phoned Home',
  'Planned Reboot',
  'Machine Reclaim',
  'Alive',
  'Crashed',
] as const;
export type ProvisioningEventKind = (typeof PROVISIONING_EVENTS)[number];

export interface ProvisioningEvent {
  /** Epoch milliseconds at receipt; the sender's clock does not count. */
  time: number;
  event: ProvisioningEventKind;
  message: string;
}

export type Liveliness = 'Alive' | 'Dead' | 'Unknown';

export interface EventContainer {
  /** Newest first, at most 100. */
  events: ProvisioningEvent[];
  lastEventTime: number | null;
  lastErrorEvent: ProvisioningEvent | null;
  crashLoop: boolean;
  failedMachineReclaim: boolean;
  liveliness: Liveliness;
}

const MINUTE_MS = 60_000;
const EVENTS_KEPT = 100;
export const DEAD_AFTER_MS = 5 * MINUTE_MS;
const RESURRECT_AFTER_MS = 60 * MINUTE_MS;
/** Switches may deliver LLDP frames of the installed system for a while after the machine left it. */
const BUFFERED_PHONE_HOME_MS = 5 * MINUTE_MS;
const FAILED_RECLAIM_AFTER_MS = 5 * MINUTE_MS;

export const emptyContainer = (): EventContainer => ({
  events: [],
  lastEventTime: null,
  lastErrorEvent: null,
  crashLoop: false,
  failedMachineReclaim: false,
  liveliness: 'Alive',
});

export const isProvisioningEventKind = (text: string): text is ProvisioningEventKind =>
  (PROVISIONING_EVENTS as readonly string[]).includes(text);

type State = 'Initial' | ProvisioningEventKind;

/** What an event does in a state; the columns of machines.md §4.4. */
interface Effect {
  /** `drop`: nothing changes, not even the time. `touch`: time and liveliness. `append`: also into the log. */
  do: 'drop' | 'touch' | 'append';
  unexpected?: true;
  /** lastErrorEvent := event */
  isError?: true;
  crashLoop?: boolean;
  failedMachineReclaim?: boolean;
}

const DROP: Effect = { do: 'drop' };
const TOUCH: Effect = { do: 'touch' };
const APPEND: Effect = { do: 'append' };
const UNEXPECTED: Effect = { do: 'append', unexpected: true, isError: true };
const UNEXPECTED_CRASH_LOOP: Effect = { ...UNEXPECTED, crashLoop: true };
const APPEND_AND_CALM: Effect = { do: 'append', crashLoop: false };

const bootEffect = (state: State, expected: State[], repeated: State[]): Effect => {
  if (repeated.includes(state)) return { do: 'touch', failedMachineReclaim: false };
  if (expected.includes(state)) return { do: 'append', failedMachineReclaim: false };
  return state === 'Alive' ? UNEXPECTED : UNEXPECTED_CRASH_LOOP;
};

const expectedIn = (state: State, ...expected: State[]): Effect => (expected.includes(state) ? APPEND : UNEXPECTED);

/** `sinceMs`: time since the last event, null when there was none. */
const phonedHomeEffect = (state: State, sinceMs: number | null): Effect => {
  const isBuffered = sinceMs !== null && sinceMs < BUFFERED_PHONE_HOME_MS;
  switch (state) {
    case 'Initial':
    case 'Booting New Kernel':
    case 'Planned Reboot':
      return APPEND_AND_CALM;
    case 'PXE Booting':
      return isBuffered ? DROP : { do: 'touch', failedMachineReclaim: false };
    case 'Preparing':
      return isBuffered ? DROP : { do: 'append', failedMachineReclaim: false };
    case 'Registering':
    case 'Waiting':
      return isBuffered ? DROP : APPEND;
    case 'Phoned Home':
      return TOUCH;
    case 'Machine Reclaim':
      // Not appended: the state stays Machine Reclaim, until the machine boots PXE after all.
      return sinceMs !== null && sinceMs > FAILED_RECLAIM_AFTER_MS ? { do: 'touch', failedMachineReclaim: true } : DROP;
    default:
      return UNEXPECTED;
  }
};

const effectOf = (event: ProvisioningEventKind, state: State, sinceMs: number | null): Effect => {
  switch (event) {
    case 'PXE Booting':
      return bootEffect(state, ['Initial', 'Planned Reboot', 'Machine Reclaim', 'Crashed'], ['PXE Booting']);
    case 'Preparing':
      return bootEffect(state, ['Initial', 'PXE Booting', 'Planned Reboot', 'Machine Reclaim', 'Crashed'], []);
    case 'Registering':
      return expectedIn(state, 'Initial', 'Preparing');
    case 'Waiting':
      return expectedIn(state, 'Initial', 'Registering');
    case 'Installing':
      return expectedIn(state, 'Initial', 'Registering', 'Waiting');
    case 'Booting New Kernel':
      return expectedIn(state, 'Initial', 'Installing');
    case 'Phoned Home':
      return phonedHomeEffect(state, sinceMs);
    case 'Planned Reboot':
    case 'Machine Reclaim':
      return APPEND_AND_CALM;
    case 'Alive':
      return ['Phoned Home', 'Planned Reboot', 'Machine Reclaim', 'Crashed', 'Alive'].includes(state)
        ? { ...UNEXPECTED, do: state === 'Alive' ? 'append' : 'touch' }
        : TOUCH;
    case 'Crashed':
      return ['Phoned Home', 'Planned Reboot', 'Machine Reclaim', 'Crashed', 'Alive'].includes(state)
        ? UNEXPECTED
        : { do: 'append', isError: true, crashLoop: true };
  }
};

/** The state is the kind of the newest stored event. */
const stateOf = (container: EventContainer): State => {
  const newest = container.events[0]?.event;
  return newest !== undefined && isProvisioningEventKind(newest) ? newest : 'Initial';
};

const withNote = (state: State, message: string): string =>
  `[unexpectedly received in state ${state.toLowerCase()}]${message && `: ${message}`}`;

/**
 * The container after the event, or `'dropped'` when nothing changes (a buffered phone-home, machines.md §4.4.1/2).
 * A clock that went back since the last event counts as standing still, so that the log stays sorted (W21).
 */
export const applyEvent = (
  container: EventContainer,
  received: { event: ProvisioningEventKind; message: string },
  nowMs: number,
): EventContainer | 'dropped' => {
  const last = container.lastEventTime;
  const time = Math.max(nowMs, last ?? nowMs);
  const state = stateOf(container);
  const effect = effectOf(received.event, state, last === null ? null : time - last);
  if (effect.do === 'drop') return 'dropped';
  const event: ProvisioningEvent = {
    time,
    event: received.event,
    message: effect.unexpected ? withNote(state, received.message) : received.message,
  };
  return {
    events: effect.do === 'append' ? [event, ...container.events].slice(0, EVENTS_KEPT) : container.events,
    lastEventTime: time,
    lastErrorEvent: effect.isError ? event : container.lastErrorEvent,
    crashLoop: effect.crashLoop ?? container.crashLoop,
    failedMachineReclaim: effect.failedMachineReclaim ?? container.failedMachineReclaim,
    liveliness: 'Alive',
  };
};

/**
 * The periodic look (machines.md §3): silent for more than five minutes is Dead, or Unknown for an allocated machine,
 * whose owner may have switched phone-home off. Answers the same object when nothing changes.
 */
export const evaluateLiveliness = (container: EventContainer, isAllocated: boolean, nowMs: number): EventContainer => {
  if (container.lastEventTime === null) return container;
  const isSilent = nowMs - container.lastEventTime > DEAD_AFTER_MS;
  const liveliness = !isSilent ? 'Alive' : isAllocated ? 'Unknown' : 'Dead';
  return liveliness === container.liveliness ? container : { ...container, liveliness };
};

/** Should the free routine run for this *free* machine, to bring it back (metal-api: resurrect-machines)? */
export const needsResurrection = (container: EventContainer, nowMs: number): boolean => {
  if (container.lastEventTime === null) return false;
  const isLongDead = container.liveliness === 'Dead' && nowMs - container.lastEventTime > RESURRECT_AFTER_MS;
  return isLongDead || container.failedMachineReclaim;
};
