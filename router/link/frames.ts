import { z } from 'zod';
import { decode, encode } from '../../actors/runtime/codec.ts';
import { linkFailure } from './failure.ts';

/** No frame is longer; checked before it is decoded, since a decoder believes the lengths it reads (actors.md §3.1). */
export const MAX_FRAME_BYTES = 4 * 1024 * 1024;

/** Raised when a frame changes so that an old reader would misunderstand it. New frame kinds and fields don't need that. */
export const PROTOCOL_VERSION = 1;

const id = z.int().positive();
const count = z.int().nonnegative();
const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array, 'bytes are expected');
const header = z.tuple([z.string().max(256), z.string().max(16_384)]);
const headers: z.ZodType<HttpHeaders> = z.array(header).max(256);
/** Which of the two the sender is in this exchange: ids are numbered by each asker for itself, so they meet. */
const side = z.enum(['asker', 'answerer']);
const MOST_KIND = 128;
const MOST_TEXT = 4_096;
const refusal = z.object({
  kind: z.string().max(MOST_KIND),
  message: z.string().max(MOST_TEXT),
  details: z.unknown().optional(),
});
const word = z.string().min(1).max(128);

const frameSchemas = {
  /** First frame of each side. `greeting` is the owner's: site key, roster, incarnation of the database. */
  hello: z.object({
    f: z.literal('hello'),
    version: count,
    site: word,
    process: word,
    /** Of the process: a restarted one has another. */
    incarnation: word,
    /** The dialler numbers its connections, so that both sides prefer the same of two. */
    connection: count,
    wallMs: z.number(),
    greeting: z.unknown().optional(),
  }),
  /** The sender admits the receiver by its hello; only then anything else may follow. */
  welcome: z.object({ f: z.literal('welcome') }),
  /** Last frame: why the sender closes. */
  bye: z.object({ f: z.literal('bye'), reason: refusal }),
  /** The sender starts nothing more on this connection; it closes when both have said so and nothing is open. */
  retire: z.object({ f: z.literal('retire') }),
  ping: z.object({ f: z.literal('ping'), n: id }),
  pong: z.object({ f: z.literal('pong'), n: id, wallMs: z.number() }),

  'http-request': z.object({
    f: z.literal('http-request'),
    id,
    method: z.string().min(1).max(32),
    path: z.string().min(1).max(16_384),
    headers,
    deadlineMs: z.number(),
    /** The first piece of the body, when it is at hand. */
    body: bytes.optional(),
    /** Nothing follows: the body is `body`, or there is none. */
    end: z.boolean(),
  }),
  'http-response': z.object({
    f: z.literal('http-response'),
    id,
    status: z.int().min(100).max(599),
    headers,
    body: bytes.optional(),
    end: z.boolean(),
  }),
  'http-body': z.object({ f: z.literal('http-body'), id, side, seq: count, bytes }),
  /** The sender takes body bytes up to this offset. Absolute, so that a repeated one changes nothing. */
  'http-credit': z.object({ f: z.literal('http-credit'), id, side, upTo: count }),
  /** The body is complete after this many pieces. */
  'http-end': z.object({ f: z.literal('http-end'), id, side, pieces: count }),
  'http-reset': z.object({ f: z.literal('http-reset'), id, side, reason: refusal }),

  ask: z.object({ f: z.literal('ask'), id, kind: word, body: z.unknown().optional(), deadlineMs: z.number() }),
  reply: z.object({ f: z.literal('reply'), id, body: z.unknown().optional() }),
  refusal: z.object({ f: z.literal('refusal'), id, reason: refusal }),
  notify: z.object({ f: z.literal('notify'), kind: word, body: z.unknown().optional() }),

  /** Answer to a frame that the sender could not read, such as one of a later version (reliability.md F28). */
  unreadable: z.object({
    f: z.literal('unreadable'),
    frame: z.string().max(128),
    id: id.optional(),
    why: z.string().max(MOST_TEXT),
  }),
};

export type FrameKind = keyof typeof frameSchemas;
export type FrameOf<K extends FrameKind> = z.infer<(typeof frameSchemas)[K]>;
export type Frame = { [K in FrameKind]: FrameOf<K> }[FrameKind];
export type Side = z.infer<typeof side>;
export type HttpHeaders = ReadonlyArray<readonly [string, string]>;

/** What came: a frame, one that can't be understood (answer it), or bytes that are no frame at all (close). */
export type Reading =
  | { readonly as: 'frame'; readonly frame: Frame }
  | { readonly as: 'unreadable'; readonly answer: FrameOf<'unreadable'> }
  | { readonly as: 'garbage'; readonly why: string };

/** Ends with `…` where it is cut, and not within a character. */
const cut = (text: string, most: number): string =>
  text.length <= most ? text : `${text.slice(0, most - 1).replace(/[\ud800-\udbff]$/, '')}…`;

/** Texts of a refusal are as long as whoever refuses makes them; a frame with a longer one than is read would tell nothing. */
const readable = (frame: Frame): Frame =>
  'reason' in frame
    ? {
        ...frame,
        reason: {
          ...frame.reason,
          kind: cut(frame.reason.kind, MOST_KIND),
          message: cut(frame.reason.message, MOST_TEXT),
        },
      }
    : frame;

/** Encodes a frame, with the text of a refusal cut to what is read. Throws a `TooLarge` failure over 4 MiB, and a `Broken` one for what the codec can't carry. */
export function encodeFrame(frame: Frame): Uint8Array {
  let encoded: Uint8Array;
  try {
    encoded = encode(readable(frame));
  } catch (error) {
    throw linkFailure('Broken', `the ${frame.f} frame can't be encoded: ${String(error)}`);
  }
  if (encoded.byteLength <= MAX_FRAME_BYTES) return encoded;
  throw linkFailure(
    'TooLarge',
    `the ${frame.f} frame has ${encoded.byteLength} bytes, at most ${MAX_FRAME_BYTES} are carried`,
  );
}

/** Reads a frame: length, then codec, then schema. Never throws. Byte fields alias the input. */
export function readFrame(input: Uint8Array): Reading {
  if (input.byteLength > MAX_FRAME_BYTES) {
    return { as: 'garbage', why: `a frame of ${input.byteLength} bytes, at most ${MAX_FRAME_BYTES} are read` };
  }
  let value: unknown;
  try {
    value = decode(input);
  } catch (error) {
    return {
      as: 'garbage',
      why: `a frame that can't be decoded: ${error instanceof Error ? error.message : String(error)}`,
    };
  }
  const envelope = envelopeSchema.safeParse(value);
  if (!envelope.success) return { as: 'garbage', why: 'a frame without a kind in field "f"' };
  const { f, id } = envelope.data;
  const unreadable = (why: string): Reading => ({
    as: 'unreadable',
    answer: {
      f: 'unreadable',
      frame: f.slice(0, 128),
      ...(typeof id === 'number' ? { id } : {}),
      why: cut(why, MOST_TEXT),
    },
  });
  if (!Object.hasOwn(frameSchemas, f)) {
    return unreadable(
      `frame kind ${JSON.stringify(f.slice(0, 128))} is unknown to protocol version ${PROTOCOL_VERSION}`,
    );
  }
  const parsed = frameSchemas[f as FrameKind].safeParse(value);
  if (parsed.success) return { as: 'frame', frame: parsed.data };
  return unreadable(parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; '));
}

const envelopeSchema = z.object({ f: z.string(), id: id.optional().catch(undefined) });
