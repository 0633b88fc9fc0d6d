// Two sites, joined, each with its partition; the first is home of what is global.
import assert from 'node:assert/strict';
import { auditDatabases } from './audit.ts';
import { until } from './child.ts';
import { withPlant, type Plant, type PlantOptions, type PlantSite } from './plant.ts';
import { seedPlace, type Seeded } from './seed.ts';

export interface TwoPlants {
  plant: Plant;
  muc: PlantSite;
  fra: PlantSite;
  /** Of muc; its project is known at both. */
  seeded: Seeded;
  /** Of fra. */
  there: Seeded;
  databases: string[];
  /** Until nothing is under way between the sites, and everything is conserved. */
  untilQuiet(withinMs?: number): Promise<void>;
}

export async function withTwoPlants(options: PlantOptions, run: (both: TwoPlants) => Promise<void>): Promise<void> {
  await withPlant({ ...options, sites: ['muc', 'fra'] }, async (plant) => {
    const [muc, fra] = [plant.site('muc'), plant.site('fra')];
    await plant.joinFirst('fra');
    const seeded = await seedPlace(plant, muc, 'muc', 0);
    const there = await seedPlace(plant, fra, 'fra', 1);
    await until('the project is known at fra', async () => {
      const answer = await fra.ask('GET', `/v1/project/${seeded.project}`);
      return answer.status === 200;
    });
    const databases = [muc.databaseUrl, fra.databaseUrl];
    await run({
      plant,
      muc,
      fra,
      seeded,
      there,
      databases,
      async untilQuiet(withinMs = 30_000) {
        let violations: string[] = [];
        await until(
          'nothing is under way and everything is conserved',
          async () => (violations = await auditDatabases(databases, { isQuiet: true })).length === 0,
          withinMs,
          250,
        ).catch((error: Error) => assert.deepEqual(violations, [], error.message));
      },
    });
  });
}
