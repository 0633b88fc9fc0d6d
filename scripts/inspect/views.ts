// What each view looks like on a terminal: pure, from the answer of one site to text.
import type { ActorInspection, ShardInspection } from '../../actors/runtime/inspection.ts';
import type { ShardPresence } from '../../actors/runtime/host/presence.ts';
import type { AdmissionState } from '../../http/admission.ts';
import type { Bus } from '../../http/agents/bus.ts';
import type { Federation } from '../../router/federation/federation.ts';
import type { CursorView, LeaseView, StreamView } from '../../storage/inspection.ts';
import type { ActorTree } from '../site/inspect/actors.ts';
import type { BlocksView } from '../site/inspect/blocks.ts';
import type { ConflictsView } from '../site/inspect/conflicts.ts';
import type { StandbyView } from '../site/standbys.ts';
import { bold, dim, green, red, yellow } from '../start/screen.ts';
import { showStandbys, standbyTable } from './standbys.ts';
import { clock, duration, pairs, paragraphs, table, type Cell, type Value } from './table.ts';

const trouble = (value: number): Cell =>
  value === 0 ? { text: '·', paint: dim } : { text: String(value), paint: red };
const some = (value: number): Cell =>
  value === 0 ? { text: '·', paint: dim } : { text: String(value), paint: yellow };
/** Outside of a table a dot would say nothing. */
const figure = (value: number, paint: (text: string) => string): Cell =>
  value === 0 ? { text: 'none', paint: dim } : { text: String(value), paint };
const quiet = (text: string): Cell => ({ text, paint: dim });
const outcome = (text: string): Cell =>
  text === 'ok' || text === 'reserved' ? quiet(text) : { text, paint: text === 'open' ? yellow : red };

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

export function showActors(tree: ActorTree): string {
  const columns = [
    { name: 'ACTOR' },
    { name: 'STATUS' },
    { name: 'INBOX', right: true },
    { name: 'WAITING', right: true },
    { name: 'HELD', right: true },
    { name: 'CRASHES', right: true },
    { name: 'TURNS', right: true },
    { name: 'LAST TURN', right: true },
    { name: 'P99', right: true },
    { name: 'IDLE', right: true },
    { name: 'LAST MESSAGE' },
  ];
  const rows: Value[][] = [];
  for (const { scope, kinds } of tree.scopes) {
    rows.push([{ text: scope, paint: bold }]);
    for (const kind of kinds) {
      rows.push([
        `  ${kind.kind} (${kind.resident})`,
        quiet(kind.busy === 0 ? '' : `${kind.busy} busy`),
        some(kind.inbox),
        some(kind.waiting),
        some(kind.held),
        trouble(kind.crashes),
      ]);
      for (const actor of kind.actors) {
        const { last, turnMs } = actor;
        rows.push([
          `    ${actor.id}`,
          actor.status === 'idle' ? quiet('idle') : { text: actor.status, paint: yellow },
          some(actor.inbox),
          some(actor.waiting),
          some(actor.held),
          trouble(actor.crashes),
          actor.turns,
          duration(turnMs?.last ?? null),
          duration(turnMs?.p99 ?? null),
          duration(actor.idleMs),
          quiet(last === null ? '' : `${last.name} by ${last.who}${last.outcome === 'ok' ? '' : `: ${last.outcome}`}`),
        ]);
      }
      if (kind.actors.length < kind.resident) rows.push([quiet(`    … ${kind.resident - kind.actors.length} more`)]);
    }
  }
  return paragraphs(
    table(columns, rows, 'no actor is in memory that fits'),
    tree.missing.map(({ shard, reason }) => red(`shard ${shard} does not answer: ${reason}`)).join('\n'),
  );
}

export function showActor(actor: ActorInspection & { shard: number }): string {
  const { turnMs } = actor;
  const turns =
    turnMs === null
      ? ''
      : `, last ${duration(turnMs.last)}, p50 ${duration(turnMs.p50)}, p99 ${duration(turnMs.p99)} of ${turnMs.count}`;
  return paragraphs(
    pairs([
      ['actor', { text: `${actor.scope}/${actor.kind}/${actor.id}`, paint: bold }],
      ['shard', actor.shard],
      ['status', `${actor.status}, last turn ${duration(actor.idleMs)} ago`],
      ['turns', `${actor.turns}${turns}`],
      ['mailbox', `${actor.inbox} not looked at, ${actor.waiting} waiting, ${actor.held} reservations held`],
      ['crashes', figure(actor.crashes, red)],
      ...actor.waitsFor.map((text): [string, Value] => ['waits for', { text, paint: yellow }]),
      ...actor.holds.map((text): [string, Value] => ['held by', text]),
    ]),
    table(
      [{ name: 'AT' }, { name: 'MESSAGE' }, { name: 'WHO' }, { name: 'TOOK', right: true }, { name: 'OUTCOME' }],
      actor.messages.map((one) => [clock(one.atMs), one.name, one.who, duration(one.ms), outcome(one.outcome)]),
      'its last messages are not kept any more',
    ),
    `${dim('state')}\n${JSON.stringify(actor.state, null, 2)}`,
  );
}

export interface ShardsAnswer {
  restarts: number;
  presences: ShardPresence[];
  shards: Array<
    | { shard: number; state: 'not answering'; reason: string }
    | (Omit<ShardInspection, 'cells' | 'kinds'> & { resident: number; busy: number })
  >;
  blocks: { open: number };
  bus: ReturnType<Bus['state']>;
}

export function showShards({ restarts, presences, shards, blocks, bus }: ShardsAnswer): string {
  const rows = shards.map((one): Value[] => {
    if ('reason' in one) return [one.shard, { text: one.reason, paint: red }];
    const { groups } = one;
    const each = groups.sent === 0 ? '' : (groups.operations / groups.sent).toFixed(1);
    return [
      one.shard,
      one.state === 'serving' ? { text: one.state, paint: green } : { text: one.state, paint: yellow },
      one.resident,
      one.busy,
      one.coordinations,
      some(one.depth),
      groups.sent,
      each,
      duration(groups.sent === 0 ? null : groups.totalMs / groups.sent),
      trouble(groups.refused),
      trouble(groups.unknown),
      duration(one.loopDelayMs?.p99 ?? null),
    ];
  });
  const fences = shards.flatMap((one) =>
    'reason' in one ? [] : one.fences.map(({ scope, shard, epoch }): Value[] => [scope, shard, epoch]),
  );
  return paragraphs(
    table(
      [
        { name: 'SHARD', right: true },
        { name: 'STATE' },
        { name: 'ACTORS', right: true },
        { name: 'BUSY', right: true },
        { name: 'COORDINATIONS', right: true },
        { name: 'QUEUE', right: true },
        { name: 'GROUPS', right: true },
        { name: 'OPERATIONS EACH', right: true },
        { name: 'COMMIT', right: true },
        { name: 'REFUSED', right: true },
        { name: 'UNKNOWN', right: true },
        { name: 'LOOP DELAY', right: true },
      ],
      rows,
    ),
    table([{ name: 'OWNS' }, { name: 'SHARD', right: true }, { name: 'EPOCH', right: true }], fences),
    pairs([
      ['shard restarts', figure(restarts, red)],
      ['shards started over', showStartOvers(presences)],
      ['block hand-overs open', figure(blocks.open, yellow)],
      ['bus', showBus(bus)],
    ]),
  );
}

/** On their threads: no restart counts them. */
function showStartOvers(presences: readonly ShardPresence[]): Cell {
  const over = presences.filter(({ startOvers }) => startOvers > 0);
  if (over.length === 0) return figure(0, red);
  const text = over.map(
    ({ shard, startOvers, lately }) =>
      `shard ${shard}: ${startOvers}${lately === 0 ? '' : `, ${lately} of them in the last minute`}`,
  );
  return { text: text.join('; '), paint: over.some(({ lately }) => lately > 0) ? red : yellow };
}

const showBus = ({ nsqd, waiting, held, isCatchingUp }: ReturnType<Bus['state']>): string =>
  `${nsqd === 'none' ? 'in this process' : `nsqd ${nsqd}`}, ${waiting} messages waiting, ${held} held back${isCatchingUp ? ', catching up' : ''}`;

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
