// The process of a site as scripts/partition.ts runs it, but that acquisitions are answered by a constant where the actors
// would be asked: what the same edge can do at all, with an answer as long as theirs. Nothing is refused, so nothing goes
// into the audit trail.
import type { IpRecord } from '../../actors/network/record.ts';
import type { Site } from '../../http/site.ts';
import { readSiteConfig } from '../config.ts';
import { createLogger } from '../log.ts';
import { serveSite } from '../site/active.ts';
import { openGround } from '../site/ground.ts';
import { createLife } from '../site/life.ts';

const CONSTANT: IpRecord = {
  address: '10.1.134.160',
  uuid: '01890a5d-ac96-774b-bcce-b302099a8057',
  network: 'bench',
  project: '01890a5d-ac96-774b-bcce-b302099a8058',
  name: 'bench',
  description: '',
  type: 'ephemeral',
  tags: [],
  machines: [],
  prefix: '10.0.0.0/14',
  created: 1_700_000_000_000,
  changed: 1_700_000_000_000,
};

const constantly = (ask: Site['ask']): Site['ask'] =>
  ((to, command, body, options) =>
    command === 'allocateIp' ? Promise.resolve(CONSTANT) : ask(to, command, body, options)) as Site['ask'];

const config = readSiteConfig(process.env);
if ('problems' in config) throw new Error(config.problems.join('\n'));
const log = createLogger('constant', { site: config.site });
await serveSite(await openGround(config, log, createLife(log)), constantly);
