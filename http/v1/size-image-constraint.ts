import { newestImage } from '../../actors/directory/image.ts';
import { checkImageOnSize } from '../../actors/directory/size-image-constraint.ts';
import { invalid, isRefusal } from '../../actors/refusal.ts';
import type { Edge } from '../env.ts';
import { ok, route } from '../route.ts';
import { write } from '../write.ts';
import {
  answerCreated,
  answerDeleted,
  answerUpdated,
  createEntry,
  deleteEntry,
  findEntry,
  updateEntry,
} from './directory.ts';
import {
  constraintBody,
  constraintCreate,
  constraintResponse,
  constraintUpdate,
  tryBody,
} from './shape/size-image-constraint.ts';

const PATH = '/v1/size-image-constraint';

/** Size image constraints (machines.md §16). */
export function addSizeImageConstraintRoutes(edge: Edge): void {
  route(edge, { method: 'get', path: PATH, role: 'auth', operation: 'listSizeImageConstraints' }, ({ site }) =>
    ok(site.directory.list('sizeimageconstraint').map(constraintResponse)),
  );

  route(
    edge,
    { method: 'get', path: `${PATH}/:id`, role: 'auth', operation: 'findSizeImageConstraint' },
    async ({ site, param }) => {
      const constraint = await findEntry(site, 'sizeimageconstraint', param('id'));
      return isRefusal(constraint) ? constraint : ok(constraintResponse(constraint));
    },
  );

  route(
    edge,
    {
      method: 'post',
      path: `${PATH}/try`,
      role: 'admin',
      operation: 'trySizeImageConstraint',
      audited: false,
      body: tryBody,
    },
    async ({ site, body: { size = '', image = '' } }) => {
      if (size === '') return invalid('size should not be empty');
      if (image === '') return invalid('image should not be empty');
      const found = await findEntry(site, 'size', size);
      if (isRefusal(found)) return found;
      const newest = newestImage(image, site.directory.list('image'));
      if (isRefusal(newest)) return newest;
      return checkImageOnSize(site.directory.get('sizeimageconstraint', size), newest) ?? ok({});
    },
  );

  write(
    edge,
    {
      method: 'put',
      path: PATH,
      role: 'admin',
      operation: 'createSizeImageConstraint',
      body: constraintBody,
      placeless: 'everywhere',
    },
    (request) => createEntry(request, 'sizeimageconstraint', constraintCreate(request.body), {}),
    answerCreated('sizeimageconstraint', constraintResponse),
  );

  write(
    edge,
    { method: 'post', path: PATH, role: 'admin', operation: 'updateSizeImageConstraint', body: constraintBody },
    (request) => {
      const asked = constraintUpdate(request.body);
      return updateEntry(request, 'sizeimageconstraint', asked.id, asked, {});
    },
    answerUpdated('sizeimageconstraint', constraintResponse),
  );

  write(
    edge,
    { method: 'delete', path: `${PATH}/:id`, role: 'admin', operation: 'deleteSizeImageConstraint' },
    async (request) => {
      const stored = await findEntry(request.site, 'sizeimageconstraint', request.param('id'));
      if (isRefusal(stored)) return stored;
      return deleteEntry(request, 'sizeimageconstraint', stored.id, {});
    },
    answerDeleted('sizeimageconstraint', constraintResponse),
  );
}
