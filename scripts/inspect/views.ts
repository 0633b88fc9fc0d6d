// What each view of a site looks like on a terminal (its actors: actor-views.ts): pure, from the answer of one site to text.
import type { AdmissionState } from '../../http/admission.ts';
import type { Bus } from '../../http/agents/bus.ts';
import type { Federation } from '../../router/federation/federation.ts';
import type { CursorView, LeaseView, StreamView } from '../../storage/inspection.ts';
import type { BlocksView } from '../site/inspect/blocks.ts';
import type { ConflictsView } from '../site/inspect/conflicts.ts';
import type { StandbyView } from '../site/standbys.ts';
import { bold, dim, green, red, yellow } from '../start/screen.ts';
import { figure, quiet, showBus, some } from './cells.ts';
import { showStandbys, standbyTable } from './standbys.ts';
import { clock, duration, pairs, paragraphs, table, type Value } from './table.ts';

export interface OverviewAnswer {
  site: string;
  process: string;
  standbys: StandbyView[];
  version: string;
  partitions: string[];
  shards: number;
  shardRestarts: number;
  shardStartOvers: number;
  quarantined: number;
  quarantineLost: number;
  admission: AdmissionState;
  upMs: number;
}

export const showOverview = (answer: OverviewAnswer): string =>
  pairs([
    ['site', { text: answer.site, paint: bold }],
    ['partitions', answer.partitions.join(', ') || 'none yet'],
    ['process', `${answer.process}, active for ${duration(answer.upMs)}`],
    ['standbys', showStandbys(answer.standbys)],
    ['version', answer.version],
    ['shards', `${answer.shards}, restarts: ${answer.shardRestarts}, started over: ${answer.shardStartOvers}`],
    ['quarantine', showQuarantined(answer)],
    ['requests', showAdmission(answer.admission)],
  ]);

function showQuarantined({ quarantined, quarantineLost }: OverviewAnswer): Value {
  if (quarantineLost === 0) return figure(quarantined, red);
  return { text: `${quarantined}; ${quarantineLost} were pushed out by newer ones`, paint: red };
}

function showAdmission({ limit, inFlight, refused, delayMs }: AdmissionState): Value {
  const all = refused.limit + refused.share + refused.overloaded;
  const text = `${inFlight} under way, ${limit} may be, answers ${duration(delayMs)} later than at best; refused: `;
  return all === 0
    ? `${text}none`
    : {
        text: `${text}${refused.limit} for all, ${refused.share} for an identity's share, ${refused.overloaded} by who is overloaded`,
        paint: yellow,
      };
}

export interface LeasesAnswer {
  process: string;
  standbys: StandbyView[];
  leases: LeaseView[];
  epochs: Array<{ scope: string; shard: number; epoch: number }>;
}

export const showLeases = ({ process, standbys, leases, epochs }: LeasesAnswer): string =>
  paragraphs(
    table(
      [
        { name: 'SITE' },
        { name: 'HELD BY' },
        { name: 'HOST' },
        { name: 'PID', right: true },
        { name: 'ENDS IN', right: true },
      ],
      leases.map((lease): Value[] => [
        lease.site,
        lease.process === process ? `${lease.process} (this one)` : { text: lease.process, paint: yellow },
        lease.host,
        lease.pid,
        lease.remainingMs < 0 ? { text: 'ran out', paint: red } : duration(lease.remainingMs),
      ]),
      'nobody holds the lease',
    ),
    standbyTable(standbys),
    table(
      [{ name: 'SCOPE' }, { name: 'SHARD', right: true }, { name: 'EPOCH', right: true }],
      epochs.map(({ scope, shard, epoch }) => [scope, shard, epoch]),
    ),
  );

export interface LogAnswer {
  streams: StreamView[];
  cursors: CursorView[];
  bus: ReturnType<Bus['state']>;
}

export const showLog = ({ streams, cursors, bus }: LogAnswer): string =>
  paragraphs(
    table(
      [
        { name: 'STREAM' },
        { name: 'SHARD', right: true },
        { name: 'EPOCH', right: true },
        { name: 'LAST', right: true },
        { name: 'WRITTEN' },
        { name: '' },
      ],
      streams.map((stream): Value[] => [
        stream.scope,
        stream.shard,
        stream.epoch,
        stream.last,
        clock(stream.lastAtMs),
        stream.ended ? quiet('ended') : '',
      ]),
    ),
    table(
      [
        { name: 'READER' },
        { name: 'STREAM' },
        { name: 'SHARD', right: true },
        { name: 'EPOCH', right: true },
        { name: 'AT', right: true },
        { name: 'BEHIND', right: true },
      ],
      cursors.map((cursor): Value[] => [
        cursor.consumer,
        cursor.scope,
        cursor.shard,
        cursor.epoch,
        cursor.n,
        cursor.behind === null ? quiet('older epoch') : some(cursor.behind),
      ]),
      'no reader has saved how far it got',
    ),
    pairs([['bus', showBus(bus)]]),
  );

export interface LinksAnswer {
  links: ReturnType<Federation['status']>;
}

export const showLinks = ({ links }: LinksAnswer): string =>
  table(
    [
      { name: 'SITE' },
      { name: 'STATE' },
      { name: 'PARTITIONS' },
      { name: 'ROUND TRIP', right: true },
      { name: 'CLOCK AHEAD', right: true },
      { name: 'LAST FAILURE' },
    ],
    links.map((link): Value[] => [
      link.site,
      link.up ? { text: 'up', paint: green } : { text: 'not reached', paint: red },
      link.partitions.join(', '),
      duration(link.roundTripMs),
      duration(link.driftMs),
      link.up ? quiet(link.lastFailure ?? '') : (link.lastFailure ?? ''),
    ]),
    'no other site: this one is alone in its federation',
  );

export function showBlocks({ open, networks }: BlocksView): string {
  const parts = networks.map((network) => {
    const holders = new Map<string, { blocks: number; sent: number }>();
    for (const { holder, state } of network.ledger) {
      const entry = holders.get(holder) ?? { blocks: 0, sent: 0 };
      entry.blocks++;
      if (state === 'sent') entry.sent++;
      holders.set(holder, entry);
    }
    return paragraphs(
      pairs([
        ['network', { text: network.network, paint: bold }],
        ['prefixes', network.prefixes.join(', ')],
        ['home', network.isHome ? `${network.home} (this site)` : network.home],
      ]),
      network.isHome
        ? table(
            [{ name: 'GIVEN TO' }, { name: 'BLOCKS', right: true }, { name: 'ON THEIR WAY', right: true }],
            [...holders].map(([holder, { blocks, sent }]): Value[] => [holder, blocks, some(sent)]),
            'no block is given away',
          )
        : '',
      table(
        [{ name: 'HELD HERE' }, { name: 'BLOCK' }, { name: 'STATE' }],
        network.holdings.map((one): Value[] => [
          one.partition,
          `${one.first}/${one.length}`,
          one.state === 'held' ? one.state : { text: one.state, paint: yellow },
        ]),
        'no block of it is held here',
      ),
      pairs(Object.entries(network.used).map(([partition, used]) => [`addresses in use in ${partition}`, used])),
      network.wants.length === 0
        ? ''
        : table(
            [{ name: 'WANTED BY' }, { name: 'WHAT' }, { name: 'DENIED' }],
            network.wants.map((want): Value[] => [
              want.partition,
              want.address ?? `${want.count} blocks ${want.family}`,
              want.denied === null ? '' : { text: `${want.denied.reason}: ${want.denied.detail}`, paint: yellow },
            ]),
          ),
    );
  });
  return paragraphs(
    parts.length === 0 ? dim('no global network') : parts.join('\n\n'),
    pairs([['hand-overs open', figure(open, yellow)]]),
  );
}

const isMissing = ({ unread }: ConflictsView): boolean => unread.length > 0;

export const showConflicts = (view: ConflictsView): string =>
  paragraphs(
    table(
      [
        { name: 'KIND' },
        { name: 'ID' },
        { name: 'IN FORCE FROM' },
        { name: 'LOST, FROM' },
        { name: 'CREATED THERE' },
        { name: 'SEEN HERE' },
      ],
      view.conflicts.map((one): Value[] => [
        one.kind,
        one.id,
        one.isDeleted ? quiet(`${one.winner}, deleted since`) : one.winner,
        one.loser,
        clock(one.createdAtMs),
        clock(one.seenAtMs),
      ]),
      isMissing(view) ? 'no id is known to have been created at two sites' : 'no id was created at two sites',
    ),
    isMissing(view)
      ? table(
          [{ name: 'COULD NOT BE READ' }, { name: 'WHY' }],
          view.unread.map(({ key, reason }): Value[] => [{ text: key, paint: red }, reason]),
        )
      : '',
  );
