import { Packr } from 'msgpackr';

// Records carry their definition in each frame, so a frame decodes alone: after a restart, and by another version.
const packr = new Packr({ useRecords: true, mapsAsObjects: true, int64AsType: 'number' });

/**
 * Encodes one self-contained frame. The result owns exactly its bytes: msgpackr's own view lies in a pool of 160 KB,
 * and `postMessage` clones the whole backing store of a view.
 */
export const encode = (value: unknown): Uint8Array<ArrayBuffer> => new Uint8Array(packr.pack(value));

/** Decodes one frame. Throws when bytes are missing or left over. Byte fields alias the frame: copy what outlives it. */
export const decode = (frame: Uint8Array): unknown => packr.unpack(frame as Buffer);
