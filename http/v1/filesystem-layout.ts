import { checkLayoutFits, selectFilesystemLayout } from '../../actors/directory/filesystem-layout.ts';
import { parseImageId } from '../../actors/directory/image.ts';
import { formatVersion } from '../../actors/directory/version.ts';
import { isRefusal } from '../../actors/refusal.ts';
import type { Edge } from '../env.ts';
import { ok, route } from '../route.ts';
import { createEntry, findEntry, updateEntry } from './directory.ts';
import { addEntryRoutes } from './entry-routes.ts';
import { machineOf } from './machine-of.ts';
import { askedLayout, layoutBody, layoutResponse, matchBody, tryBody } from './shape/filesystem-layout.ts';

const PATH = '/v1/filesystemlayout';

/** Filesystem layouts (machines.md §18). */
export function addFilesystemLayoutRoutes(edge: Edge): void {
  addEntryRoutes(edge, {
    kind: 'filesystemlayout',
    path: PATH,
    roles: { read: 'view', write: 'admin' },
    operations: {
      list: 'listFilesystemLayouts',
      find: 'getFilesystemLayout',
      create: 'createFilesystemLayout',
      update: 'updateFilesystemLayout',
      delete: 'deleteFilesystemLayout',
    },
    body: layoutBody,
    id: ({ id }) => id,
    shape: layoutResponse,
    create: (request) => createEntry(request, 'filesystemlayout', askedLayout(request.body), {}),
    update: (request) => {
      const asked = askedLayout(request.body);
      return updateEntry(request, 'filesystemlayout', asked.id, asked, {});
    },
    uses: () => ({}),
  });

  route(
    edge,
    {
      method: 'post',
      path: `${PATH}/try`,
      role: 'admin',
      operation: 'tryFilesystemLayout',
      audited: false,
      body: tryBody,
    },
    ({ site, body: { size = '', image = '' } }) => {
      const parsed = parseImageId(image);
      if (isRefusal(parsed)) return parsed;
      const asked = { id: image, os: parsed.os, version: formatVersion(parsed.version) };
      const layout = selectFilesystemLayout(site.directory.list('filesystemlayout'), size, asked);
      return isRefusal(layout) ? layout : ok(layoutResponse(layout));
    },
  );

  route(
    edge,
    {
      method: 'post',
      path: `${PATH}/matches`,
      role: 'admin',
      operation: 'matchFilesystemLayout',
      audited: false,
      body: matchBody,
    },
    async ({ site, as, body: { machine = '', filesystemlayout = '' } }) => {
      const view = await machineOf(site, machine, as);
      if (isRefusal(view)) return view;
      const layout = await findEntry(site, 'filesystemlayout', filesystemlayout, as);
      if (isRefusal(layout)) return layout;
      return checkLayoutFits(layout, view.machine.hardware) ?? ok(layoutResponse(layout));
    },
  );
}
