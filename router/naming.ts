// Which ids a caller may choose: those that a path can name, else what is created can be neither read nor deleted.
import { invalid, type Refusal } from '../actors/refusal.ts';
import { matchOperation } from './locate.ts';
import { refusePath } from './path.ts';

/** As long as ids are in what sites ask each other (blocks-messages.ts); a key of metal-api's RethinkDB has 127 at most. */
const LONGEST_ID = 128;

/** Whether nobody but the entity itself answers below its collection: `/v1/size/reservations` is no size. */
const isOwn = (path: string, id: string): boolean =>
  ['GET', 'DELETE'].every((method) => {
    const match = matchOperation(method, path);
    return match === undefined || match.params.get('id') === id;
  });

const encoded = (id: string): string | undefined => {
  try {
    return encodeURIComponent(id);
  } catch {
    return undefined;
  }
};

function why(collection: string, id: string): string | undefined {
  if (id.length > LONGEST_ID) return `it has ${id.length} characters, at most ${LONGEST_ID} are possible`;
  const segment = encoded(id);
  if (segment === undefined) return 'it is not Unicode';
  const path = `${collection}/${segment}`;
  return refusePath(path) ?? (isOwn(path, id) ? undefined : `${path} is something else`);
}

/**
 * Refuses an id that no path below the collection (`/v1/network`) can name. An empty one is left to the rules of the kind:
 * some generate one.
 */
export function refuseId(collection: string, id: string | undefined): Refusal | undefined {
  if (id === undefined || id === '') return undefined;
  const reason = why(collection, id);
  return reason === undefined
    ? undefined
    : invalid(`id ${JSON.stringify(id.slice(0, LONGEST_ID))} is not possible, no path can name it: ${reason}`);
}
