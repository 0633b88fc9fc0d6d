// Characters that JSON can say and no database keeps: U+0000, and half of a surrogate pair. One of them in a group of
// changes would have all of it refused, again and again.
import { pathText } from './schema-problems.ts';

/** Only an escape can say them: as bytes the parser refuses the one, the decoder the other. */
const ESCAPED = /\\u(?:0000|d[89a-f])/i;
// eslint-disable-next-line no-control-regex -- it is what is looked for
const UNSTORABLE = /\u0000|\p{Surrogate}/u;

const sentence = (field: string, text: string): string | undefined => {
  const found = UNSTORABLE.exec(text)?.[0];
  if (found === undefined) return undefined;
  return found === '\u0000'
    ? `${field}: the character U+0000 can't be kept, leave it out`
    : `${field}: half of a surrogate pair (U+${found.charCodeAt(0).toString(16).toUpperCase()}) is no character`;
};

/** Bodies nest 32 levels at most (body.ts). */
function search(json: unknown, path: readonly PropertyKey[]): string | undefined {
  if (typeof json === 'string') return sentence(pathText(path) || 'the request body', json);
  if (typeof json !== 'object' || json === null) return undefined;
  for (const [key, value] of Object.entries(json)) {
    const inside = pathText(path);
    const at = [...path, Array.isArray(json) ? Number(key) : key];
    const problem = sentence(inside === '' ? 'a key' : `a key of ${inside}`, key) ?? search(value, at);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** Why a JSON value can't be kept; undefined: it can. */
export const unstorable = (json: unknown): string | undefined => search(json, []);

/** The same, without a look at the value where the text that says it has none of these: as good as always. */
export const unstorableIn = (text: string, json: unknown): string | undefined =>
  ESCAPED.test(text) ? unstorable(json) : undefined;
