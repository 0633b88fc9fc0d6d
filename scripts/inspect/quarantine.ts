// What lies in quarantine, and what became of one message of it: text for a terminal.
import type { QuarantinedMessage } from '../../actors/runtime/quarantine.ts';
import { dim, green, red } from '../start/screen.ts';
import { clock, paragraphs, table } from './table.ts';

export interface QuarantineAnswer {
  quarantine: QuarantinedMessage[];
  /** Pushed out by newer ones. */
  lost: number;
}

export const showQuarantine = ({ quarantine, lost }: QuarantineAnswer): string =>
  paragraphs(
    table(
      [
        { name: 'ID' },
        { name: 'SINCE' },
        { name: 'LAST' },
        { name: 'ACTOR' },
        { name: 'MESSAGE' },
        { name: 'FROM' },
        { name: 'CAME', right: true },
        { name: 'CRASHES', right: true },
        { name: 'WHY' },
      ],
      quarantine.map(({ id, atMs, lastMs, to, name, partOf, who, count, crashes, error }) => [
        id,
        clock(atMs),
        clock(lastMs),
        `${to.scope}/${to.kind}/${to.id}`,
        partOf === null ? name : `${name}, of ${partOf.name} at ${partOf.to.kind}/${partOf.to.id}`,
        who,
        count,
        crashes,
        { text: error, paint: red },
      ]),
      'nothing is in quarantine',
    ),
    quarantine.length === 0
      ? ''
      : dim(
          'Equal messages are refused until one is retried or dropped, or this process starts anew: it then forgets them.',
        ),
    lost === 0
      ? ''
      : red(`${lost} more were pushed out by newer ones since this process started, and are let in again`),
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
