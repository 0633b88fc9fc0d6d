import { newestImage, queryImages, type Image } from '../../actors/directory/image.ts';
import { invalid, isRefusal, notFound, type Refusal } from '../../actors/refusal.ts';
import type { Edge } from '../env.ts';
import { probeUrl } from '../probe.ts';
import { imageUsage, type Questions } from '../questions.ts';
import { ok, route } from '../route.ts';
import { write } from '../write.ts';
import type { Site } from '../site.ts';
import {
  MEMBERS_WITHIN_MS,
  answerCreated,
  answerDeleted,
  answerUpdated,
  createEntry,
  deleteEntry,
  findEntry,
  refuseUnreachable,
  updateEntry,
} from './directory.ts';
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
  route(edge, { method: 'get', path: PATH, role: 'auth', operation: 'listImages' }, ({ site, query }) =>
    answered(site, site.directory.list('image'), query('show-usage')),
  );

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

  route(edge, { method: 'get', path: `${PATH}/:id`, role: 'auth', operation: 'findImage' }, async ({ site, param }) => {
    const image = await findEntry(site, 'image', param('id'));
    return isRefusal(image) ? image : ok(imageResponse(image));
  });

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

  const shape = (image: Image): unknown => imageResponse(image);
  write(
    edge,
    { method: 'put', path: PATH, role: 'admin', operation: 'createImage', body: imageBody, placeless: 'everywhere' },
    async (request) => {
      const { site, body } = request;
      // A known id before anything else: metalctl's apply waits for that conflict, whatever the URL says now.
      const isKnown = site.directory.get('image', body.id ?? '') !== undefined;
      const unreachable = isKnown ? undefined : await probed(site, body.url);
      if (unreachable !== undefined) return unreachable;
      return createEntry(request, 'image', imageCreate(body), {});
    },
    answerCreated('image', shape),
  );

  write(
    edge,
    { method: 'post', path: PATH, role: 'admin', operation: 'updateImage', body: imageBody },
    async (request) => {
      const { site, body } = request;
      const asked = imageUpdate(body);
      const stored = await findEntry(site, 'image', asked.id);
      if (isRefusal(stored)) return stored;
      const unreachable = await probed(site, body.url);
      if (unreachable !== undefined) return unreachable;
      return updateEntry(request, 'image', asked.id, asked, {});
    },
    answerUpdated('image', shape),
  );

  write(
    edge,
    { method: 'delete', path: `${PATH}/:id`, role: 'admin', operation: 'deleteImage' },
    async (request) => {
      const { site, param } = request;
      const image = await findEntry(site, 'image', param('id'));
      if (isRefusal(image)) return image;
      const answers = await site.federation.askOthers('image-usage', { image: image.id }, MEMBERS_WITHIN_MS);
      const silent = refuseUnreachable(answers, `it is not known whether machines use image "${image.id}"`);
      if (silent !== undefined) return silent;
      const elsewhere = [...answers.values()] as Array<Questions['image-usage']['reply']>;
      const here = (await imageUsage(site)).get(image.id) ?? [];
      return deleteEntry(request, 'image', image.id, {
        machines: [...here, ...elsewhere.flatMap(({ machines }) => machines)],
      });
    },
    answerDeleted('image', shape),
  );
}
