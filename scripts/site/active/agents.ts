// What the agents of the plants use: the bus and their port.
import type { BusMessage } from '../../../actors/ports.ts';
import { becauseOf } from '../../../actors/refusal.ts';
import { createBus, type Bus } from '../../../http/agents/bus.ts';
import { serveAgents, type AgentServer } from '../../../http/agents/grpc.ts';
import type { Site } from '../../../http/site.ts';
import { statusOf } from '../../../http/wire-errors.ts';
import type { Ground } from '../ground.ts';
import type { Insight } from '../insight.ts';
import { whenFree } from '../when-free.ts';

/** `published` hears of each message. */
export const openBus = (
  { config, log, store }: Pick<Ground, 'config' | 'log' | 'store'>,
  published: (message: BusMessage) => void,
): Bus =>
  createBus({
    backlog: (each) => store.backlog('bus', { messagesOnly: true }, each),
    saveCursors: (cursors) => store.saveCursors('bus', cursors),
    nsqd: config.nsqd ?? undefined,
    onMessage: published,
    report: (what, fields) => log.warn(fields, what),
  });

/** Opens the port. */
export const openAgents = (
  { admission, config, identity, log, world }: Pick<Ground, 'admission' | 'config' | 'identity' | 'log' | 'world'>,
  site: Site,
  { observeCall }: Pick<Insight, 'observeCall'>,
): Promise<AgentServer> =>
  whenFree(world, () =>
    serveAgents(site, {
      host: config.host,
      port: config.grpcPort,
      tls: { ca: identity.authority.cert, cert: identity.certificate.cert, key: identity.certificate.key },
      report: (what, fields) => log.info(fields, what),
      observe: observeCall,
      refused(refusal) {
        if (statusOf(refusal) === 503 && becauseOf(refusal) === 'overloaded') admission.turnedAway('overloaded');
      },
    }),
  );
