// The in-process bus over HTTP, as server-sent events (WHATWG HTML §9.2): for agents that have no nsqd to talk to.
import { invalid } from '../../actors/refusal.ts';
import type { Edge } from '../env.ts';
import { route } from '../route.ts';
import type { Bus } from './bus.ts';
import { parseCursor, type Delivery } from './topics.ts';

const COMMENT_EVERY_MS = 10_000;
/** A reader that is this many events behind is cut off; it comes back with its cursor. */
const MOST_BEHIND = 1_000;
const HEADERS = { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' };

/** Only the last message carries the cursor: who is cut off in between gets the whole entry again. */
const eventText = ({ id, bodies }: Delivery): string =>
  bodies.map((body, i) => `${i === bodies.length - 1 ? `id: ${id}\n` : ''}data: ${JSON.stringify(body)}\n\n`).join('');

/**
 * `GET /v2/bus/{topic}`: after the cursor in `Last-Event-ID` or `?cursor=`, else from now on, and the cursor of now comes
 * first. Event `gap`: some are lost.
 */
export const addBusRoutes =
  (bus: Bus) =>
  (edge: Edge): void => {
    route(
      edge,
      { method: 'get', path: '/v2/bus/:topic', role: 'edit', operation: 'subscribeBus', audited: false },
      ({ param, query, context }) => {
        const text = context.req.header('last-event-id') ?? query('cursor');
        const from = text === undefined || text === '' ? null : parseCursor(text);
        if (from === undefined) {
          return invalid(`cursor:"${text}" is not valid, expected the id of an event, such as partition:a/0/1/42`);
        }
        const encoder = new TextEncoder();
        let leave: () => void = () => undefined;
        const body = new ReadableStream<Uint8Array>(
          {
            start(controller) {
              let isOpen = true;
              const write = (chunk: string): void => {
                if (!isOpen) return;
                if ((controller.desiredSize ?? 0) < -MOST_BEHIND) return end();
                controller.enqueue(encoder.encode(chunk));
              };
              const comments = setInterval(() => write(':\n\n'), COMMENT_EVERY_MS);
              comments.unref();
              const end = (): void => {
                if (!isOpen) return;
                isOpen = false;
                leave();
                controller.close();
              };
              let unsubscribe: () => void = () => undefined;
              leave = () => {
                isOpen = false;
                clearInterval(comments);
                unsubscribe();
              };
              // Something has to be sent at once, else the headers stay where they are.
              write(':\n\n');
              unsubscribe = bus.subscribe(param('topic'), from, {
                // An event without data only moves the cursor of who hears it.
                begin: (id) => write(`id: ${id}\n\n`),
                deliver: (delivery) => write(eventText(delivery)),
                gap: () => write('event: gap\ndata: {}\n\n'),
                end,
              });
            },
            cancel: () => leave(),
          },
          { highWaterMark: 0 },
        );
        return new Response(body, { headers: HEADERS });
      },
    );
  };
