// What lies in quarantine, and what became of one message of it: text for a terminal.
import type { QuarantinedMessage } from '../../actors/runtime/quarantine.ts';
import { green, red } from '../start/screen.ts';
import { clock, paragraphs, table } from './table.ts';

export const showQuarantine = ({ quarantine }: { quarantine: QuarantinedMessage[] }): string =>
  table(
    [
      { name: 'ID' },
      { name: 'SINCE' },
      { name: 'ACTOR' },
      { name: 'MESSAGE' },
      { name: 'FROM' },
      { name: 'TIMES', right: true },
      { name: 'WHY' },
    ],
    quarantine.map(({ id, atMs, to, name, who, crashes, error }) => [
      id,
      clock(atMs),
      `${to.scope}/${to.kind}/${to.id}`,
      name,
      who,
      crashes,
      { text: error, paint: red },
    ]),
    'nothing is in quarantine',
  );

export interface RetriedAnswer {
  site: string;
  /** What the actor replied. */
  outcome: unknown;
}

export const showRetried = (id: string, { site, outcome: replied }: RetriedAnswer): string =>
  paragraphs(`${green('done')} now: message ${id} of site ${site}`, JSON.stringify(replied, null, 2));

export interface DroppedAnswer {
  site: string;
  /** Id of the message. */
  dropped: string;
}

export const showDropped = ({ site, dropped }: DroppedAnswer): string => `dropped ${dropped} of site ${site}`;
