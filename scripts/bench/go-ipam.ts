// The other side: metal-stack's go-ipam on the same server, each run on a fresh prefix.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { databaseUrl } from '../../storage/engine/database.ts';
import { peerPath, peerSkipReason } from '../peers.ts';

export interface GoIpamResult {
  clients: number;
  acquired: number;
  perSecond: number;
  failures: number;
  /** Addresses that it gave out twice. */
  twice: number;
  p50Ms: number;
  p99Ms: number;
}

/** Runs the Go program; `url` names a database that may be written to. */
export async function runGoIpam(url: string, clients: number, seconds: number): Promise<GoIpamResult> {
  const path = peerPath('goipam-bench');
  if (path === undefined) throw new Error(String(peerSkipReason('goipam-bench')));
  const { hostname, port, username, password, pathname } = new URL(databaseUrl(url, new URL(url).pathname.slice(1)));
  const options = {
    host: hostname,
    port,
    user: decodeURIComponent(username),
    // It insists on one, even where the server asks for none.
    password: decodeURIComponent(password) || 'none',
    db: pathname.slice(1),
    clients: String(clients),
    seconds: String(seconds),
  };
  const flags = Object.entries(options).flatMap(([name, value]) => [`-${name}`, value]);
  const run = await promisify(execFile)(path, flags);
  const said = JSON.parse(run.stdout) as Record<string, number>;
  return {
    clients,
    acquired: said['acquired'] ?? 0,
    perSecond: said['per_second'] ?? 0,
    failures: said['failures'] ?? 0,
    twice: said['twice'] ?? 0,
    p50Ms: said['p50_ms'] ?? NaN,
    p99Ms: said['p99_ms'] ?? NaN,
  };
}

/** Why it can't run here, or false if it can. */
export const goIpamObstacle = (): string | false => peerSkipReason('goipam-bench');
