// How a process becomes the active one of its site: the order in which scopes are taken over, what must be known is read,
// the parts (active/) are put together, and requests are taken. It ends in the opposite order.
import { addressOf, partitionScope } from '../../actors/address.ts';
import type { BusMessage, LogEntry } from '../../actors/ports.ts';
import type { Site } from '../../http/site.ts';
import { openDirectoryCopy } from '../../router/federation/directory-copy.ts';
import { startFilling } from '../../router/place-index-filling.ts';
import { createPlaceIndex } from '../../router/place-index.ts';
import { openAgents, openBus } from './active/agents.ts';
import { lastAnswers, openEdge, type SiteEdge } from './active/edge.ts';
import { createHosting, issueCertificates } from './active/hosting.ts';
import { createListeners } from './active/listeners.ts';
import { openJoins, openMembers } from './active/members.ts';
import { observe, openGrowth, openTraces } from './active/observation.ts';
import { createStandDown, noteProgress, takeOver } from './active/ownership.ts';
import { peerAsks } from './active/peer-asks.ts';
import { askOf, openShards } from './active/shards.ts';
import { siteOf } from './active/site.ts';
import type { Ground } from './ground.ts';
import { answerInTime } from './in-time.ts';
import { keepMember } from './member.ts';
import { placedFirst } from './placed-first.ts';
import { ensureProviderTenant } from './provider.ts';
import { startingRole } from './standby.ts';
import { standbysOf, type StandbyView } from './standbys.ts';
import { noteCompared } from './standing.ts';
import { startUpkeep } from './upkeep.ts';

/**
 * Takes the site's scopes over and serves them until the process ends. `around` is put around what asks the actors: a
 * benchmark of the edge alone answers instead of them.
 */
export async function serveSite(
  ground: Ground,
  around: (ask: Site['ask']) => Site['ask'] = (ask) => ask,
): Promise<void> {
  const { config, log, life, world, store, links, identity, odd } = ground;
  const startedMs = world.monotonicMs();
  /** What a takeover is made of, for the log: milliseconds since it began. */
  const tookMs: Record<string, number> = {};
  const done = (step: string): void => void (tookMs[step] = Math.round(world.monotonicMs() - startedMs));

  // ---- taken over --------------------------------------------------------------------------------------------------

  const ownership = await takeOver(ground);
  const { partitions, fences, epoch, standing } = ownership;
  done('owned');
  log.info({ epoch: fences[0]?.epoch }, 'the scopes are ours: loading');
  const standDown = createStandDown(ground, ownership);
  ground.whenLost(standDown);
  await issueCertificates(ground, partitions);

  // ---- read: actors, places, directory; who listens hears in the order of these lines ------------------------------

  const committed = createListeners<LogEntry>();
  const host = openShards(ground, { fences, committed: committed.tell, fenced: standDown });
  life.onEnd('shards', () => host.stop());
  const ask = around(askOf(host, world));
  const progress = noteProgress(ground, ownership);
  life.onEnd('standing', () => progress.stop());
  committed.add((entry) => progress.committed(entry));
  const places = createPlaceIndex(config.site, partitions);
  committed.add((entry) => places.apply(entry));
  const filling = startFilling({
    index: places,
    rows: store.bareRows,
    site: config.site,
    after: (delayMs, run) => world.after(delayMs, run),
    odd,
  });
  life.onEnd('filling of the index', () => filling.stop());
  const [copy] = await Promise.all([openDirectoryCopy(store, config.site), filling.begun, host.ready]);
  done('loaded');

  // ---- put together: federation, bus, site, edge; requests are not taken yet ---------------------------------------

  const members = openMembers(ground, {
    ask,
    places,
    copy,
    asks: peerAsks({ filling, host, site: () => site, forward: () => edge.forward }),
    isRestored: standing.restoredMs !== undefined,
    compared() {
      log.info({}, 'the restored site was compared with the others');
      void noteCompared(ground.databaseUrl, standing.incarnation).catch((error: unknown) =>
        odd('that the site was compared could not be noted: it will be again at the next start', error),
      );
    },
  });
  const { federation, blocks } = members;
  life.onEnd('federation', () => federation.close());
  life.onEnd('blocks', () => blocks.close());
  committed.add((entry) => members.committed(entry));
  const messages = createListeners<BusMessage>();
  const bus = openBus(ground, messages.tell);
  life.onEnd('bus', () => bus.stop());
  committed.add((entry) => bus.publish(entry));
  const traces = openTraces(ground);
  if (traces !== undefined) life.onEnd('traces', () => traces.stop());
  const growth = openGrowth(ground, () => places.hosted());
  life.onEnd('growth', () => growth.stop());

  const hosting = createHosting(ground, { partitions, host, places, filling, blocks });
  life.onEnd('hosting', () => hosting.stop());
  const site: Site = siteOf(ground, { ask, host, places, copy, members, traces, growth, committed, messages, hosting });
  const joins = openJoins(ground, { site, federation, copy });
  const standbys = (): StandbyView[] => standbysOf(links.processes.linksTo(config.site), world);
  const insight = observe(ground, { site, host, blocks, bus, federation, standbys });
  life.onEnd('insight', () => insight.stop());
  let isServing = false;
  const isReady = (): boolean => isServing && !life.isEnding;
  const edge: SiteEdge = openEdge(ground, {
    site,
    places,
    host,
    federation,
    standbys,
    blocks,
    bus,
    joins,
    insight,
    isReady,
  });
  life.onEnd('read copy', () => edge.stop());

  const member = await keepMember({ site: config.site, ask, copy, links, world, reachedAt: ground.reachedAt, odd });
  life.onEnd('roster entry', () => member.stop());
  await ensureProviderTenant({ site, tenant: identity.providerTenant, odd });
  await joins.takeRoster();

  // ---- served ------------------------------------------------------------------------------------------------------

  const agentsPort = async (): Promise<number> => {
    const agents = await openAgents(ground, site, insight);
    life.onEnd('agents', () => agents.stop());
    return agents.port;
  };
  // Agents speak for their partition; where there are several, the index alone says of which one a machine is.
  const isPlain = places.hosted().length <= 1;
  const plainPort = isPlain ? await agentsPort() : undefined;
  await blocks.start();
  life.onEnd('upkeep', startUpkeep({ site, store, world, log }));

  done('ready');
  isServing = true;
  const { basePath } = config;
  const beforeApp = placedFirst(filling, edge.forward, basePath);
  ground.play(answerInTime({ app: edge.app, beforeApp }, { basePath, world }));
  links.processes.announce(true);
  // First of all nothing new is taken: what comes meanwhile is for the process that is active next.
  life.onEnd('requests', async () => {
    ground.play(startingRole(ground));
    links.processes.announce(false);
    await lastAnswers(edge.app, world);
  });

  // ---- read while it serves ----------------------------------------------------------------------------------------

  // What grows with the machines is read from here on, so that it keeps nobody from being served: the allocators' indexes,
  // before anybody waits for them, and the places.
  for (const partition of partitions)
    void ask(addressOf(partitionScope(partition), 'allocator', partition), 'pools', {}, { who: 'hanse' });
  const isKnown = filling.whole();
  const grpc = plainPort ?? (await isKnown.then(agentsPort));
  log.info(
    {
      http: ground.httpPort,
      grpc,
      link: ground.listener.port,
      shards: ground.shards,
      partitions,
      epoch,
      tookMs,
      database: new URL(ground.databaseUrl).host,
    },
    'ready',
  );
}
