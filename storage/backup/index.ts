export { dumpDatabase, type DumpHead, type DumpRow } from './dump.ts';
export { loadDatabase, refuseShape, type LoadPart, type Restored } from './load.ts';
export { clearMark, markRestored, readMark, type RestoreMark } from './mark.ts';
export { behind, highest, liftEpochs, readStanding, type Standing } from './standing.ts';
export type { TableShape } from './catalogue.ts';
