// Everything that is about time and not about one message: deadlines of mail that lies, passivation, how late the shard runs.
import type { World } from '../../ports.ts';
import { waitText, type Mail } from '../cell.ts';
import type { Committer } from '../committer.ts';
import type { Neighbours } from '../neighbours.ts';
import type { Observation } from '../observation.ts';
import { leaving } from '../residency.ts';
import { inTime } from './deadlines.ts';
import type { Gate } from './gate.ts';
import type { Holdings } from './holdings.ts';
import type { ShardLimits } from './limits.ts';

export const WHEEL_MS = 100;
/** Looking at every actor costs milliseconds, so idle ones are looked for only so often while there is room. */
const TICKS_A_SWEEP = 10;

const notAgain = ({ name }: Mail): string =>
  `${name}: the deadline passed before it could be decided again; nothing was changed`;
const uncertain = ({ name }: Mail): string =>
  `${name}: the deadline passed before it was known whether what it saw is written; nothing was changed`;

export interface WheelOptions {
  world: World;
  holdings: Holdings;
  committer: Pick<Committer, 'giveUp'>;
  neighbours: Neighbours;
  observation: Observation;
  gate: Gate;
  limits: ShardLimits;
}

/** Turns until the shard has stopped. */
export function startWheel({ world, holdings, committer, neighbours, observation, gate, limits }: WheelOptions): void {
  const { cells, waiting, behind, fetching, followed } = holdings;
  let ticks = 0;

  function tick(dueMs: number): void {
    if (holdings.phase === 'stopped') return;
    const now = world.monotonicMs();
    observation.late(Math.max(0, now - dueMs));
    for (const cell of waiting) {
      cell.waiting = inTime(
        cell.waiting,
        now,
        (mail) => waitText.get(mail) ?? `${mail.name} waited until its deadline`,
      );
      if (cell.waiting.length === 0) waiting.delete(cell);
    }
    for (const cell of behind) {
      cell.inbox = inTime(cell.inbox, now);
      cell.again = inTime(cell.again, now, notAgain);
      if (cell.inbox.length === 0 && cell.again.length === 0) behind.delete(cell);
    }
    for (const one of fetching) one.batch = inTime(one.batch, now);
    // What they wait for may have a later deadline than they, and a database that is away takes it no sooner.
    for (const turn of followed) {
      turn.followers = turn.followers.filter(({ mail }) => inTime([mail], now, uncertain).length > 0);
      if (turn.followers.length === 0) followed.delete(turn);
    }
    committer.giveUp();
    neighbours.giveUp(now);
    let parked = 0;
    for (const cell of waiting) parked += cell.waiting.length;
    gate.tick(parked);
    if (++ticks % TICKS_A_SWEEP === 0 || cells.size > limits.resident) passivate(now);
    world.after(WHEEL_MS, () => tick(now + WHEEL_MS));
  }

  function passivate(now: number): void {
    for (const cell of leaving(cells, now, limits)) {
      observation.forget(cell);
      cells.remove(cell.address);
    }
  }

  tick(world.monotonicMs());
}
