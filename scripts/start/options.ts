import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { dataFolder } from '../endpoint.ts';
import { SEEDS, type Seed } from './seed.ts';

export const USAGE = `usage: npm start -- [options]

Starts two plants (muc and fra) on this machine, joined as one, each with a simulated rack, and one address for both.
Ctrl-C ends everything; the next start goes on with the same data.

  --fresh              forget all data and begin anew
  --seed demo          what to create at the first start: demo (default), acceptance or none
  --port 8090          port of the router; the sites use this port - 10 and - 9, agents and links ports above it
  --data FOLDER        where everything lies (default: data, or HANSE_DATA)
  --help

DATABASE_URL names a PostgreSQL or CockroachDB server to use instead of the bundled one.`;

/** One clear sentence for the person at the terminal; no stack. */
export class Problem extends Error {
  override readonly name = 'Problem';
}

export interface Options {
  fresh: boolean;
  seed: Seed;
  ports: Ports;
  data: string;
}

export interface Ports {
  router: number;
  http: [number, number];
  grpc: [number, number];
  link: [number, number];
  files: [number, number];
  metrics: [number, number];
}

const DEFAULT_PORT = 8090;

/**
 * The ports that people know for the default; for another router port its neighbours. None lies among those that systems
 * give to outgoing connections (gRPC's usual 50051 does): a start would fail where one of them has it.
 */
const portsFrom = (router: number): Ports => ({
  router,
  http: [router - 10, router - 9],
  grpc: router === DEFAULT_PORT ? [9_051, 9_052] : [router + 10, router + 11],
  link: router === DEFAULT_PORT ? [8_443, 8_444] : [router + 20, router + 21],
  files: [router + 2, router + 3],
  metrics: router === DEFAULT_PORT ? [2_112, 2_113] : [router + 4, router + 5],
});

export function readOptions(args: string[]): Options | 'help' {
  const { values } = parse(args);
  if (values.help) return 'help';
  const port = Number(values.port);
  if (!SEEDS.includes(values.seed as Seed)) throw new Problem(`--seed ${values.seed}: expected ${SEEDS.join(', ')}`);
  if (!Number.isInteger(port) || port < 1_024 || port > 65_000) {
    throw new Problem(`--port ${values.port}: expected a number from 1024 to 65000`);
  }
  return {
    fresh: values.fresh,
    seed: values.seed as Seed,
    ports: portsFrom(port),
    data: resolve(values.data ?? dataFolder()),
  };
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        fresh: { type: 'boolean', default: false },
        seed: { type: 'string', default: 'demo' },
        port: { type: 'string', default: String(DEFAULT_PORT) },
        data: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    throw new Problem(`${(error as Error).message}\n\n${USAGE}`);
  }
}
