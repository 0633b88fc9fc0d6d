import type { Logger } from '../log.ts';

/** Says what happens in the rack: one line an event. */
export type Journal = (event: string, fields?: Record<string, unknown>) => void;

export const createJournal =
  (log: Pick<Logger, 'info'>): Journal =>
  (event, fields = {}) =>
    log.info(fields, event);
