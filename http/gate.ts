// What stands in front of the edge when more comes than can be answered, and what it sees of a request.
import type { IncomingMessage } from 'node:http';
import type { Arrival } from './request-class.ts';

/** What is known of a request before its body is read. */
export interface RequestHead {
  method: string;
  path: string;
  /** By lower-case name. */
  header(name: string): string | undefined;
  /** What a gate has made of it, so that it is made once. */
  arrival?: Arrival;
  /** It waited, was let in, and is not counted by the gate yet. */
  isPromised?: boolean;
  /** When it came, if it waited since. Monotonic. */
  arrivedMs?: number;
}

/** The answer of a gate: of each kind there is one, given again and again. */
export interface Refused {
  status: number;
  headers: Array<[string, string]>;
  body: Uint8Array;
}

/** Refuses requests of which there are too many at a time. */
export interface Gate {
  /**
   * Before a body is read: refuses what would be refused now, and counts nothing, for a body may be long in coming.
   * `promised`: so many more were let in and have not entered yet.
   */
  look(head: RequestHead, promised?: number): Refused | undefined;
  /** Refuses it, or lets it in; the function is called when it is answered, by this process alone or not. */
  enter(head: RequestHead): Refused | ((isOwn: boolean) => void);
  /** Hears that somebody was turned away with what `look` said. */
  turnedAway?(refused: Refused): void;
  /** Hears what this process itself answered one that came as far as it; `reason`: what its header says, of a refusal. */
  answered?(status: number, reason: string | undefined): void;
}

/** A request of a socket, with its head as the gate has seen it. */
type Arrived = IncomingMessage & { head?: RequestHead };

export function headOf(incoming: Arrived): RequestHead {
  const { method = 'GET', url = '/', headers } = incoming;
  return (incoming.head ??= {
    method,
    path: url,
    header(name) {
      const value = headers[name];
      return Array.isArray(value) ? value[0] : value;
    },
  });
}
