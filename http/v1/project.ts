import { findProjects, type Project } from '../../actors/directory/project.ts';
import { invalid, isRefusal } from '../../actors/refusal.ts';
import type { Edge } from '../env.ts';
import { projectUsage, type ProjectUsage } from '../questions.ts';
import { ok, route, type Answer } from '../route.ts';
import type { Site } from '../site.ts';
import { createEntry, MEMBERS_WITHIN_MS, refuseUnreachable, updateEntry, type Writer } from './directory.ts';
import { addEntryRoutes } from './entry-routes.ts';
import { orNull } from './shape/fields.ts';
import { askedProject, projectBody, projectFindBody, projectResponse } from './shape/masterdata.ts';

const PATH = '/v1/project';

interface UsageOverAll extends ProjectUsage {
  answers: Map<string, unknown>;
}

async function usageOverAll({ site, as }: Writer, project: string): Promise<UsageOverAll> {
  const [here, answers] = await Promise.all([
    projectUsage(site, project),
    site.federation.askOthers('project-usage', { project }, MEMBERS_WITHIN_MS, as.asker),
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
  addEntryRoutes(edge, {
    kind: 'project',
    path: PATH,
    roles: { read: 'view', write: 'admin' },
    operations: {
      list: 'listProjects',
      find: 'findProject',
      create: 'createProject',
      update: 'updateProject',
      delete: 'deleteProject',
    },
    body: projectBody,
    id: ({ meta }) => meta?.id,
    shape: (project) => projectResponse(project),
    list: ({ site }) => ok(orNull(site.directory.list('project').map((project) => projectResponse(project)))),
    found: withUsage,
    create: (request) => {
      const { site, body } = request;
      const asked = askedProject(body, body.meta?.id ?? '');
      return createEntry(request, 'project', asked, factsOf(site, asked.tenant));
    },
    update: (request) => {
      const { site, body } = request;
      if (body.meta === undefined) return invalid('project and project.meta must be specified');
      const asked = askedProject(body, body.meta.id ?? '');
      return updateEntry(request, 'project', asked.id, asked, factsOf(site, asked.tenant));
    },
    uses: async ({ site, as }, { id }) => {
      const { machines, networks, ips, answers } = await usageOverAll({ site, as }, id);
      const silent = refuseUnreachable(answers, `it is not known whether project "${id}" is in use`);
      if (silent !== undefined) return silent;
      const sizeReservations = site.directory.list('sizereservation').filter((one) => one.project === id).length;
      return { machines, networks, ips, sizeReservations };
    },
  });

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
}
