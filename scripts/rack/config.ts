import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { restAddress } from '../api-client.ts';

export interface RackConfig {
  partition: string;
  /** `host:port`; several: the processes of the site, the one that serves is found. */
  grpc: string[];
  /** Name in the gRPC server's certificate, where it is not the host; '' else. */
  grpcServerName: string;
  /** PEM texts of the agent's certificate. */
  tls: { ca: string; cert: string; key: string };
  /** Base URLs of the REST API, without a slash at the end; several: tried in turn. */
  urls: string[];
  keys: { view: string; edit: string };
  /** null: the bus is read over HTTP. */
  nsqd: { host: string; port: number; tls: boolean } | null;
  machines: { small: number; large: number };
  seed: number;
  /** 2: everything that takes a machine time takes half as long. */
  speed: number;
  files: { host: string; port: number };
}

const OPTIONS = {
  partition: { type: 'string' },
  grpc: { type: 'string' },
  'grpc-server-name': { type: 'string' },
  ca: { type: 'string' },
  cert: { type: 'string' },
  key: { type: 'string' },
  url: { type: 'string' },
  'view-key': { type: 'string' },
  'edit-key': { type: 'string' },
  nsqd: { type: 'string' },
  'nsqd-tls': { type: 'string' },
  small: { type: 'string' },
  large: { type: 'string' },
  seed: { type: 'string' },
  speed: { type: 'string' },
  'files-host': { type: 'string' },
  'files-port': { type: 'string' },
} as const;
type Option = keyof typeof OPTIONS;

/** Printed with every complaint. */
export const USAGE = `rack: a simulated rack of one partition. Flags, or environment variables RACK_<FLAG> such as RACK_GRPC:
  --partition        id of the partition (needed)
  --ca --cert --key  PEM files: the authority, and a certificate of kind agent for the partition (needed)
  --grpc             host:port of the gRPC server, several separated by commas (127.0.0.1:50051)
  --grpc-server-name name in its certificate, if it is not the host
  --url              base URL of the REST API, several separated by commas (http://127.0.0.1:8080)
  --view-key --edit-key  HMAC keys of Metal-View and Metal-Edit (needed)
  --nsqd             host:port of nsqd (none: GET /v2/bus/<partition>-machine)
  --nsqd-tls         true: TLS with the same certificate (false)
  --small --large    machines of each size (5, 3)
  --seed --speed     of timings (1, 1)
  --files-host --files-port  where kernel, initrd and images are served (127.0.0.1:8180)`;

const wholeNumber = (name: string, text: string, least: number, most: number): number => {
  const value = Number(text);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new Error(`--${name}: "${text}" must be a whole number from ${least} to ${most}`);
};

const hostAndPort = (name: string, text: string): { host: string; port: number } => {
  const match = /^(.+):(\d+)$/.exec(text);
  if (!match) throw new Error(`--${name}: "${text}" must be host:port`);
  return { host: match[1]!.replace(/^\[|\]$/g, ''), port: wholeNumber(name, match[2]!, 1, 65_535) };
};

const list = (text: string): string[] =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');

/** Throws an Error that names the flag and says what would be right. */
export const readConfig = (
  args: string[],
  env: Record<string, string | undefined>,
  readFile: (path: string) => string = (path) => readFileSync(path, 'utf8'),
): RackConfig => {
  const { values } = parseArgs({ args, options: OPTIONS, strict: true });
  const given = (name: Option): string | undefined =>
    values[name] ?? env[`RACK_${name.toUpperCase().replaceAll('-', '_')}`];
  const needed = (name: Option): string => {
    const value = given(name);
    if (value === undefined || value === '') throw new Error(`--${name} is missing`);
    return value;
  };
  const pem = (name: 'ca' | 'cert' | 'key'): string => {
    const path = needed(name);
    try {
      return readFile(path);
    } catch (error) {
      throw new Error(`--${name}: "${path}" can't be read: ${String(error)}`, { cause: error });
    }
  };
  const partition = needed('partition');
  const speed = Number(given('speed') ?? '1');
  if (!(speed > 0 && speed <= 1_000)) throw new Error(`--speed: "${given('speed')}" must be more than 0, at most 1000`);
  const grpc = list(given('grpc') ?? '127.0.0.1:50051');
  for (const address of grpc) hostAndPort('grpc', address);
  const nsqd = given('nsqd') ?? '';
  return {
    partition,
    grpc,
    grpcServerName: given('grpc-server-name') ?? '',
    tls: { ca: pem('ca'), cert: pem('cert'), key: pem('key') },
    urls: list(given('url') ?? 'http://127.0.0.1:8080').map((url) =>
      new URL(restAddress('--url', url, ['http:', 'https:'])).href.replace(/\/$/, ''),
    ),
    keys: { view: needed('view-key'), edit: needed('edit-key') },
    nsqd: nsqd === '' ? null : { ...hostAndPort('nsqd', nsqd), tls: given('nsqd-tls') === 'true' },
    machines: {
      small: wholeNumber('small', given('small') ?? '5', 0, 100),
      large: wholeNumber('large', given('large') ?? '3', 0, 100),
    },
    seed: wholeNumber('seed', given('seed') ?? '1', 0, 2 ** 31),
    speed,
    files: {
      host: given('files-host') ?? '127.0.0.1',
      port: wholeNumber('files-port', given('files-port') ?? '8180', 0, 65_535),
    },
  };
};
