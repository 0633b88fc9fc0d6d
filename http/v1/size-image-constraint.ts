import { newestImage } from '../../actors/directory/image.ts';
import { checkImageOnSize } from '../../actors/directory/size-image-constraint.ts';
import { invalid, isRefusal } from '../../actors/refusal.ts';
import type { Edge } from '../env.ts';
import { ok, route } from '../route.ts';
import { createEntry, findEntry, updateEntry } from './directory.ts';
import { addEntryRoutes } from './entry-routes.ts';
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
  addEntryRoutes(edge, {
    kind: 'sizeimageconstraint',
    path: PATH,
    roles: { read: 'auth', write: 'admin' },
    operations: {
      list: 'listSizeImageConstraints',
      find: 'findSizeImageConstraint',
      create: 'createSizeImageConstraint',
      update: 'updateSizeImageConstraint',
      delete: 'deleteSizeImageConstraint',
    },
    body: constraintBody,
    id: ({ id }) => id,
    shape: constraintResponse,
    create: (request) => createEntry(request, 'sizeimageconstraint', constraintCreate(request.body), {}),
    update: (request) => {
      const asked = constraintUpdate(request.body);
      return updateEntry(request, 'sizeimageconstraint', asked.id, asked, {});
    },
    uses: () => ({}),
  });

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
    async ({ site, as, body: { size = '', image = '' } }) => {
      if (size === '') return invalid('size should not be empty');
      if (image === '') return invalid('image should not be empty');
      const found = await findEntry(site, 'size', size, as);
      if (isRefusal(found)) return found;
      const newest = newestImage(image, site.directory.list('image'));
      if (isRefusal(newest)) return newest;
      return checkImageOnSize(site.directory.get('sizeimageconstraint', size), newest) ?? ok({});
    },
  );
}
