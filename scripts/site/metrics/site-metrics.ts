// The metrics of a site: the same figures as the inspection, named hanse_….
import { COMMIT_TIMES_MS, GROUP_SIZES } from '../../../actors/runtime/committer/figures.ts';
import { TURN_TIMES_MS } from '../../../actors/runtime/turn-figures.ts';
import type { Figures } from './figures.ts';
import { histogramOf, type Sample, type Sampled } from './sampled.ts';

type Look = () => Promise<Figures>;
type Labels = Record<string, string>;

const HEALTH = { healthy: 1, degraded: 0.75, 'partial-outage': 0.5, unhealthy: 0 } as const;

export function siteMetrics(look: Look): Sampled[] {
  const metric =
    (type: Sampled['type']) =>
    (name: string, help: string, samples: (figures: Figures) => Sample[]): Sampled => ({
      name: `hanse_${name}`,
      help,
      type,
      samples: async () => samples(await look()),
    });
  const [gauge, counter, histogram] = [metric('gauge'), metric('counter'), metric('histogram')];
  /** One value for each thing; null: it is not known and is left out. */
  const each = <T>(things: readonly T[], labels: (thing: T) => Labels, value: (thing: T) => number | null): Sample[] =>
    things.flatMap((thing) => {
      const known = value(thing);
      return known === null ? [] : [{ labels: labels(thing), value: known }];
    });
  const one = (value: number): Sample[] => [{ labels: {}, value }];

  const ofShard = ({ shard }: { shard: number }): Labels => ({ shard: String(shard) });
  const ofKind = ({ scope, kind }: { scope: string; kind: string }): Labels => ({ scope, kind });
  const ofStream = ({ scope, shard }: { scope: string; shard: number }): Labels => ({ scope, shard: String(shard) });
  const ofSite = ({ site }: { site: string }): Labels => ({ peer: site });
  const seconds = (ms: number | null): number | null => (ms === null ? null : ms / 1_000);

  return [
    gauge('actors', 'Actors in memory.', ({ kinds }) => each(kinds, ofKind, ({ resident }) => resident)),
    gauge('actors_busy', 'Actors that are in a turn, loading, or have messages.', ({ kinds }) =>
      each(kinds, ofKind, ({ busy }) => busy),
    ),
    gauge('mailbox_messages', 'Messages in mailboxes that were not looked at yet.', ({ kinds }) =>
      each(kinds, ofKind, ({ inbox }) => inbox),
    ),
    gauge('messages_waiting', 'Messages that wait for a change of their actor.', ({ kinds }) =>
      each(kinds, ofKind, ({ waiting }) => waiting),
    ),
    gauge('reservations_held', 'Reservations that no operation has ended yet.', ({ kinds }) =>
      each(kinds, ofKind, ({ held }) => held),
    ),
    gauge('actor_crashes', 'Crashes of the actors that are in memory.', ({ kinds }) =>
      each(kinds, ofKind, ({ crashes }) => crashes),
    ),
    histogram('turn_seconds', 'Time of a turn from its first message to its answers, commit included.', ({ turns }) =>
      turns.flatMap(({ kind, timesMs, totalMs }) =>
        histogramOf(
          TURN_TIMES_MS.map((ms) => ms / 1_000),
          timesMs,
          totalMs / 1_000,
          { kind },
        ),
      ),
    ),
    gauge('quarantined', 'Messages that were set aside because they bring their actor or its thread down.', (figures) =>
      one(figures.quarantined),
    ),
    counter(
      'quarantine_lost_total',
      'Messages that newer ones pushed out of the quarantine: they are let in again.',
      ({ quarantineLost }) => one(quarantineLost),
    ),

    gauge('admission_limit', 'Requests that may be under way at a time; it follows the delay.', ({ admission }) =>
      one(admission.limit),
    ),
    gauge('admission_in_flight', 'Requests that are under way.', ({ admission }) => one(admission.inFlight)),
    counter(
      'admission_refused_total',
      'Requests that were refused for overload: limit, there are too many (503); share, of one identity (429); overloaded, a shard, an actor, a link or who reads bodies has too much to do (503).',
      ({ admission }) =>
        each(
          Object.entries(admission.refused),
          ([reason]) => ({ reason }),
          ([, count]) => count,
        ),
    ),
    gauge(
      'admission_delay_seconds',
      'How much later than the best of their operation the last answers were.',
      ({ admission }) => one(admission.delayMs / 1_000),
    ),

    gauge('shard_up', 'Shards that answer: 1.', ({ shards }) => each(shards, ofShard, () => 1)),
    counter(
      'shard_restarts_total',
      'Threads of shards that were started again since the process began.',
      ({ restarts }) => one(restarts),
    ),
    counter(
      'shard_start_overs_total',
      'Times that a shard raised its epoch and loaded anew on its thread, since a commit stayed in doubt.',
      ({ presences }) => each(presences, ofShard, ({ startOvers }) => startOvers),
    ),
    gauge('shard_loop_delay_seconds', 'How late the shard’s clock ticks: 99 % of the last 128.', ({ shards }) =>
      each(shards, ofShard, ({ loopDelayMs }) => seconds(loopDelayMs?.p99 ?? null)),
    ),
    gauge('coordinations', 'Operations over several actors that are under way.', ({ shards }) =>
      each(shards, ofShard, ({ coordinations }) => coordinations),
    ),
    gauge('commit_queue', 'Operations that wait for the group in flight.', ({ shards }) =>
      each(shards, ofShard, ({ depth }) => depth),
    ),
    counter('commit_groups_total', 'Groups sent to the database.', ({ shards }) =>
      each(shards, ofShard, ({ groups }) => groups.sent),
    ),
    counter('commit_groups_refused_total', 'Groups that the database refused: a memory was wrong.', ({ shards }) =>
      each(shards, ofShard, ({ groups }) => groups.refused),
    ),
    counter('commit_groups_unknown_total', 'Groups whose answer was lost.', ({ shards }) =>
      each(shards, ofShard, ({ groups }) => groups.unknown),
    ),
    histogram('commit_group_operations', 'Operations in a group.', ({ shards }) =>
      shards.flatMap((shard) => histogramOf(GROUP_SIZES, shard.groups.sizes, shard.groups.operations, ofShard(shard))),
    ),
    histogram('commit_duration_seconds', 'Time of a group from its sending to its answer.', ({ shards }) =>
      shards.flatMap((shard) =>
        histogramOf(
          COMMIT_TIMES_MS.map((ms) => ms / 1_000),
          shard.groups.timesMs,
          shard.groups.totalMs / 1_000,
          ofShard(shard),
        ),
      ),
    ),

    gauge('epoch', 'Epoch of the shard’s ownership.', ({ streams }) =>
      each(
        streams.filter(({ ended }) => !ended),
        ofStream,
        ({ epoch }) => epoch,
      ),
    ),
    gauge('log_last', 'Number of the last log entry of the epoch.', ({ streams }) =>
      each(
        streams.filter(({ ended }) => !ended),
        ofStream,
        ({ last }) => last,
      ),
    ),
    gauge('log_behind', 'Log entries that a reader has not passed.', ({ cursors }) =>
      each(
        cursors,
        (cursor) => ({ consumer: cursor.consumer, ...ofStream(cursor) }),
        ({ behind }) => behind,
      ),
    ),

    gauge('standbys', 'Other processes of the site that can be reached: who would take over.', ({ standbys }) =>
      one(standbys),
    ),
    gauge('link_up', 'Whether the link to the other site is up.', ({ links }) =>
      each(links, ofSite, ({ up }) => Number(up)),
    ),
    gauge('link_round_trip_seconds', 'Last round trip of the link’s heartbeat.', ({ links }) =>
      each(links, ofSite, ({ roundTripMs }) => seconds(roundTripMs)),
    ),
    gauge('link_clock_ahead_seconds', 'How far the other site’s wall clock is ahead of ours.', ({ links }) =>
      each(links, ofSite, ({ driftMs }) => seconds(driftMs)),
    ),

    gauge('block_work', 'Pieces of work of the hand-over of blocks that are not done yet.', ({ blocks }) =>
      one(blocks.open),
    ),
    gauge('blocks_given', 'Blocks of a global network that are at home here, by holder.', ({ blocks }) =>
      blocks.networks
        .filter(({ isHome }) => isHome)
        .flatMap(({ network, ledger }) => {
          const holders = new Map<string, number>();
          for (const { holder } of ledger) holders.set(holder, (holders.get(holder) ?? 0) + 1);
          return each(
            [...holders],
            ([holder]) => ({ network, holder }),
            ([, count]) => count,
          );
        }),
    ),
    gauge('blocks_closed', 'Blocks that give nothing out since a backup was restored.', ({ blocks }) =>
      blocks.networks.flatMap(({ network, holdings }) => {
        const closed = holdings.filter(({ state }) => state === 'doubtful').length;
        return closed === 0 ? [] : [{ labels: { network }, value: closed }];
      }),
    ),
    gauge('addresses_used', 'Addresses of global networks that are in use in a partition.', ({ blocks }) =>
      blocks.networks.flatMap(({ network, used }) =>
        each(
          Object.entries(used),
          ([partition]) => ({ network, partition }),
          ([, count]) => count,
        ),
      ),
    ),

    gauge(
      'cut_off_hours_left',
      'Hours until a partition has no free address of a family of a global network left when it is cut off; absent: it does not fill.',
      ({ blocks }) =>
        blocks.networks.flatMap(({ network, hoursLeft }) =>
          Object.entries(hoursLeft).flatMap(([partition, families]) =>
            Object.entries(families).flatMap(([family, value]): Sample[] =>
              value === null ? [] : [{ labels: { network, partition, family }, value }],
            ),
          ),
        ),
    ),

    gauge('bus_waiting', 'Bus messages that wait to be published.', ({ bus }) => one(bus.waiting)),
    gauge('bus_connected', 'Whether nsqd can be reached; without one the bus is always up.', ({ bus }) =>
      one(Number(bus.nsqd !== 'disconnected')),
    ),
    gauge('health', 'healthy 1, degraded 0.75, partial outage 0.5, unhealthy 0.', ({ health }) =>
      each(
        Object.entries(health?.services ?? {}),
        ([service]) => ({ service }),
        ([, { status }]) => HEALTH[status],
      ),
    ),
  ];
}
