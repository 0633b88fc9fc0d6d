// One look at everything that a scrape shows, shared by all its metrics.
import type { Admission, AdmissionState } from '../../../http/admission.ts';
import type { Bus } from '../../../http/agents/bus.ts';
import type { Health, Site } from '../../../http/site.ts';
import type { ShardHost } from '../../../actors/runtime/host.ts';
import type { ShardPresence } from '../../../actors/runtime/host/presence.ts';
import type { KindSummary, ShardInspection } from '../../../actors/runtime/inspection.ts';
import { turnSums, type TurnFigures } from '../../../actors/runtime/turn-figures.ts';
import type { Federation } from '../../../router/federation/federation.ts';
import type { CursorView, Inspection, StreamView } from '../../../storage/inspection.ts';
import { inspectShards, NO_ACTORS, sumsOf } from '../inspect/actors.ts';
import { blocksOf, type BlocksView } from '../inspect/blocks.ts';
import type { StandbyView } from '../standbys.ts';

export interface FigureSources {
  site: Pick<Site, 'id' | 'ask' | 'rows' | 'directory' | 'places' | 'health'>;
  host: Pick<ShardHost, 'inspect' | 'restarts' | 'presences' | 'quarantine' | 'quarantineLost'>;
  admission: Pick<Admission, 'state'>;
  shards: number;
  federation: Pick<Federation, 'status'>;
  standbys(): readonly StandbyView[];
  blocks: { readonly open: number };
  bus: Pick<Bus, 'state'>;
  inspection: Pick<Inspection, 'log'>;
}

export interface Figures {
  shards: ShardInspection[];
  kinds: KindSummary[];
  turns: TurnFigures[];
  restarts: number;
  presences: ShardPresence[];
  /** Messages that were set aside. */
  quarantined: number;
  /** Of those, pushed out by newer ones. */
  quarantineLost: number;
  admission: AdmissionState;
  links: ReturnType<Federation['status']>;
  /** How many processes of the site stand by and can be reached. */
  standbys: number;
  bus: ReturnType<Bus['state']>;
  blocks: BlocksView;
  health: Health | undefined;
  streams: StreamView[];
  cursors: CursorView[];
}

/** So long one look serves: a scrape asks for some thirty metrics at once. */
const SHARED_MS = 1_000;

/** What the database does not answer is left out: the rest is worth seeing just then. */
const orNothing = <T>(looking: Promise<T>, nothing: T): Promise<T> => looking.catch(() => nothing);

export function createFigures(sources: FigureSources): () => Promise<Figures> {
  const { site, host, admission, shards, federation, standbys, blocks, bus, inspection } = sources;
  let last: { atMs: number; figures: Promise<Figures> } | undefined;

  async function look(): Promise<Figures> {
    const [answers, log, blocksView, health] = await Promise.all([
      inspectShards(host, shards, NO_ACTORS),
      orNothing(inspection.log(), { streams: [], cursors: [] }),
      orNothing(blocksOf(site, blocks.open), { open: blocks.open, networks: [] }),
      site.health().catch(() => undefined),
    ]);
    const views = answers.flatMap(({ view }) => (view === undefined ? [] : [view]));
    return {
      shards: views,
      kinds: sumsOf(answers),
      turns: turnSums(views),
      restarts: host.restarts,
      presences: host.presences(),
      quarantined: host.quarantine().length,
      quarantineLost: host.quarantineLost,
      admission: admission.state,
      links: federation.status(),
      standbys: standbys().length,
      bus: bus.state(),
      blocks: blocksView,
      health,
      ...log,
    };
  }

  return () => {
    const nowMs = performance.now();
    if (last === undefined || nowMs - last.atMs > SHARED_MS) last = { atMs: nowMs, figures: look() };
    return last.figures;
  };
}
