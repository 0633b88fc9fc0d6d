// A port in use is often free a moment later: a predecessor is about to let go of it, or the system gave it to a connection
// that went out from this machine.
import type { World } from '../../actors/ports.ts';
import { isPortInUse } from './start-problem.ts';

const PATIENCE_MS = 3_000;
const LOOK_MS = 100;

/** What `listen` opens; its error once the port has been in use for three seconds. */
export async function whenFree<T>(
  world: Pick<World, 'after' | 'monotonicMs'>,
  listen: () => Promise<T>,
  patienceMs = PATIENCE_MS,
): Promise<T> {
  for (const deadline = world.monotonicMs() + patienceMs; ;) {
    try {
      return await listen();
    } catch (error) {
      if (!isPortInUse(error) || world.monotonicMs() >= deadline) throw error;
      await new Promise<void>((resolve) => void world.after(LOOK_MS, resolve));
    }
  }
}
