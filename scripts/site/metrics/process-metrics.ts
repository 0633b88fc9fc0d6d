// What a process of a site says of itself to who scrapes it, from its start to its end: whether it is active or stands by, and
// the lease as it saw it last. Once it is active its site's metrics join these, on the same port.
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { World } from '../../../actors/ports.ts';
import type { Lease } from '../lease.ts';
import { register, type Sample } from './sampled.ts';
import { serveMetrics, type MetricsServer } from './server.ts';

export interface ProcessMetricsOptions {
  site: string;
  /** This process, as the lease names it. */
  process: string;
  version: string;
  lease: Pick<Lease, 'wasTaken' | 'holder' | 'endsInMs'>;
  /** Whether there is a link to the active process; asked while this one stands by. */
  isActiveReached(): boolean;
  /** Where it listens; port 0: nowhere. */
  at: { host: string; port: number };
  world: Pick<World, 'after'>;
  log: Record<'info' | 'warn', (fields: object, what: string) => void>;
}

export interface ProcessMetrics {
  /** What is registered here is served, too. */
  readonly registry: Registry;
  /** Null: nowhere, at the moment. */
  readonly port: number | null;
  stop(): Promise<void>;
}

/** The port is tried again this often: on one machine the process that it takes over from may have had it. */
const AGAIN_MS = 1_000;

/** Serves at once, or as soon as the port can be had; nobody waits for it. */
export function openProcessMetrics(options: ProcessMetricsOptions): ProcessMetrics {
  const { at, world, log } = options;
  const registry = registryOf(options);
  let server: MetricsServer | undefined;
  let stopped = false;
  let cancel = (): void => {};
  let isTold = false;

  const tell = ({ code, message }: NodeJS.ErrnoException): void => {
    if (isTold) return;
    isTold = true;
    const why = code === 'EADDRINUSE' ? 'another process has it' : (code ?? message);
    log.warn(
      at,
      `port ${at.port} of ${at.host} can't be had, ${why}: until it is free nothing is scraped there, and the active process’s metrics are to be had as /v2/metrics only; HANSE_METRICS_PORT names another, 0 none`,
    );
  };

  async function listen(): Promise<void> {
    try {
      const opened = await serveMetrics(registry, at);
      if (stopped) return await opened.stop();
      server = opened;
      if (isTold) log.info(at, 'metrics are served: their port is free now');
    } catch (error) {
      tell(error as NodeJS.ErrnoException);
      if (!stopped) cancel = world.after(AGAIN_MS, () => void listen());
    }
  }
  if (at.port !== 0) void listen();

  return {
    registry,
    get port() {
      return server?.port ?? null;
    },
    async stop() {
      stopped = true;
      cancel();
      await server?.stop();
    },
  };
}

function registryOf({ site, process, version, lease, isActiveReached }: ProcessMetricsOptions): Registry {
  const registry = new Registry();
  registry.setDefaultLabels({ site });
  collectDefaultMetrics({ register: registry });
  const gauge = (name: string, help: string, samples: () => Sample[]): void =>
    register(registry, { name: `hanse_${name}`, help, type: 'gauge', samples });

  gauge('info', 'Always 1; says who this is.', () => [{ labels: { version, process }, value: 1 }]);
  gauge('process_role', 'What this process is: of its roles one is 1.', () =>
    (['active', 'standby'] as const).map((role) => ({
      labels: { role },
      value: Number((role === 'active') === lease.wasTaken),
    })),
  );
  gauge(
    'lease_remaining_seconds',
    'Time until the site’s lease ends, by what this process saw last; negative: it ran out, or could not be looked at.',
    () => {
      const holder = lease.wasTaken ? (lease.holder?.process ?? process) : lease.holder?.process;
      const { endsInMs } = lease;
      return holder === undefined || endsInMs === undefined ? [] : [{ labels: { holder }, value: endsInMs / 1_000 }];
    },
  );
  gauge('active_reached', 'Of a standby: whether what it is asked reaches the active process.', () =>
    lease.wasTaken ? [] : [{ labels: {}, value: Number(isActiveReached()) }],
  );
  return registry;
}
