import { findProjects, type Project } from '../../actors/directory/project.ts';
import { invalid, isRefusal } from '../../actors/refusal.ts';
import type { Edge } from '../env.ts';
import { projectUsage, type ProjectUsage } from '../questions.ts';
import { ok, route, type Answer } from '../route.ts';
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
import { orNull } from './shape/fields.ts';
import { askedProject, projectBody, projectFindBody, projectResponse } from './shape/masterdata.ts';

const PATH = '/v1/project';

interface UsageOverAll extends ProjectUsage {
  answers: Map<string, unknown>;
}

async function usageOverAll(site: Site, project: string): Promise<UsageOverAll> {
  const [here, answers] = await Promise.all([
    projectUsage(site, project),
    site.federation.askOthers('project-usage', { project }, MEMBERS_WITHIN_MS),
  ]);
  const all = [here, ...[...answers.values()].filter((answer): answer is ProjectUsage => !isRefusal(answer))];
  const sum = (of: keyof ProjectUsage): number => all.reduce((total, usage) => total + usage[of], 0);
  return { machines: sum('machines'), networks: sum('networks'), ips: sum('ips'), answers };
}

/** With the `used` numbers of this site; whoever asks for all sites adds them up (networks.md §10.2). */
async function withUsage(site: Site, project: Project): Promise<Answer> {
  const { machines, ips } = await projectUsage(site, project.id);
  return ok(projectResponse(project, { machine: machines, ip: ips }));
}

const factsOf = (site: Site, tenant: string) => ({ tenant: site.directory.get('tenant', tenant) ?? null });

/** Projects (networks.md §6). */
export function addProjectRoutes(edge: Edge): void {
  route(edge, { method: 'get', path: PATH, role: 'view', operation: 'listProjects' }, ({ site }) =>
    ok(orNull(site.directory.list('project').map((project) => projectResponse(project)))),
  );

  route(
    edge,
    {
      method: 'post',
      path: `${PATH}/find`,
      role: 'view',
      operation: 'findProjects',
      audited: false,
      body: projectFindBody,
    },
    ({ site, body }) => {
      const query = { id: body.id, name: body.name, description: body.description, tenant: body.tenant_id };
      return ok(orNull(findProjects(site.directory.list('project'), query).map((project) => projectResponse(project))));
    },
  );

  route(
    edge,
    { method: 'get', path: `${PATH}/:id`, role: 'view', operation: 'findProject' },
    async ({ site, param }) => {
      const project = await findEntry(site, 'project', param('id'));
      return isRefusal(project) ? project : withUsage(site, project);
    },
  );

  const shape = (project: Project): unknown => projectResponse(project);
  write(
    edge,
    {
      method: 'put',
      path: PATH,
      role: 'admin',
      operation: 'createProject',
      body: projectBody,
      placeless: 'everywhere',
    },
    (request) => {
      const { site, body } = request;
      const asked = askedProject(body, body.meta?.id ?? '');
      return createEntry(request, 'project', asked, factsOf(site, asked.tenant));
    },
    answerCreated('project', shape),
  );

  write(
    edge,
    { method: 'post', path: PATH, role: 'admin', operation: 'updateProject', body: projectBody },
    (request) => {
      const { site, body } = request;
      if (body.meta === undefined) return invalid('project and project.meta must be specified');
      const asked = askedProject(body, body.meta.id ?? '');
      return updateEntry(request, 'project', asked.id, asked, factsOf(site, asked.tenant));
    },
    answerUpdated('project', shape),
  );

  write(
    edge,
    { method: 'delete', path: `${PATH}/:id`, role: 'admin', operation: 'deleteProject' },
    async (request) => {
      const { site, param } = request;
      const project = await findEntry(site, 'project', param('id'));
      if (isRefusal(project)) return project;
      const { machines, networks, ips, answers } = await usageOverAll(site, project.id);
      const silent = refuseUnreachable(answers, `it is not known whether project "${project.id}" is in use`);
      if (silent !== undefined) return silent;
      const sizeReservations = site.directory
        .list('sizereservation')
        .filter((one) => one.project === project.id).length;
      return deleteEntry(request, 'project', project.id, { machines, networks, ips, sizeReservations });
    },
    answerDeleted('project', shape),
  );
}
