// What people see of a running site: its actors, shards, log, links, blocks, and whether all adds up. Admin role.
import { invalid, isRefusal, notFound, type Refusal } from '../../actors/refusal.ts';
import type { ShardHost } from '../../actors/runtime/host.ts';
import type { Admission } from '../../http/admission.ts';
import type { CellFilter } from '../../actors/runtime/inspection.ts';
import { addressText, isScope, KINDS, type Kind, type Scope } from '../../actors/address.ts';
import { isUnder, type QuarantinedMessage } from '../../actors/runtime/quarantine.ts';
import type { Bus } from '../../http/agents/bus.ts';
import type { Edge } from '../../http/env.ts';
import { ok, route, type RouteRequest } from '../../http/route.ts';
import { withoutSecrets } from '../../http/secrets.ts';
import { write } from '../../http/write.ts';
import type { BlockDriver } from '../../router/federation/blocks.ts';
import type { Federation } from '../../router/federation/federation.ts';
import type { Inspection } from '../../storage/inspection.ts';
import { realWorld } from '../world.ts';
import { AUDIT_LIMITS, createAudit } from './audit.ts';
import type { AuditThread } from './audit-thread.ts';
import { inspectOne, inspectShards, NO_ACTORS, treeOf } from './inspect/actors.ts';
import { blocksOf } from './inspect/blocks.ts';
import { readConflicts } from './inspect/conflicts.ts';
import { keysTwice } from './inspect/keys.ts';
import type { StandbyView } from './standbys.ts';

export interface InspectOptions {
  /** This process, as the lease names it. */
  process: string;
  host: Pick<
    ShardHost,
    'inspect' | 'auditMemory' | 'restarts' | 'presences' | 'quarantine' | 'quarantineLost' | 'retry' | 'drop'
  >;
  admission: Pick<Admission, 'state'>;
  shards: number;
  blocks: Pick<BlockDriver, 'open'>;
  bus: Pick<Bus, 'state'>;
  federation: Pick<Federation, 'status'>;
  /** Other processes of the site that can be reached. */
  standbys(): StandbyView[];
  inspection: Inspection;
  auditThread: Pick<AuditThread, 'rows'>;
}

const MOST_ACTORS = 1_000;
const RETRY_MS = 30_000;
const EXAMPLE = '?scope=partition:muc&kind=network&id=internet';

const notInQuarantine = (id: string): Refusal => notFound(`no message "${id}" in quarantine`);

/** What a retry does, as far as it is known without doing it. */
function wouldTry({ to, name, body, partOf, isReservation, count, crashes, error }: QuarantinedMessage) {
  if (isReservation && partOf === null)
    return { outcome: 'refused: a reservation of an operation can’t be tried by itself, only dropped' };
  const again = partOf ?? { to, name, body };
  return {
    to: addressText(again.to),
    name: again.name,
    body: again.body,
    outcome:
      `not known before: nothing was decided, so no changes are shown. It came ${count} times and crashed ${crashes} times, ` +
      `last with: ${error}. If that has not been mended it fails again, and is set aside anew; else it is done`,
  };
}

const VIEWS = [
  'actors',
  'actor',
  'shards',
  'leases',
  'log',
  'links',
  'blocks',
  'quarantine',
  'conflicts',
  'audit',
] as const;
type View = (typeof VIEWS)[number];

/** A number from the query, or why it is none. */
function numberIn(
  request: RouteRequest<undefined>,
  name: string,
  otherwise: number,
  [least, most]: readonly [number, number],
): number | Refusal {
  const text = request.query(name);
  if (text === undefined || text === '') return otherwise;
  const value = Number(text);
  return Number.isInteger(value) && value >= least && value <= most
    ? value
    : invalid(`${name}:"${text}" is not valid, expected a number from ${least} to ${most}`);
}

const refuseScope = (scope: string): Refusal =>
  invalid(`scope:"${scope}" is not valid, expected partition:ID or site:ID, such as partition:muc`);

const refuseKind = (kind: string | undefined): Refusal | undefined =>
  kind === undefined || (KINDS as readonly string[]).includes(kind)
    ? undefined
    : invalid(`kind:"${kind}" is not valid, expected one of ${KINDS.join(', ')}`);

export const addInspectRoutes =
  ({ process, host, admission, shards, blocks, bus, federation, standbys, inspection, auditThread }: InspectOptions) =>
  (edge: Edge): void => {
    const { site } = edge;
    const audit = createAudit(host, auditThread, () => keysTwice(site, inspection.outcomes));
    const startedMs = site.wallMs();

    const view = (name: View, answer: (request: RouteRequest<undefined>) => unknown): void => {
      const operation = `inspect${name[0]!.toUpperCase()}${name.slice(1)}`;
      route(edge, { method: 'get', path: `/v2/inspect/${name}`, role: 'admin', operation }, async (request) => {
        const body = await answer(request);
        if (typeof body === 'object' && body !== null && 'refusal' in body) return body.refusal as Refusal;
        // Whoever inspects actors need not be allowed to log in (W34).
        return ok(withoutSecrets(body));
      });
    };
    const refuse = (refusal: Refusal): { refusal: Refusal } => ({ refusal });

    route(edge, { method: 'get', path: '/v2/inspect', role: 'admin', operation: 'inspect' }, () =>
      ok({
        site: site.id,
        process,
        standbys: standbys(),
        version: site.config.version,
        partitions: site.places.hosted(),
        shards,
        shardRestarts: host.restarts,
        shardStartOvers: host.presences().reduce((all, { startOvers }) => all + startOvers, 0),
        quarantined: host.quarantine().length,
        quarantineLost: host.quarantineLost,
        admission: admission.state,
        upMs: site.wallMs() - startedMs,
        views: VIEWS.map((name) => `/v2/inspect/${name}`),
      }),
    );

    view('actors', async (request) => {
      const limit = numberIn(request, 'limit', 100, [0, MOST_ACTORS]);
      if (typeof limit !== 'number') return refuse(limit);
      const unknown = refuseKind(request.query('kind'));
      if (unknown !== undefined) return refuse(unknown);
      const scopes = request.context.req.queries('scope') ?? null;
      const wrong = scopes?.find((scope) => !isScope(scope));
      if (wrong !== undefined) return refuse(refuseScope(wrong));
      const asked = (name: string): string | null => request.query(name) ?? null;
      const filter: CellFilter = { scopes: scopes as Scope[] | null, kind: asked('kind'), id: asked('id'), limit };
      return { site: site.id, ...treeOf(await inspectShards(host, shards, filter), limit) };
    });

    view('actor', async ({ query }) => {
      const [scope, kind, id] = [query('scope'), query('kind'), query('id')];
      if (scope === undefined || kind === undefined || id === undefined)
        return refuse(invalid(`scope, kind and id are needed, e.g. ${EXAMPLE}`));
      if (!isScope(scope)) return refuse(refuseScope(scope));
      const unknown = refuseKind(kind);
      if (unknown !== undefined) return refuse(unknown);
      const actor = await inspectOne(host, shards, { scope, kind: kind as Kind, id });
      return (
        actor ??
        refuse(notFound(`no ${kind} "${id}" of ${scope} is in memory: it is loaded when it is asked for something`))
      );
    });

    view('shards', async () => ({
      site: site.id,
      restarts: host.restarts,
      presences: host.presences(),
      shards: (await inspectShards(host, shards, NO_ACTORS)).map(({ shard, view: found, reason }) => {
        if (found === undefined) return { shard, state: 'not answering', reason };
        const sum = (figure: 'resident' | 'busy'): number => found.kinds.reduce((all, kind) => all + kind[figure], 0);
        return { ...found, cells: undefined, kinds: undefined, resident: sum('resident'), busy: sum('busy') };
      }),
      blocks: { open: blocks.open },
      bus: bus.state(),
    }));

    view('leases', async () => {
      const [leases, { streams }] = await Promise.all([inspection.leases(), inspection.log()]);
      return {
        site: site.id,
        process,
        standbys: standbys(),
        leases,
        epochs: streams.filter(({ ended }) => !ended).map(({ scope, shard, epoch }) => ({ scope, shard, epoch })),
      };
    });

    view('log', async () => ({ site: site.id, ...(await inspection.log()), bus: bus.state() }));
    view('links', () => ({ site: site.id, links: federation.status() }));
    view('blocks', async () => ({ site: site.id, ...(await blocksOf(site, blocks.open)) }));
    view('quarantine', () => ({ site: site.id, quarantine: host.quarantine(), lost: host.quarantineLost }));

    const aside = '/v2/inspect/quarantine/:id';
    const setAside = (id: string): QuarantinedMessage | Refusal =>
      host.quarantine().find((message) => isUnder(message, id)) ?? notInQuarantine(id);
    write(
      edge,
      { method: 'post', path: `${aside}/retry`, role: 'admin', operation: 'retryQuarantined', contentType: 'any' },
      async ({ as: { who, key, dry }, param }): Promise<unknown> => {
        const message = setAside(param('id'));
        // Even in a dry run it may bring down whoever decides it: only what would be tried is said.
        if (isRefusal(message)) return message;
        if (dry === true) return { message, wouldTry: wouldTry(message) };
        return await host.retry(message.id, { who, key, deadlineMs: realWorld.monotonicMs() + RETRY_MS });
      },
      (outcome, { as }) =>
        ok(as.dry === true ? { site: site.id, ...(outcome as object) } : withoutSecrets({ site: site.id, outcome })),
    );
    route(
      edge,
      {
        method: 'delete',
        path: aside,
        role: 'admin',
        operation: 'dropQuarantined',
        dryRun({ param }) {
          const message = setAside(param('id'));
          return isRefusal(message) ? message : ok({ site: site.id, message });
        },
      },
      ({ param }) =>
        host.drop(param('id')) ? ok({ site: site.id, dropped: param('id') }) : notInQuarantine(param('id')),
    );
    view('conflicts', async () => ({ site: site.id, ...(await readConflicts(site)) }));

    view('audit', async (request) => {
      // Nothing compared is nothing found: that would look sound.
      const entries = numberIn(request, 'entries', AUDIT_LIMITS.entries, [1, 1_000_000]);
      if (typeof entries !== 'number') return refuse(entries);
      const actors = numberIn(request, 'actors', AUDIT_LIMITS.actors, [1, 100_000]);
      if (typeof actors !== 'number') return refuse(actors);
      const answer = await audit({ entries, actors });
      return isRefusal(answer) ? refuse(answer) : answer;
    });
  };
