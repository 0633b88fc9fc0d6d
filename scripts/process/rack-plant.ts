// The simulated rack of one partition beside a plant: the built program, with a file per agent of the partition.
import { join } from 'node:path';
import type { Child } from './child.ts';
import { freePort } from './child.ts';
import type { Plant, PlantSite } from './plant.ts';

/** Not started yet. */
export async function rackOf(
  plant: Plant,
  site: PlantSite,
  options: { partition: string; machines: number; speed: number; seed: number },
): Promise<Child> {
  const folder = site.agentFolder(options.partition);
  const keys = site.keys();
  return plant.child(`rack ${options.partition}`, 'rack.js', {
    RACK_PARTITION: options.partition,
    RACK_CA: join(folder, 'ca.pem'),
    RACK_CERT: join(folder, 'agent.pem'),
    RACK_KEY: join(folder, 'agent.key'),
    RACK_GRPC: `127.0.0.1:${site.grpcPort}`,
    RACK_URL: site.url,
    RACK_VIEW_KEY: keys.view,
    RACK_EDIT_KEY: keys.edit,
    RACK_SMALL: String(options.machines),
    RACK_LARGE: '0',
    RACK_SPEED: String(options.speed),
    RACK_SEED: String(options.seed),
    RACK_FILES_PORT: String(await freePort()),
  });
}
