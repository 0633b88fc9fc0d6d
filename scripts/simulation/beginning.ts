// What a run begins with, while nothing goes wrong: every site serves, all see each other, and the networks are there.
import { QUARANTINE_LABEL } from '../../actors/network/quarantine.ts';
import { externalNetwork, GLOBAL_NETWORK, type Clients } from './clients.ts';
import type { Simulated } from './federation.ts';
import { QUIET_START_MS, type Shape } from './schedule.ts';
import { partitionOf, PROJECT } from './seed.ts';

const LOOK_MS = 250;
/** So long after the last link is up the directory is the same everywhere. */
const MEET_MS = 500;

/** Rejects nothing: what is missing at the end of it is a violation. `until`: before that event it ends. */
export async function begin(simulated: Simulated, until?: number): Promise<void> {
  const { universe, processes, clients, sites, shape } = simulated;
  const isCutShort = (): boolean => universe.events >= (until ?? Infinity);
  const run = (toMs: number): Promise<void> => universe.run(toMs, until);
  const wait = async (isSo: () => boolean): Promise<void> => {
    while (!isSo() && universe.nowMs < QUIET_START_MS && universe.violation === undefined && !isCutShort())
      await run(universe.nowMs + LOOK_MS);
  };
  const links = (): unknown => processes.map((all) => all.map(({ active }) => active?.federation.status()));

  await wait(() => processes.every((all) => all.some(({ isServing }) => isServing)));
  const isLinked = (): boolean =>
    processes.every((all) => all.some(({ active }) => active?.federation.status().every(({ up }) => up)));
  await wait(isLinked);
  if (isCutShort()) return;
  if (!isLinked()) universe.violate('test', `no links: ${JSON.stringify(links())}`);
  await run(universe.nowMs + MEET_MS);
  const made = { isMade: false };
  makeNetworks(clients, sites, shape).then(
    () => (made.isMade = true),
    (error: unknown) =>
      universe.violate('test', `the beginning: ${error instanceof Error ? error.message : String(error)}`),
  );
  await run(QUIET_START_MS);
  if (!made.isMade && !isCutShort()) universe.violate('test', 'the networks were not made in time');
}

async function must(clients: Clients, site: number, method: string, path: string, body: object): Promise<void> {
  const told = await clients.call(site, method, path, body);
  if (told.status !== 200 && told.status !== 201) throw new Error(`${method} ${path}: ${JSON.stringify(told)}`);
}

async function makeNetworks(
  clients: Clients,
  sites: readonly string[],
  { externalBits, globalBits, isDualStack, hasWide = false, quarantineS = 0 }: Shape,
): Promise<void> {
  const six = (bits: number): number => (hasWide ? 64 : 96 + bits);
  const families = (four: string, six: string): string[] => (isDualStack ? [four, six] : [four]);
  const plain = { destinationprefixes: ['0.0.0.0/0'], privatesuper: false, nat: false, underlay: false };
  await must(clients, 0, 'PUT', '/v1/network', {
    ...plain,
    id: GLOBAL_NETWORK,
    prefixes: families(`198.51.0.0/${globalBits}`, `2001:db8:ffff::/${six(globalBits)}`),
    nat: true,
    labels: quarantineS === 0 ? {} : { [QUARANTINE_LABEL]: String(quarantineS) },
  });
  const each = sites.map(async (site, index) => {
    const partitionid = partitionOf(site);
    await must(clients, index, 'PUT', '/v1/network', {
      ...plain,
      destinationprefixes: [],
      id: `super-${site}`,
      partitionid,
      prefixes: families(`10.${index}.0.0/18`, `fd00:${index}::/56`),
      privatesuper: true,
      defaultchildprefixlength: isDualStack ? { IPv4: 26, IPv6: 64 } : { IPv4: 26 },
    });
    await must(clients, index, 'PUT', '/v1/network', {
      ...plain,
      id: externalNetwork(site),
      partitionid,
      prefixes: families(`203.${index}.0.0/${externalBits}`, `2001:db8:${index + 1}::/${six(externalBits)}`),
    });
    await must(clients, index, 'PUT', '/v1/network', {
      ...plain,
      destinationprefixes: [],
      id: `underlay-${site}`,
      partitionid,
      prefixes: [`10.24${index}.0.0/24`],
      underlay: true,
    });
    await must(clients, index, 'PUT', '/v1/network', {
      ...plain,
      id: `private-${site}`,
      partitionid,
      projectid: PROJECT,
      prefixes: families(`172.16.${index}.0/24`, `fd01:${index}::/120`),
    });
  });
  await Promise.all(each);
}
