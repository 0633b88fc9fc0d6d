import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StandbyView } from '../site/standbys.ts';
import { statusText } from '../site/status-text.ts';
import type { SiteStatus } from '../site/status.ts';
import { showLeases } from './views.ts';

const SEEN = new Date(2026, 10, 29, 12, 0, 5).getTime();
const standby: StandbyView = {
  process: 'there:7:0',
  urls: ['http://there:8080/'],
  links: ['there:8443'],
  startedAtMs: new Date(2026, 10, 28, 9, 0, 1).getTime(),
  seenAtMs: SEEN,
};

const status = (standbys: StandbyView[] | null): SiteStatus => ({
  site: 'muc',
  folder: '/data/sites/muc',
  url: null,
  health: null,
  partitions: null,
  standbys,
  members: null,
  restored: null,
  database: { problem: 'away' },
  keys: { authority: true, certificateUntilMs: null },
  standing: null,
});

test('README, Looking into it: the status of a site names its standbys, says that there is none, or that it is not known', () => {
  const clocks = 'since 2026-11-28 09:00:01, seen (2026-11-29 )?12:00:05';
  assert.match(statusText(status([standby])), new RegExp(`^standbys +there:7:0 at http://there:8080/ ${clocks}$`, 'm'));
  assert.match(
    statusText(status([{ ...standby, urls: [], startedAtMs: null }, standby])),
    /^standbys +there:7:0 seen [^;]+; there:7:0 at /m,
  );
  assert.match(statusText(status([])), /^standbys +none that can be reached$/m);
  assert.match(statusText(status(null)), /^standbys +unknown$/m);
});

test('README, Looking into it: the leases show who would take over', () => {
  const answer = { process: 'here:1:0', leases: [], epochs: [] };
  assert.match(
    showLeases({ ...answer, standbys: [standby] }),
    /^STANDBY +ADDRESS +SINCE +LAST SEEN\nthere:7:0 +http:\/\/there:8080\/ +2026-11-28 09:00:01 +(2026-11-29 )?12:00:05$/m,
  );
  assert.match(showLeases({ ...answer, standbys: [] }), /^no process stands by that can be reached$/m);
});
