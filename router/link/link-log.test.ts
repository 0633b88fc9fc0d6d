import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Link, LinkState, Peer } from './link.ts';
import { sayLinkChanges } from './link-log.ts';

function plant() {
  const clock = { nowMs: 0 };
  const said: unknown[] = [];
  const meet = sayLinkChanges({
    monotonicMs: () => clock.nowMs,
    say: (what, { process, downMs }) => void said.push([what, process, downMs]),
  });
  function link(process: string): (state: LinkState) => void {
    let change: (state: LinkState) => void = () => {};
    meet({
      state: 'up',
      peer: { kind: 'site', name: 'fra', process } as Peer,
      lastFailure: undefined,
      onState(listener: Parameters<Link['onState']>[0]) {
        change = listener;
        return () => {};
      },
    });
    return (state) => change(state);
  }
  return { clock, said, link };
}

it('a link that goes down and comes back is said once each, with the site and the time', () => {
  const { clock, said, link } = plant();
  const turn = link('p1');
  turn('up');
  turn('down');
  clock.nowMs = 400;
  turn('down');
  clock.nowMs = 1_500;
  turn('up');
  turn('closed');
  assert.deepEqual(said, [
    ['the link to site fra is down', 'p1', undefined],
    ['the link to site fra is back', 'p1', 1_500],
  ]);
});

it('a site that was started again is back, though it is another process', () => {
  const { clock, said, link } = plant();
  link('p1')('down');
  clock.nowMs = 3_000;
  link('p2');
  link('p3');
  assert.deepEqual(said, [
    ['the link to site fra is down', 'p1', undefined],
    ['the link to site fra is back', 'p2', 3_000],
  ]);
});
