/** Says what happens in the rack: one JSON object a line. */
export type Journal = (event: string, fields?: Record<string, unknown>) => void;

export const createJournal =
  (fixed: Record<string, unknown>, write: (line: string) => void = (line) => process.stdout.write(line)): Journal =>
  (event, fields = {}) =>
    write(`${JSON.stringify({ at: new Date().toISOString(), ...fixed, event, ...fields })}\n`);
