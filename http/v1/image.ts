import { newestImage, queryImages, type Image } from '../../actors/directory/image.ts';
import { invalid, isRefusal, notFound, type Refusal } from '../../actors/refusal.ts';
import type { Edge } from '../env.ts';
import { probeUrl } from '../probe.ts';
import { imageUsage, type Questions } from '../questions.ts';
import { ok, route } from '../route.ts';
import type { Site } from '../site.ts';
import { createEntry, findEntry, MEMBERS_WITHIN_MS, refuseUnreachable, updateEntry } from './directory.ts';
import { addEntryRoutes } from './entry-routes.ts';
import { imageBody, imageCreate, imageFindBody, imageResponse, imageUpdate, matchesImage } from './shape/image.ts';
import { queryFlag } from './shape/query.ts';

const PATH = '/v1/image';

/** Images, with the machines hosted here that use them if `show-usage` asks for it. */
async function answered(site: Site, images: Image[], showUsage: string | undefined) {
  const wanted = queryFlag('show-usage', showUsage);
  if (isRefusal(wanted)) return wanted;
  const users = wanted ? await imageUsage(site) : undefined;
  return ok(images.map((image) => imageResponse(image, users?.get(image.id))));
}

const probed = async (site: Site, url: string | undefined): Promise<Refusal | undefined> => {
  if (!url) return undefined;
  const problem = await probeUrl(url, site.config.probeAllow);
  return problem === undefined ? undefined : invalid(`image url:"${url}" is not accessible: ${problem}`);
};

/** Images (machines.md §17). */
export function addImageRoutes(edge: Edge): void {
  addEntryRoutes(edge, {
    kind: 'image',
    path: PATH,
    roles: { read: 'auth', write: 'admin' },
    operations: {
      list: 'listImages',
      find: 'findImage',
      create: 'createImage',
      update: 'updateImage',
      delete: 'deleteImage',
    },
    body: imageBody,
    id: ({ id }) => id,
    shape: (image) => imageResponse(image),
    list: ({ site, query }) => answered(site, site.directory.list('image'), query('show-usage')),
    create: async (request) => {
      const { site, body } = request;
      // A known id before anything else: metalctl's apply waits for that conflict, whatever the URL says now.
      const isKnown = site.directory.get('image', body.id ?? '') !== undefined;
      const unreachable = isKnown ? undefined : await probed(site, body.url);
      return unreachable ?? createEntry(request, 'image', imageCreate(body), {});
    },
    update: async (request) => {
      const { site, body } = request;
      const asked = imageUpdate(body);
      const stored = await findEntry(site, 'image', asked.id, request.as);
      if (isRefusal(stored)) return stored;
      const unreachable = await probed(site, body.url);
      return unreachable ?? updateEntry(request, 'image', asked.id, asked, {});
    },
    uses: async ({ site, as }, { id }) => {
      const answers = await site.federation.askOthers('image-usage', { image: id }, MEMBERS_WITHIN_MS, as.asker);
      const silent = refuseUnreachable(answers, `it is not known whether machines use image "${id}"`);
      if (silent !== undefined) return silent;
      const elsewhere = [...answers.values()] as Array<Questions['image-usage']['reply']>;
      const here = (await imageUsage(site)).get(id) ?? [];
      return { machines: [...here, ...elsewhere.flatMap(({ machines }) => machines)] };
    },
  });

  route(
    edge,
    {
      method: 'post',
      path: `${PATH}/find`,
      role: 'view',
      operation: 'findImages',
      audited: false,
      body: imageFindBody,
    },
    ({ site, body, query }) => {
      const found = site.directory.list('image').filter((image) => matchesImage(image, body));
      return answered(site, found, query('show-usage'));
    },
  );

  route(
    edge,
    { method: 'get', path: `${PATH}/:id/latest`, role: 'auth', operation: 'findLatestImage' },
    ({ site, param }) => {
      const image = newestImage(param('id'), site.directory.list('image'));
      return isRefusal(image) ? notFound(image.message) : ok(imageResponse(image));
    },
  );

  route(
    edge,
    { method: 'get', path: `${PATH}/:id/query`, role: 'auth', operation: 'queryImages by id' },
    ({ site, param }) => {
      const images = queryImages(param('id'), site.directory.list('image'));
      return isRefusal(images) ? images : ok(images.map((image) => imageResponse(image)));
    },
  );
}
