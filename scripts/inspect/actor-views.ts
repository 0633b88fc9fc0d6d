// What the actors of a site and the threads they live on look like on a terminal.
import type { ActorInspection, ShardInspection } from '../../actors/runtime/inspection.ts';
import type { ShardPresence } from '../../actors/runtime/host/presence.ts';
import type { Bus } from '../../http/agents/bus.ts';
import type { ActorTree } from '../site/inspect/actors.ts';
import { bold, dim, green, red, yellow } from '../start/screen.ts';
import { figure, outcome, quiet, showBus, some, trouble } from './cells.ts';
import { clock, duration, pairs, paragraphs, table, type Cell, type Value } from './table.ts';

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
