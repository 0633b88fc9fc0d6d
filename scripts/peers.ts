import { spawnSync } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from './root.ts';

/** The programs of others that tests and benchmarks run against; each is a folder of Go under `scripts/peers`. */
export type PeerName = 'nsqd' | 'goipam-bench' | 'crdb-parse' | 'metal-go';

type Environment = Readonly<Record<string, string | undefined>>;

const sources = join(projectRoot, 'scripts', 'peers');

/**
 * The path of a peer's binary, or undefined where it is neither built nor to be built.
 * It is built (or rebuilt, if its sources are newer) when Go is there and `HANSE_PEERS=build` or `CI` is set; that takes
 * up to 145 s for crdb-parse with an empty Go cache and blocks the caller. Binaries lie in `PEERS_BIN`, by default
 * `scripts/peers/bin`.
 * @throws Error with the compiler's words if building was asked for and failed
 */
export function peerPath(name: PeerName, environment: Environment = process.env): string | undefined {
  if (mayBuild(environment) && goObstacle(name, environment) === undefined) build(name, environment);
  return builtPath(name, environment);
}

/**
 * For the `skip` option of node:test: why a test that needs the peer can't run on this machine, or false if it can.
 * With Go and `CI` (or `HANSE_PEERS=build`) it is always false: there a peer that is missing fails the test.
 */
export function peerSkipReason(name: PeerName, environment: Environment = process.env): string | false {
  if (builtPath(name, environment) !== undefined) return false;
  const obstacle = goObstacle(name, environment);
  if (obstacle !== undefined) return `${name} is not built, and ${obstacle}`;
  if (mayBuild(environment)) return false;
  return `${name} is not built: run scripts/peers/build.sh ${name}, or set HANSE_PEERS=build`;
}

function mayBuild(environment: Environment): boolean {
  return environment['HANSE_PEERS'] === 'build' || (environment['CI'] ?? '') !== '';
}

function builtPath(name: PeerName, environment: Environment): string | undefined {
  const path = join(environment['PEERS_BIN'] || join(sources, 'bin'), name);
  try {
    accessSync(path, constants.X_OK);
    return path;
  } catch {
    return undefined;
  }
}

/** Why this machine can't compile the peer; undefined if it can. */
function goObstacle(name: PeerName, environment: Environment): string | undefined {
  const asked = spawnSync('go', ['env', 'GOVERSION'], {
    encoding: 'utf8',
    env: { ...environment, GOTOOLCHAIN: 'local' },
  });
  if (asked.error !== undefined || asked.status !== 0) return 'this machine has no Go to build it';
  const wanted = /^go (\d+)\.(\d+)/m.exec(readFileSync(join(sources, name, 'go.mod'), 'utf8'));
  const have = /^go(\d+)\.(\d+)/.exec(asked.stdout);
  if (wanted === null || have === null) return undefined;
  const tooOld = Number(have[1]) * 1000 + Number(have[2]) < Number(wanted[1]) * 1000 + Number(wanted[2]);
  return tooOld ? `building it takes Go ${wanted[1]}.${wanted[2]}, this machine has ${asked.stdout.trim()}` : undefined;
}

function build(name: PeerName, environment: Environment): void {
  const run = spawnSync(join(sources, 'build.sh'), [name], { encoding: 'utf8', env: { ...environment } });
  if (run.status !== 0) throw new Error(`building ${name} failed: ${run.error?.message ?? ''}${run.stderr}`);
}
