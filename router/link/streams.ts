import type { BodyReceiver, BodySender } from './body.ts';
import type { FirstBody } from './exchange.ts';

/** A body as callers give it: whole, piece by piece, or none. */
export type BodySource = AsyncIterable<Uint8Array> | Uint8Array | undefined;

/** What is known of a body when its head leaves. */
export function firstOf(body: BodySource): FirstBody {
  if (body === undefined) return 'none';
  return body instanceof Uint8Array ? body : 'streamed';
}

/** Reads a body piece by piece. Leaving the loop early gives the rest up. The pieces belong to their reader. */
export function iterateBody(receiver: BodyReceiver): AsyncIterable<Uint8Array> {
  return {
    [Symbol.asyncIterator]: () => ({
      async next() {
        for (;;) {
          const read = receiver.read();
          if (read.as === 'bytes') return { done: false, value: read.bytes };
          if (read.as === 'end') return { done: true, value: undefined };
          if (read.as === 'failed') throw read.failure;
          await new Promise<void>((resolve) => receiver.whenReadable(resolve));
        }
      },
      async return() {
        receiver.cancel();
        return { done: true, value: undefined };
      },
    }),
  };
}

/** Writes a source into a sender, no faster than its reader takes. Rejects with what the source throws. */
export async function pumpBody(source: AsyncIterable<Uint8Array>, sender: BodySender): Promise<void> {
  for await (const bytes of source) {
    if (sender.stopped) return;
    if (!sender.write(bytes)) await new Promise<void>((resolve) => sender.whenDrained(resolve));
    if (sender.stopped) return;
  }
  sender.end();
}
