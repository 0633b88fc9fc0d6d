import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../root.ts';

/** Version of this checkout, as GET /v1/version tells it. */
export const version = (JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as { version: string })
  .version;

/** The oldest metalctl that works with this wire; must be parsable and not above the current one (clients.md §8 #31). */
export const MIN_CLIENT_VERSION = 'v0.18.0';
