// Who holds what, read by a client from everybody when all is quiet: the end of the history that is judged.
import { addressKey, machineKey } from './client/things.ts';
import type { Clients, Told } from './clients.ts';
import type { Universe } from './universe.ts';

const isPartial = (told: Told): boolean =>
  told.status === 503 ||
  told.status === 'lost' ||
  told.status === 'unsent' ||
  ('headers' in told && told.headers.some(([name]) => name.toLowerCase() === 'x-stale-partitions'));

/** Who holds what, said once more to everybody when nothing changes any longer. */
export async function readEverything(universe: Universe, clients: Clients): Promise<void> {
  const holders = new Map<string, string>();
  for (const [path, take] of READS) {
    let told = await clients.call(0, 'GET', path);
    for (let tries = 0; isPartial(told) && tries < 20; tries++) {
      await new Promise<void>((resolve) => void universe.after(500, resolve));
      told = await clients.call(0, 'GET', path);
    }
    if (told.status !== 200 || isPartial(told)) throw new Error(`GET ${path}: ${JSON.stringify(told)}`);
    for (const one of JSON.parse((told as { text: string }).text) as Listed[])
      for (const [key, holder] of take(one)) holders.set(key, holder);
  }
  const keys = new Set(clients.history.operations.map(({ key }) => key).filter((key) => key !== ''));
  for (const key of holders.keys()) keys.add(key);
  for (const key of keys) {
    // Addresses of machines bear no name: who has them is said by their machines.
    const holder = holders.get(key) ?? '';
    clients.history.begin({ client: 'last', verb: 'read', key }).end({ kind: 'done', holder });
  }
}

interface Listed {
  id: string;
  name: string;
  description?: string;
  ipaddress: string;
  networkid: string;
  type: string;
  allocation?: { name: string; networks: Array<{ networkid: string; ips: string[] | null }> } | null;
}

const READS: Array<[string, (one: Listed) => Array<[string, string]>]> = [
  ['/v1/ip', ({ ipaddress, networkid, name }) => [[addressKey(networkid, ipaddress), name]]],
  [
    '/v1/machine',
    ({ id, allocation }) =>
      allocation == null
        ? []
        : [
            [machineKey(id), allocation.name],
            ...allocation.networks.flatMap(({ networkid, ips }) =>
              (ips ?? []).map((ip): [string, string] => [addressKey(networkid, ip), allocation.name]),
            ),
          ],
  ],
  [
    '/v1/network',
    ({ id, description = '' }) => [[`${id.startsWith('global-') ? 'global' : 'network'} ${id}`, description]],
  ],
  ['/v1/size', ({ id, description = '' }) => [[`size ${id}`, description]]],
];
