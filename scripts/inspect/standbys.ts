// The processes that stand by for a site, as people read them.
import type { StandbyView } from '../site/standbys.ts';
import { dim } from '../start/screen.ts';
import { clock, table, type Value } from './table.ts';

/** In one line. */
export const showStandbys = (standbys: readonly StandbyView[]): Value =>
  standbys.length === 0
    ? { text: 'none that can be reached', paint: dim }
    : standbys
        .map(({ process, urls, startedAtMs, seenAtMs }) =>
          [
            process,
            ...(urls.length === 0 ? [] : [`at ${urls.join(', ')}`]),
            ...(startedAtMs === null ? [] : [`since ${clock(startedAtMs)},`]),
            `seen ${clock(seenAtMs)}`,
          ].join(' '),
        )
        .join('; ');

export const standbyTable = (standbys: readonly StandbyView[]): string =>
  table(
    [{ name: 'STANDBY' }, { name: 'ADDRESS' }, { name: 'SINCE' }, { name: 'LAST SEEN' }],
    standbys.map(({ process, urls, startedAtMs, seenAtMs }): Value[] => [
      process,
      urls.join(', '),
      clock(startedAtMs),
      clock(seenAtMs),
    ]),
    'no process stands by that can be reached',
  );
