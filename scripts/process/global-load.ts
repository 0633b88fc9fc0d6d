// Addresses of a global network, taken and given back at the sites of a plant, written down in one history over all of
// them: whoever holds an address of it, holds it everywhere.
import { errorMessage, type ApiAnswer } from '../api-client.ts';
import { until } from './child.ts';
import { createHistory, type History } from './history.ts';
import type { Plant, PlantSite } from './plant.ts';

export interface GlobalLoad {
  readonly history: History;
  readonly strange: readonly string[];
  /** Answers of a take: the address; 'exhausted', 'unavailable' (503, with its text) or 'lost' (no answer). */
  take(site: PlantSite, network: string, client: string): Promise<Taken>;
  /** Asks for this very address; true when it is the client's now. */
  takeThis(site: PlantSite, network: string, address: string, client: string): Promise<boolean>;
  /** True when it is free now. */
  give(site: PlantSite, network: string, address: string, client: string): Promise<boolean>;
  /** Reads at a site, on the merged list, what anybody holds of the networks, over all sites. */
  readAll(site: PlantSite, networks: readonly string[]): Promise<string[]>;
}

export type Taken =
  | { address: string }
  | { address: undefined; why: 'exhausted' | 'lost'; text: string }
  | { address: undefined; why: 'unavailable'; text: string };

interface Ip {
  ipaddress: string;
  networkid: string;
  name: string;
}

export function createGlobalLoad(project: string): GlobalLoad {
  const history = createHistory();
  const strange: string[] = [];
  const keyOf = (network: string, address: string): string => `${network} ${address}`;
  const note = (what: string, { status, text }: ApiAnswer): void => {
    if (strange.length < 50) strange.push(`${what}: ${status} ${errorMessage(text)}`);
  };

  return {
    history,
    strange,
    async take(site, network, client) {
      const pending = history.begin({ client: `${client}@${site.id}`, verb: 'take' });
      let answer: ApiAnswer;
      try {
        answer = await site.ask('POST', '/v1/ip/allocate', {
          networkid: network,
          projectid: project,
          name: pending.id,
        });
      } catch (error) {
        const isSent = (error as NodeJS.ErrnoException).code !== 'ECONNREFUSED';
        if (isSent) pending.end({ kind: 'unknown', why: String(error) });
        return { address: undefined, why: 'lost', text: String(error) };
      }
      const text = errorMessage(answer.text);
      if (answer.status === 201) {
        const ip = JSON.parse(answer.text) as Ip;
        pending.end({ kind: 'done', holder: ip.name }, [keyOf(network, ip.ipaddress)]);
        return { address: ip.ipaddress };
      }
      if (answer.status === 503) {
        pending.end({ kind: 'unknown', why: text });
        return { address: undefined, why: 'unavailable', text };
      }
      if (answer.status === 500 && text.includes('no ips left')) return { address: undefined, why: 'exhausted', text };
      note(`take at ${site.id}`, answer);
      return { address: undefined, why: 'lost', text };
    },
    async takeThis(site, network, address, client) {
      const pending = history.begin({ client: `${client}@${site.id}`, verb: 'takeThis', key: keyOf(network, address) });
      let answer: ApiAnswer;
      try {
        answer = await site.ask('POST', `/v1/ip/allocate/${address}`, {
          networkid: network,
          projectid: project,
          name: pending.id,
        });
      } catch (error) {
        const isSent = (error as NodeJS.ErrnoException).code !== 'ECONNREFUSED';
        if (isSent) pending.end({ kind: 'unknown', why: String(error) });
        return false;
      }
      const why = errorMessage(answer.text);
      if (answer.status === 201) pending.end({ kind: 'done', holder: (JSON.parse(answer.text) as Ip).name });
      else if (answer.status === 409) pending.end({ kind: 'refused', why });
      else if (answer.status === 503) pending.end({ kind: 'unknown', why });
      else note(`take ${address} at ${site.id}`, answer);
      return answer.status === 201;
    },
    async give(site, network, address, client) {
      const pending = history.begin({ client: `${client}@${site.id}`, verb: 'give', key: keyOf(network, address) });
      let answer: ApiAnswer;
      try {
        answer = await site.ask('DELETE', `/v1/ip/free/${address}`);
      } catch (error) {
        const isSent = (error as NodeJS.ErrnoException).code !== 'ECONNREFUSED';
        if (isSent) pending.end({ kind: 'unknown', why: String(error) });
        return false;
      }
      if (answer.status === 200) {
        pending.end({ kind: 'done', holder: (JSON.parse(answer.text) as Ip).name });
        return true;
      }
      if (answer.status === 503) pending.end({ kind: 'unknown', why: errorMessage(answer.text) });
      else if (answer.status === 404) pending.end({ kind: 'refused', why: errorMessage(answer.text) });
      else note(`give at ${site.id}`, answer);
      return answer.status === 404;
    },
    async readAll(site, networks) {
      const pending = history.begin({ client: `reader@${site.id}`, verb: 'read' });
      const known = new Set(history.operations.map(({ key }) => key));
      let all: Ip[] = [];
      // While the lease is uncertain nothing is read.
      await until('everything can be read', async () => {
        const { status, text } = await site.ask('POST', '/v1/ip/find', {});
        if (status === 200) all = JSON.parse(text) as Ip[];
        return status === 200;
      });
      const held = all.filter(({ networkid }) => networks.includes(networkid));
      for (const { networkid, ipaddress, name } of held) {
        known.delete(keyOf(networkid, ipaddress));
        pending.end({ kind: 'done', holder: name }, [keyOf(networkid, ipaddress)]);
      }
      pending.end(
        { kind: 'done', holder: '' },
        [...known].filter((key) => networks.some((network) => key.startsWith(`${network} `))),
      );
      return held.map(({ networkid, ipaddress }) => keyOf(networkid, ipaddress)).sort();
    },
  };
}

/** The wire from one site to another, whichever of them dialled. */
export function cutWire(from: PlantSite, to: PlantSite): void {
  to.linkProxy!.cut('toServer');
  from.linkProxy!.cut('toClient');
}

export const healWires = (plant: Plant): void => plant.sites.forEach((site) => site.linkProxy!.heal());
