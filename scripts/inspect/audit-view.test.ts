import assert from 'node:assert/strict';
import { stripVTControlCharacters } from 'node:util';
import { test } from '../../storage/testing/register.ts';
import type { AuditView } from '../site/audit.ts';
import { showAudit } from './audit-view.ts';

const sound: AuditView = {
  site: 'muc',
  isSound: true,
  findings: [],
  more: {},
  rows: { live: 200_000, log: 20_000, isWholeLog: false },
  memory: { compared: 500, busy: 2, left: 1_200, notCompared: [] },
  keys: { compared: 0, missing: [], twice: [] },
  tookMs: 1_000,
};
const linesOf = (audit: AuditView): string[] => stripVTControlCharacters(showAudit(audit)).split('\n');

test('an audit is called sound in what it looked at, in one line', () => {
  assert.equal(
    linesOf(sound)[0],
    'sound: nothing is lost, nothing is given out twice in all 200000 rows, the newest 20000 log entries, 500 actors in memory (2 were busy, 1200 beyond the limit)',
  );
  const whole = {
    ...sound,
    rows: { live: 7, log: 9, isWholeLog: true },
    memory: { compared: 1, busy: 0, left: 0, notCompared: [] },
  };
  assert.match(linesOf(whole)[0]!, / in all 7 rows, all 9 log entries, 1 actors in memory$/);
});

test('what could not be compared is said beside what is sound, with why', () => {
  const notCompared = [
    "partition:p/network/n: rows of partition:p can't be loaded: timeout",
    'shard 2: it was started again',
  ];
  const lines = linesOf({ ...sound, memory: { compared: 7, busy: 0, left: 0, notCompared } });
  assert.match(lines[0]!, /^sound: .* 7 actors in memory \(2 could not be compared\)$/);
  for (const which of notCompared) assert.ok(lines.includes(`not compared: ${which}`));
});

test('findings are counted with those that are not listed, which are named by their rule', () => {
  const findings = ['fold: one', 'pool leak: two'];
  const lines = linesOf({ ...sound, isSound: false, findings, more: { fold: 98 } });
  assert.match(lines[0]!, /^100 findings in all 200000 rows/);
  assert.ok(lines.includes('and more: 98 of "fold"'));
});
