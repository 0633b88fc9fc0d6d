import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Hono } from 'hono';
import type { Asker } from '../actors/asker.ts';
import type { Authenticate } from './auth/authenticate.ts';
import type { z } from 'zod';
import type { Role } from './auth/roles.ts';
import type { Site } from './site.ts';

/** What comes with a request besides the Request itself. The same app answers sockets and peer links. */
export interface Bindings {
  incoming?: IncomingMessage;
  outgoing?: ServerResponse;
  /** Bytes of the body, once they are read, or as a peer link delivered them. */
  body?: Uint8Array;
  via?: 'http' | 'link';
  /** Site at the other end of the link. */
  peer?: string;
  /** The site that can't be reached, and for which the answer comes from the copy here (design.md §2). */
  copyOf?: string | undefined;
  /** Who waits at the other end of the socket or the link. */
  asker?: Asker | undefined;
}

export interface EdgeEnv {
  Bindings: Bindings;
}

export type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';

/** A route as it is declared; without a role there is none. */
export interface RouteDeclaration {
  method: Method;
  /** Below the base path, e.g. `/v1/size/:id`. */
  path: string;
  role: Role;
  /** operationId of the OpenAPI document. */
  operation: string;
  /** Default: everything but GET (machines.md §1.1). */
  audited?: boolean;
  /** For the OpenAPI document: what it does, in a sentence or two. */
  about?: string;
  /** For the OpenAPI document: the form of the JSON answer. */
  answer?: z.ZodType;
}

/**
 * What a route does: `write` knows Idempotency-Key and dry run; `dry` changes something that is no actor's, so that nobody
 * keeps its outcome: it has a dry run and refuses a key; `other` refuses both.
 */
export type Effect = 'read' | 'write' | 'dry' | 'other';

/** A route as it was registered. */
export interface RegisteredRoute extends RouteDeclaration {
  audited: boolean;
  effect: Effect;
  /** The form of the JSON body; undefined: none is read. */
  body: z.ZodType | undefined;
}

/** An app with what its routes need. */
export interface Edge {
  hono: Hono<EdgeEnv>;
  site: Site;
  authenticate: Authenticate;
  /** Everything registered so far, in order. */
  routes: RegisteredRoute[];
  /** Hears of every exception; the client hears only that there was one. */
  report: (error: unknown, operation: string) => void;
  /** Hears of every answer: the route as it was declared, its status, the milliseconds it took. */
  observe?: (route: RouteDeclaration, status: number, ms: number) => void;
}
