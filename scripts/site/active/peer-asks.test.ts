import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createAsker } from '../../../actors/asker.ts';
import { createTestSite } from '../../../http/testing.ts';
import type { Peer } from '../../../router/link/link.ts';
import { READING } from '../lease-guard.ts';
import { peerAsks } from './peer-asks.ts';

it('I06: another site is told nothing of what is there while what was acknowledged here is not heard of yet', async () => {
  const host = { isBehind: true, isCurrent: false };
  const asks = peerAsks({
    filling: { sure: async () => {} },
    host,
    site: () => createTestSite(),
    forward: () => ({ answerLocate: () => ({ here: false }) }) as never,
  });
  const peer = { name: 'b' } as Peer;
  const entry = async (): Promise<unknown> =>
    await asks['directory-entry']?.({ kind: 'size', id: 's' }, peer, createAsker());
  await assert.rejects(entry, { message: READING });
  host.isBehind = false;
  assert.deepEqual(await entry(), { entry: null });
});
