import { test } from 'node:test';
import assert from 'node:assert/strict';
import { createVirtualWorld } from '../../actors/runtime/virtual-world.ts';
import type { Link, Peer } from '../link/link.ts';
import { createProcesses } from './processes.ts';

const peerOf = (name: string): Peer => ({
  kind: 'site',
  site: name,
  partitions: [],
  name,
  process: '0',
  incarnation: '1',
  fingerprint: '',
  greeting: undefined,
});

/** A link that is up, to a process that says that it is active. */
const linkTo = (site: string): Link =>
  ({
    state: 'up',
    peer: peerOf(site),
    ask: async () => ({ site, active: true, members: [] }),
    onState: () => () => {},
    notify() {},
  }) as unknown as Link;

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('design.md §7: whoever becomes active hears of the processes that its links had found active before', async () => {
  const b = linkTo('b');
  const processes = createProcesses({
    world: createVirtualWorld(),
    links: () => [b],
    odd: (what) => assert.fail(what),
  });
  processes.meet(b);
  await turn();
  const heard: Array<string | undefined> = [];
  // A standby listens when it takes its site over: the directory must be brought to everybody who was there long before.
  processes.onActive((link) => heard.push(link.peer?.name));
  assert.deepEqual(heard, ['b']);
  processes.onRole({ active: true }, peerOf('b'));
  assert.deepEqual(heard, ['b', 'b']);
  processes.close();
});
