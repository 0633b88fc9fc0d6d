import type { WebSocket } from 'ws';
import type { LinkWorld } from './heartbeat.ts';
import { CARRIER_BYTES, type Duplex } from './multiplexer.ts';

/** Where the listener takes links. */
export const LINK_PATH = '/link/v1';

// A closing handshake that the peer does not answer must not keep the socket.
const CLOSE_MS = 1_000;

/** A WebSocket as the carrier of a link. It must be open, and nothing may have been read from it. */
export function socketDuplex(socket: WebSocket, world: LinkWorld): Duplex {
  const drains: (() => void)[] = [];
  let full = false;
  const sent = (): void => {
    if (!full || socket.bufferedAmount > CARRIER_BYTES / 2) return;
    full = false;
    for (const listener of drains) listener();
  };
  // The close event follows every error, and is what the link acts on.
  socket.on('error', () => {});
  return {
    send(bytes) {
      if (socket.readyState === socket.OPEN) socket.send(bytes, { binary: true }, sent);
      full ||= socket.bufferedAmount >= CARRIER_BYTES;
    },
    close() {
      if (socket.readyState === socket.CLOSED) return;
      const cancel = world.after(CLOSE_MS, () => socket.terminate());
      socket.once('close', cancel);
      socket.close(1000);
    },
    bufferedBytes: () => socket.bufferedAmount,
    onMessage: (listener) =>
      void socket.on('message', (message) =>
        listener(
          message instanceof ArrayBuffer
            ? new Uint8Array(message)
            : Array.isArray(message)
              ? Buffer.concat(message)
              : message,
        ),
      ),
    onClose: (listener) => void socket.once('close', listener),
    onDrain: (listener) => void drains.push(listener),
  };
}
