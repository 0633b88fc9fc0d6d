// Where a text stops being JSON, and what would be right there. The platform's own message quotes what stands around that
// place, which may be a password, and answers are kept in the audit trail.

// eslint-disable-next-line no-control-regex -- control characters are what a text may not contain
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const SCALAR = /(?:-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null)/y;
const BLANKS = /[ \t\n\r]*/y;

const EXPECTED = {
  value: 'a value',
  firstValue: 'a value or "]"',
  key: 'a key in double quotes',
  firstKey: 'a key in double quotes or "}"',
  colon: '":"',
  afterValue: '"," or "]"',
  afterField: '"," or "}"',
  end: 'nothing more',
} as const;
type Expected = keyof typeof EXPECTED;

/** Characters of a match of the sticky pattern at that place; 0: there is none. */
function lengthAt(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0].length ?? 0;
}

/** The first place that no JSON text goes on from, and what could stand there; undefined: it is JSON. */
export function faultOf(text: string): { at: number; expected: string } | undefined {
  const open: Array<'{' | '['> = [];
  let expected: Expected = 'value';
  const afterOne = (): Expected => {
    const inside = open.at(-1);
    if (inside === undefined) return 'end';
    return inside === '{' ? 'afterField' : 'afterValue';
  };
  for (let at = 0; ;) {
    at += lengthAt(BLANKS, text, at);
    const char = text[at];
    if (char === undefined && expected === 'end') return undefined;
    let length = 1;
    let next: Expected | undefined;
    if (expected === 'colon') next = char === ':' ? 'value' : undefined;
    else if (expected === 'key' || expected === 'firstKey') {
      length = lengthAt(STRING, text, at);
      if (length > 0) next = 'colon';
    } else if (expected === 'value' || expected === 'firstValue') {
      if (char === '{' || char === '[') {
        open.push(char);
        next = char === '{' ? 'firstKey' : 'firstValue';
      } else {
        length = lengthAt(char === '"' ? STRING : SCALAR, text, at);
        if (length > 0) next = afterOne();
      }
    } else if (char === ',') {
      if (expected === 'afterField') next = 'key';
      if (expected === 'afterValue') next = 'value';
    }
    const closing = open.at(-1) === '{' ? '}' : ']';
    const mayClose = expected.startsWith('first') || expected.startsWith('after');
    if (next === undefined && mayClose && char === closing) {
      open.pop();
      length = 1;
      next = afterOne();
    }
    if (next === undefined) return { at, expected: EXPECTED[expected] };
    expected = next;
    at += length;
  }
}

/** Why a text is no JSON, in words that hold nothing of it. */
export function faultText(text: string): string {
  const fault = faultOf(text);
  if (fault === undefined) return 'unknown reason';
  const { at, expected } = fault;
  if (at === text.length) return `it ends too soon, expected ${expected}`;
  const lineStart = text.lastIndexOf('\n', at - 1) + 1;
  const line = text.slice(0, lineStart).split('\n').length;
  return `expected ${expected} at line ${line} column ${at - lineStart + 1}`;
}
