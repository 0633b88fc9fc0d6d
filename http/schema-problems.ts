// What a request body is told that does not have its declared form, in words of JSON and of this API, not of the library that
// checks it. A schema says an example and its range by its metadata, as it does in the OpenAPI document.
import { z } from 'zod';

type RawIssue = z.core.$ZodRawIssue;
/** Their fields, which the library's type hides behind any others. */
type Issue = z.core.$ZodIssue & Pick<RawIssue, 'inst' | 'schema'>;

/** A place in a JSON value, as messages name it: `meta.labels[1]`. */
export const pathText = (path: readonly PropertyKey[]): string =>
  path.reduce<string>(
    (text, part) =>
      typeof part === 'number' ? `${text}[${part}]` : text === '' ? String(part) : `${text}.${String(part)}`,
    '',
  );

const EXPECTED: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  tuple: 'a list',
  object: 'an object',
  record: 'an object',
};

/** What came instead. */
function receivedText(input: unknown): string {
  if (input === null) return 'null';
  if (Array.isArray(input)) return 'a list';
  // JSON may have numbers that no double can hold.
  if (typeof input === 'number') return Number.isFinite(input) ? `the number ${input}` : 'a number that is too large';
  return typeof input === 'object' ? 'an object' : typeof input === 'boolean' ? String(input) : 'a string';
}

const schemaOf = ({ inst, schema }: Issue) => schema ?? inst;

function metaOf(issue: Issue): z.core.GlobalMeta {
  const schema = schemaOf(issue);
  return (schema instanceof z.ZodType && z.globalRegistry.get(schema)) || {};
}

/** Of a whole number that is no number at all only the latter is said by the library. */
const isWhole = (issue: Issue): boolean =>
  schemaOf(issue) instanceof z.ZodNumberFormat || metaOf(issue)['type'] === 'integer';

/** Examples are ours, so no text in them has a quote that would be taken for the end of a key. */
const exampleText = (example: unknown): string =>
  JSON.stringify(example).replaceAll('":', '": ').replaceAll(',"', ', "');

function typeText(issue: Issue & z.core.$ZodIssueInvalidType): string {
  const { expected, input } = issue;
  const [example] = (metaOf(issue).examples as unknown[] | undefined) ?? [];
  const such = example === undefined ? '' : ` such as ${exampleText(example)}`;
  const what = EXPECTED[expected === 'number' && isWhole(issue) ? 'int' : expected] ?? expected;
  const must = `must be ${what}${such}`;
  return input === undefined ? `is missing, it ${must}` : `${must}, not ${receivedText(input)}`;
}

type Bounded = z.core.$ZodIssueTooBig | z.core.$ZodIssueTooSmall;

const plural = (count: number | bigint, one: string, many: string): string => `${count} ${count == 1 ? one : many}`;

function rangeText({ origin }: Bounded, how: string, bound: number | bigint): string {
  if (origin === 'string') return `must have ${how} ${plural(bound, 'character', 'characters')}`;
  return origin === 'array' ? `must have ${how} ${plural(bound, 'entry', 'entries')}` : `must be ${how} ${bound}`;
}

/** Where rules check a range, so that the schema only describes it, that range is the one to name. */
function boundOf(issue: Issue & Bounded): number | bigint {
  const bound = issue.code === 'too_big' ? issue.maximum : issue.minimum;
  const described = metaOf(issue)[issue.code === 'too_big' ? 'maximum' : 'minimum'];
  return typeof described === 'number' ? described : bound;
}

function boundText(issue: Issue & Bounded): string {
  const { code, inclusive = true, exact = false } = issue;
  const [within, beyond] = code === 'too_big' ? ['at most', 'less than'] : ['at least', 'more than'];
  return rangeText(issue, exact ? 'exactly' : inclusive ? within : beyond, boundOf(issue));
}

/** What is wrong, without the place; of a schema with words of its own those are taken. */
export function problemOf(raw: RawIssue): string {
  const issue = raw as Issue;
  switch (issue.code) {
    case 'invalid_type':
      return typeText(issue);
    case 'too_big':
    case 'too_small':
      return boundText(issue);
    case 'invalid_value':
      return `must be ${issue.values.length > 1 ? 'one of ' : ''}${issue.values.map((value) => JSON.stringify(value)).join(', ')}`;
    case 'not_multiple_of':
      return `must be a multiple of ${issue.divisor}`;
    case 'invalid_format':
      return issue.format === 'regex' ? `must match ${issue.pattern}` : `must be a valid ${issue.format}`;
    case 'unrecognized_keys':
      return `must not have ${issue.keys.map((key) => JSON.stringify(key)).join(', ')}`;
    case 'invalid_key':
      return 'is no valid key';
    case 'invalid_union':
    case 'invalid_element':
    case 'custom':
      return 'has none of the forms that are possible here';
  }
}

const MOST_TOLD = 5;

/** All of it, with places. */
export const problemsText = ({ issues }: z.core.$ZodError): string =>
  issues
    .slice(0, MOST_TOLD)
    .map(({ path, message }) => `${pathText(path) || 'the request body'}: ${message}`)
    .join('; ');
