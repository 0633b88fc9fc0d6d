// What is known of commands by their name alone: which of them only tell, and which go first where not all can be served
// (design.md §10). http/request-class.ts says the same of requests.
import type { Kind } from './address.ts';
import type { CommandName } from './protocol.ts';

type Named = { readonly [K in Kind]?: readonly CommandName<K>[] };

const TELLING: Named = {
  machine: ['get', 'consolePassword'],
  switch: ['get'],
  network: ['get', 'getIp', 'usage', 'ledger'],
  block: ['get', 'getIp', 'usage'],
  allocator: ['switchesOf', 'machinesOf', 'pools'],
  directory: ['all'],
  registry: ['claims'],
};

/** They give something back, or tell what machines and switches do; the hints keep an index from proposing in vain. */
const FIRST: Named = {
  machine: ['event', 'bmcReport', 'waitEnded', 'setState'],
  switch: ['register', 'notify'],
  network: ['freeIp'],
  block: ['freeIp'],
  allocator: [
    'freeMachine',
    'freeNetwork',
    'registerMachine',
    'reportInstalled',
    'machineChanged',
    'switchChanged',
    'networkChanged',
  ],
};

/** They look at all that somebody has, or clear up behind others. */
const LAST: Named = {
  network: ['usage', 'ledger', 'clearRested'],
  block: ['usage', 'clearRested'],
  directory: ['all'],
};

const namesOf = (named: Named): ReadonlySet<string> =>
  new Set(Object.entries(named).flatMap(([kind, commands]) => commands.map((command) => `${kind}.${command}`)));
const [telling, first, last] = [TELLING, FIRST, LAST].map(namesOf) as [
  ReadonlySet<string>,
  ReadonlySet<string>,
  ReadonlySet<string>,
];

/** Whether it never changes anything, whatever it is asked with. */
export const onlyTells = (kind: Kind, command: string): boolean => telling.has(`${kind}.${command}`);

export type Rank = 'first' | 'ordinary' | 'last';

export const rankOf = (kind: Kind, command: string): Rank => {
  const name = `${kind}.${command}`;
  if (first.has(name)) return 'first';
  return last.has(name) ? 'last' : 'ordinary';
};

/** Parts of a limit that those of a rank may fill: giving back is possible when taking is not. */
export const RANK_PARTS: Readonly<Record<Rank, number>> = { first: 1.25, ordinary: 1, last: 0.5 };
