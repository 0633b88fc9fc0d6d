import { addressOf, partitionScope } from '../../actors/address.ts';
import { invalid, isRefusal, notFound, unavailable, unprocessable, type Refusal } from '../../actors/refusal.ts';
import type { Ask, CommandName, Reply } from '../../actors/protocol.ts';
import type { SwitchView } from '../../actors/switch/messages.ts';
import type { PortRecord } from '../../actors/switch/record.ts';
import { emptyStatus } from '../../actors/switch/state.ts';
import { refuseId } from '../../router/naming.ts';
import type { Edge } from '../env.ts';
import { hostedScopes } from '../questions.ts';
import { created, ok, route, type Answer } from '../route.ts';
import { write } from '../write.ts';
import type { AskOptions, Site } from '../site.ts';
import { findEntry } from './directory.ts';
import { given } from './shape/fields.ts';
import { gonePartition } from './shape/machine.ts';
import { queryFlag } from './shape/query.ts';
import {
  bgpPortStates,
  matchesSwitch,
  notifyResponse,
  switchFindBody,
  switchMigrateBody,
  switchNotifyBody,
  switchPortBody,
  switchRegisterBody,
  switchRegistration,
  switchResponse,
  switchUpdateBody,
} from './shape/switch.ts';
import { filtersOf } from './switch-filters.ts';

const PATH = '/v1/switch';

async function askSwitch<C extends CommandName<'switch'>>(
  site: Site,
  id: string,
  command: C,
  body: Ask<'switch', C>,
  as: AskOptions,
): Promise<Reply<'switch', C> | Refusal> {
  const partition = site.places.switch(id);
  if (partition === undefined) return notFound(`no switch with id "${id}" found`);
  return site.ask(addressOf(partitionScope(partition), 'switch', id), command, body, as);
}

/** All switches hosted here: their rows put together, as committed. */
async function switchViews(site: Site): Promise<SwitchView[]> {
  const filter = { scopes: hostedScopes(site) };
  const [switches, statuses, ports] = await Promise.all([
    site.rows.rows('switch', filter),
    site.rows.rows('switch_status', filter),
    site.rows.rows('switch_port', filter),
  ]);
  const statusOf = new Map(statuses.map(({ key, value }) => [key, value]));
  const portsOf = new Map<string, PortRecord[]>();
  for (const { owner, value } of ports) {
    const known = portsOf.get(owner);
    if (known) known.push(value);
    else portsOf.set(owner, [value]);
  }
  return switches.map(({ key, value }) => ({
    switch: value,
    status: statusOf.get(key) ?? emptyStatus(),
    ports: portsOf.get(key) ?? [],
  }));
}

const shown = async (site: Site, views: readonly SwitchView[]) => {
  const filters = await filtersOf(site, views);
  return views.map((view, i) =>
    switchResponse(view, site.directory.get('partition', view.switch.partition) ?? gonePartition, filters[i]!),
  );
};

/** One switch: without its partition it is NotFound. */
async function switchAnswer(site: Site, view: SwitchView | Refusal): Promise<Answer | Refusal> {
  if (isRefusal(view)) return view;
  const { partition } = view.switch;
  if (!site.directory.get('partition', partition)) return notFound(`no partition with id "${partition}" found`);
  return ok((await shown(site, [view]))[0]);
}

/** Switches (networks.md §5). */
export function addSwitchRoutes(edge: Edge): void {
  route(edge, { method: 'get', path: PATH, role: 'auth', operation: 'listSwitches' }, async ({ site }) =>
    ok(await shown(site, await switchViews(site))),
  );

  route(
    edge,
    {
      method: 'post',
      path: `${PATH}/find`,
      role: 'view',
      operation: 'findSwitches',
      audited: false,
      body: switchFindBody,
    },
    async ({ site, body }) =>
      ok(
        await shown(
          site,
          (await switchViews(site)).filter((view) => matchesSwitch(view, body)),
        ),
      ),
  );

  write(
    edge,
    { method: 'post', path: `${PATH}/register`, role: 'edit', operation: 'registerSwitch', body: switchRegisterBody },
    async ({ site, as, body }) => {
      const id = body.id ?? '';
      if (id === '') return invalid('uuid cannot be empty');
      const unnamed = refuseId(PATH, id);
      if (unnamed !== undefined) return unnamed;
      const registration = switchRegistration(body);
      const partition = await findEntry(site, 'partition', registration.partition, as);
      if (isRefusal(partition)) return partition;
      if (!site.places.hosted().includes(partition.id)) {
        return unavailable(`partition "${partition.id}" is not served by site "${site.id}"`);
      }
      const known = site.places.switch(id) ?? partition.id;
      if (known !== partition.id) {
        return unprocessable(`switch "${id}" belongs to partition "${known}", delete it there before it moves`);
      }
      const to = addressOf(partitionScope(partition.id), 'switch', id);
      return site.ask(to, 'register', registration, as);
    },
    async (registered, { site }) => {
      const [response] = await shown(site, [registered.view]);
      return registered.created ? created(response) : ok(response);
    },
  );

  write(
    edge,
    { method: 'post', path: `${PATH}/migrate`, role: 'admin', operation: 'migrateSwitch', body: switchMigrateBody },
    ({ body: { old_switch_id: from = '', new_switch_id: to = '' } }) =>
      from === '' || to === ''
        ? invalid('old_switch_id and new_switch_id must be given')
        : unprocessable(
            'migrate is not supported: set the switch to mode replace and register the new device under its id',
          ),
    (body) => ok(body),
  );

  write(
    edge,
    {
      method: 'post',
      path: `${PATH}/:id/notify`,
      role: 'edit',
      operation: 'notifySwitch',
      audited: false,
      body: switchNotifyBody,
    },
    ({ site, as, param, body }) => {
      const bgp = bgpPortStates(body.bgp_port_states);
      if (isRefusal(bgp)) return bgp;
      const report = {
        durationNs: body.sync_duration ?? 0,
        error: body.error ?? null,
        portStates: body.port_states ?? null,
        bgpPortStates: bgp,
      };
      return askSwitch(site, param('id'), 'notify', report, as);
    },
    (view, { param }) => ok(notifyResponse(param('id'), view.status)),
  );

  write(
    edge,
    { method: 'post', path: `${PATH}/:id/port`, role: 'admin', operation: 'toggleSwitchPort', body: switchPortBody },
    ({ site, as, param, body: { nic = '', status = '' } }) =>
      askSwitch(site, param('id'), 'toggle', { nic, status }, as),
    (view, { site }) => switchAnswer(site, view),
  );

  route(edge, { method: 'get', path: `${PATH}/:id`, role: 'auth', operation: 'findSwitch' }, async (request) => {
    const { site, as, param } = request;
    return switchAnswer(site, await askSwitch(site, param('id'), 'get', {}, as));
  });

  write(
    edge,
    { method: 'post', path: PATH, role: 'admin', operation: 'updateSwitch', body: switchUpdateBody },
    ({ site, as, body: { id = '', description, console_command: consoleCommand, mode } }) => {
      const patch = { ...given({ description, consoleCommand }), mode: mode ?? null };
      return askSwitch(site, id, 'update', patch, as);
    },
    (view, { site }) => switchAnswer(site, view),
  );

  write(
    edge,
    { method: 'delete', path: `${PATH}/:id`, role: 'edit', operation: 'deleteSwitch' },
    ({ site, as, param, query }) => {
      const force = queryFlag('force', query('force'));
      if (isRefusal(force)) return force;
      return askSwitch(site, param('id'), 'delete', { force }, as);
    },
    (view, { site }) => switchAnswer(site, view),
  );
}
