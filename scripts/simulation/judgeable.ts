// What of a history can be held against a federation that lost some of what it had acknowledged (reliability.md F24).
import type { Operation } from '../process/history.ts';

/**
 * Nothing about things that a backup lost, nor about what was taken or given with them. Who was told of a machine before the
 * backup may free it when it is somebody else's, with the addresses of that one.
 */
export function judgeable(operations: readonly Operation[], lost: ReadonlySet<string>): Operation[] {
  const touching = new Set(operations.filter(({ key }) => lost.has(key)).map(({ id }) => id));
  const gone = new Set(operations.filter(({ id }) => touching.has(id)).map(({ key }) => key));
  return operations.filter(({ key }) => !gone.has(key));
}
