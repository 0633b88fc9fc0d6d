import { test } from 'node:test';
import assert from 'node:assert/strict';
import { createAsker } from '../../../actors/asker.ts';
import type { Site } from '../../../http/site.ts';
import { homeActors } from './members.ts';

test('reliability.md §10: what another site asks is asked on for as long as it waits; a promise given back ends in any case', async () => {
  const asked: Array<[command: string, hasAsker: boolean]> = [];
  const asker = createAsker(() => 1_000);
  const ask = (async (_to, command, _body, options) => {
    asked.push([command, options.asker === asker]);
    return { claims: [] };
  }) as Site['ask'];
  const actors = homeActors('a', { ask, places: { hosted: () => ['p'] }, adopted: async () => {} });
  const entry = { kind: 'size', id: 's', home: 'b', revision: 1, entity: null };
  await actors.promise({ h: 'h', site: 'b', claims: [] }, asker);
  await actors.applyDirectory([entry as never], asker);
  await actors.claims(asker);
  await actors.settlePromise({ h: 'h', made: false });
  assert.deepEqual(asked, [
    ['promise', true],
    ['apply', true],
    ['claims', true],
    ['settle', false],
  ]);
});
