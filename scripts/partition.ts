// The process of a site: stands by until the site is its own, then hosts the actors of its scopes on worker threads and
// serves the edge, the agents and the peer links.
import { assertRepaired } from '../storage/driver/repair.ts';
import { readSiteConfig, type SiteConfig } from './config.ts';
import { EXIT_CONFIGURATION, EXIT_LATER } from './exit-codes.ts';
import { createLogger, type Logger } from './log.ts';
import { serveSite } from './site/active.ts';
import { openGround } from './site/ground.ts';
import { createLife, type Life } from './site/life.ts';
import { standBy } from './site/standby.ts';
import { passingProblem, startProblem } from './site/start-problem.ts';

async function main(): Promise<void> {
  const config = requireConfig();
  assertRepaired();
  const log = createLogger('partition', { site: config.site });
  const life = createLife(log);

  try {
    await run(config, log, life);
  } catch (error) {
    const passing = passingProblem(error);
    if (passing !== undefined) {
      log.error(passing);
      return life.end(EXIT_LATER, 'the database was not there for it');
    }
    const problem = startProblem(error, config);
    if (problem === undefined) throw error;
    log.fatal(problem);
    life.end(EXIT_CONFIGURATION, 'the configuration is not right');
  }
}

async function run(config: SiteConfig, log: Logger, life: Life): Promise<void> {
  // From the start to the end: database, lease, keys, links, the REST port.
  const ground = await openGround(config, log, life);
  // While another process is active: how this one is, and everything else passed on.
  if ((await ground.lease.first) === 'another') await standBy(ground);
  // From the takeover to the end: actors, federation, blocks, bus, the edge, the agents. Who loses the lease, or whose
  // write is fenced, ends; started again it stands by.
  await serveSite(ground);
}

function requireConfig(): SiteConfig {
  const config = readSiteConfig(process.env);
  if (!('problems' in config)) return config;
  const problems = config.problems.map((problem) => `  ${problem}`).join('\n');
  console.error(`the configuration of the site is not right:\n${problems}`);
  process.exit(EXIT_CONFIGURATION);
}

await main();
