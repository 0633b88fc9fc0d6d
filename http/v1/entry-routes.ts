// The five routes that every kind of the directory has: list, find, create, update, delete. What differs is declared.
import type { z } from 'zod';
import type { AskedKind, DirectoryRequests } from '../../actors/directory/messages.ts';
import type { DirectoryEntities, DirectoryRecord } from '../../actors/directory/record.ts';
import { isRefusal, type Refusal } from '../../actors/refusal.ts';
import { refuseId } from '../../router/naming.ts';
import type { Role } from '../auth/roles.ts';
import type { Edge } from '../env.ts';
import { ok, route, type Answer, type RouteRequest } from '../route.ts';
import type { Site } from '../site.ts';
import { write, type Act, type Answering } from '../write.ts';
import { answerCreated, answerDeleted, answerUpdated, deleteEntry, findEntry } from './directory.ts';

type Eventually<T> = T | Promise<T>;

export interface EntryRoutes<K extends AskedKind, B> {
  kind: K;
  /** Below the base path, e.g. `/v1/size`. */
  path: string;
  roles: { read: Role; write: Role };
  /** Their operationIds in the OpenAPI document. */
  operations: Record<'list' | 'find' | 'create' | 'update' | 'delete', string>;
  /** Form of the body of create and update. */
  body: z.ZodType<B>;
  /** The id in it. */
  id: (body: B) => string | undefined;
  shape: (entity: DirectoryEntities[K]) => unknown;
  /** Answers the list. Default: the shape of each. */
  list?: (request: RouteRequest<undefined>) => Eventually<Answer | Refusal>;
  /** Answers one that was found. Default: its shape. */
  found?: (site: Site, entity: DirectoryEntities[K]) => Eventually<Answer | Refusal>;
  create: Act<B, DirectoryRecord>;
  /** Answers what was created. Default: its shape, when the reachable members have it. */
  created?: Answering<B, DirectoryRecord>;
  update: Act<B, DirectoryRecord>;
  /** Counts what uses it, for the rules of deletion; or says why that can't be known. */
  uses: (
    request: RouteRequest<undefined>,
    entity: DirectoryEntities[K],
  ) => Eventually<DirectoryRequests[K]['uses'] | Refusal>;
  /** Puts in order what has to be before an unused one is deleted. Default: nothing. */
  ending?: (
    request: RouteRequest<undefined>,
    entity: DirectoryEntities[K],
    end: () => Promise<DirectoryRecord | Refusal>,
  ) => Promise<DirectoryRecord | Refusal>;
}

export function addEntryRoutes<K extends AskedKind, B>(edge: Edge, declared: EntryRoutes<K, B>): void {
  const { kind, path, roles, operations, body, shape } = declared;
  const list = declared.list ?? (({ site }) => ok(site.directory.list(kind).map(shape)));
  const found = declared.found ?? ((_site, entity) => ok(shape(entity)));
  const ending = declared.ending ?? ((_request, _entity, end) => end());
  const one = `${path}/:id`;

  route(edge, { method: 'get', path, role: roles.read, operation: operations.list }, list);

  route(
    edge,
    { method: 'get', path: one, role: roles.read, operation: operations.find },
    async ({ site, as, param }) => {
      const entity = await findEntry(site, kind, param('id'), as);
      return isRefusal(entity) ? entity : found(site, entity);
    },
  );

  write(
    edge,
    { method: 'put', path, role: roles.write, operation: operations.create, body, placeless: 'everywhere' },
    (request) => refuseId(path, declared.id(request.body)) ?? declared.create(request),
    declared.created ?? answerCreated(kind, shape),
  );

  write(
    edge,
    { method: 'post', path, role: roles.write, operation: operations.update, body },
    declared.update,
    answerUpdated(kind, shape),
  );

  write(
    edge,
    { method: 'delete', path: one, role: roles.write, operation: operations.delete },
    async (request) => {
      const entity = await findEntry(request.site, kind, request.param('id'), request.as);
      if (isRefusal(entity)) return entity;
      const uses = await declared.uses(request, entity);
      if (isRefusal(uses)) return uses;
      return ending(request, entity, () => deleteEntry(request, kind, entity.id, uses));
    },
    answerDeleted(kind, shape),
  );
}
