// Everything that is about time and not about one message: deadlines of waiting mail, passivation, how late the shard runs.
import type { World } from '../../ports.ts';
import { unavailable } from '../../refusal.ts';
import { waitText, type Cell } from '../cell.ts';
import type { Observation } from '../observation.ts';
import { leaving } from '../residency.ts';
import type { Gate } from './gate.ts';
import type { Holdings } from './holdings.ts';
import type { ShardLimits } from './limits.ts';

export const WHEEL_MS = 100;
/** Looking at every actor costs milliseconds, so idle ones are looked for only so often while there is room. */
const TICKS_A_SWEEP = 10;

export interface WheelOptions {
  world: World;
  holdings: Holdings;
  observation: Observation;
  gate: Gate;
  limits: ShardLimits;
}

/** Turns until the shard has stopped. */
export function startWheel({ world, holdings, observation, gate, limits }: WheelOptions): void {
  const { cells, waiting } = holdings;
  let ticks = 0;

  function tick(dueMs: number): void {
    if (holdings.phase === 'stopped') return;
    const now = world.monotonicMs();
    observation.late(Math.max(0, now - dueMs));
    for (const cell of waiting) {
      expire(cell, now);
      if (cell.waiting.length === 0) waiting.delete(cell);
    }
    let parked = 0;
    for (const cell of waiting) parked += cell.waiting.length;
    gate.tick(parked);
    if (++ticks % TICKS_A_SWEEP === 0 || cells.size > limits.resident) passivate(now);
    world.after(WHEEL_MS, () => tick(now + WHEEL_MS));
  }

  function passivate(now: number): void {
    for (const name of leaving(cells, now, limits)) {
      observation.forget(cells.get(name) as Cell);
      cells.delete(name);
    }
  }

  function expire(cell: Cell, now: number): void {
    const late = cell.waiting.filter((mail) => mail.deadlineMs <= now);
    if (late.length === 0) return;
    cell.waiting = cell.waiting.filter((mail) => mail.deadlineMs > now);
    for (const mail of late) mail.respond(unavailable(waitText.get(mail) ?? `${mail.name} waited until its deadline`));
  }

  tick(world.monotonicMs());
}
