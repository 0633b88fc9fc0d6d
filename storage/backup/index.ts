export { dumpDatabase, type DumpHead, type DumpRow } from './dump.ts';
export { loadDatabase, refuseShape, type LoadPart } from './load.ts';
export { behind, highest, liftEpochs, readStanding, type Standing } from './standing.ts';
export type { TableShape } from './catalogue.ts';
