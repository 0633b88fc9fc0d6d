// `npm run -s api -- GET /v1/machine`: one signed request, for who has no metalctl.
import { parseArgs } from 'node:util';
import { callApi, errorMessage } from './api-client.ts';
import { targetOf } from './endpoint.ts';

const USAGE = `usage: npm run -s api -- METHOD PATH [JSON] [--get FIELD] [--header 'NAME: VALUE']…

  npm run -s api -- GET /v1/machine
  npm run -s api -- POST /v1/network/allocate '{"projectid":"demo","partitionid":"muc","name":"n1"}' --get id
  npm run -s api -- DELETE /v1/machine/<id>/free
  npm run -s api -- DELETE /v1/machine/<id>/free --header 'X-Hanse-Dry-Run: true'

  --get FIELD               print only this field of the answer, e.g. id or allocation.hostname; of a list, one a line
  --header 'NAME: VALUE'    send this header, too; may be given again. X-Hanse-Dry-Run: true changes nothing,
                            Idempotency-Key: ANY TEXT WITHOUT BLANKS makes a request safe to repeat,
                            Request-Timeout: SECONDS gives it up after that time

Signs with the admin key of the plant that \`npm start\` runs; METALCTL_API_URL, METALCTL_HMAC and
METALCTL_HMAC_AUTH_TYPE name another one. JSON may be \`-\`: read from standard input.`;

/** Of an answer, on standard error: what its body does not say. */
const SHOWN_HEADERS = [
  'warning',
  'x-stale-partitions',
  'retry-after',
  'x-refused-because',
  'x-hanse-dry-run',
  'idempotent-replayed',
  'idempotency-scope',
];

const METHODS = ['GET', 'POST', 'PUT', 'DELETE'];

async function readInput(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

const pretty = (text: string): string => {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
};

/** The field of an answer that a path of names leads to; of a list, of each element. undefined: it has none. */
function fieldOf(text: string, path: string): string | undefined {
  const pick = (value: unknown): unknown =>
    path.split('.').reduce<unknown>((at, name) => (at as Record<string, unknown> | null | undefined)?.[name], value);
  const show = (value: unknown): string | undefined => (typeof value === 'string' ? value : JSON.stringify(value));
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!Array.isArray(answer)) return show(pick(answer));
  const fields = answer.map((one) => show(pick(one)));
  if (fields.length > 0 && fields.every((field) => field === undefined)) return undefined;
  return fields.map((field) => field ?? '').join('\n');
}

const argumentsGiven = () =>
  parseArgs({
    allowPositionals: true,
    options: {
      get: { type: 'string' },
      header: { type: 'string', multiple: true, default: [] },
      help: { type: 'boolean', default: false },
    },
  });

/** Headers by lower-case name, or the text that is none. */
function headersOf(texts: readonly string[]): Record<string, string> | { wrong: string } {
  const headers: Record<string, string> = {};
  for (const text of texts) {
    const [, name, value] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e]*?)[ \t]*$/.exec(text) ?? [];
    if (name === undefined || value === undefined || value === '') return { wrong: text };
    headers[name.toLowerCase()] = value;
  }
  return headers;
}

async function main(): Promise<number> {
  let given: ReturnType<typeof argumentsGiven>;
  try {
    given = argumentsGiven();
  } catch (error) {
    // The first sentence: what follows is advice on positional arguments, of which there is no such one.
    console.error(`${(error as Error).message.split('. ', 1)[0]}\n\n${USAGE}`);
    return 2;
  }
  const { values, positionals } = given;
  const [rawMethod, path, rawBody] = positionals;
  if (values.help || rawMethod === undefined || path === undefined) {
    console.error(USAGE);
    return values.help ? 0 : 2;
  }
  const method = rawMethod.toUpperCase();
  if (!METHODS.includes(method) || !path.startsWith('/')) {
    console.error(
      `expected a method (${METHODS.join(', ')}) and a path that starts with /, got: ${rawMethod} ${path}\n\n${USAGE}`,
    );
    return 2;
  }
  let target: ReturnType<typeof targetOf>;
  try {
    target = targetOf();
  } catch (error) {
    console.error((error as Error).message);
    return 1;
  }
  if (target === undefined) {
    console.error('no running plant is known here: run `npm start` first, or set METALCTL_API_URL and METALCTL_HMAC');
    return 1;
  }
  const body = rawBody === '-' ? await readInput() : rawBody;
  if (body !== undefined) {
    try {
      JSON.parse(body);
    } catch (error) {
      console.error(`the body is not JSON: ${(error as Error).message}`);
      return 2;
    }
  }
  const headers = headersOf(values.header);
  if ('wrong' in headers) {
    console.error(`--header ${JSON.stringify(headers.wrong)}: expected 'NAME: VALUE', such as 'X-Hanse-Dry-Run: true'`);
    return 2;
  }
  const sent = callApi(target.url, target.credentials, method, path, body, { headers });
  const answer = await sent.catch((error: Error) => error);
  if (answer instanceof Error) {
    console.error(`${target.url} does not answer: ${answer.message}`);
    return 1;
  }
  for (const name of SHOWN_HEADERS) {
    if (answer.headers[name] !== undefined) console.error(`${name}: ${String(answer.headers[name])}`);
  }
  if (answer.status >= 400) {
    console.error(`${answer.status} ${errorMessage(answer.text)}`);
    return 1;
  }
  const shown = values.get === undefined ? pretty(answer.text) : fieldOf(answer.text, values.get);
  if (shown === undefined) {
    console.error(`the answer has no field ${values.get}`);
    return 1;
  }
  console.log(shown);
  return 0;
}

process.exitCode = await main();
