// An audit for people: what was looked at, and what was found.
import type { AuditView } from '../site/audit.ts';
import { dim, green, red } from '../start/screen.ts';
import { duration, paragraphs } from './table.ts';

/** What an audit looked at: to be sound says no more than that. */
function lookedAt({ rows, memory }: AuditView): string {
  const log = rows.isWholeLog ? `all ${rows.log} log entries` : `the newest ${rows.log} log entries`;
  const not = [
    ...(memory.busy === 0 ? [] : [`${memory.busy} were busy`]),
    ...(memory.notCompared.length === 0 ? [] : [`${memory.notCompared.length} could not be compared`]),
    ...(memory.left === 0 ? [] : [`${memory.left} beyond the limit`]),
  ];
  const actors = `${memory.compared} actors in memory${not.length === 0 ? '' : ` (${not.join(', ')})`}`;
  return `all ${rows.live} rows, ${log}, ${actors}`;
}

export function showAudit(audit: AuditView): string {
  const { isSound, findings, more, memory, keys, tookMs } = audit;
  const beyond = Object.entries(more);
  const count = beyond.reduce((sum, [, others]) => sum + others, findings.length);
  return paragraphs(
    isSound
      ? `${green('sound: nothing is lost, nothing is given out twice')} in ${lookedAt(audit)}`
      : `${red(count === 1 ? '1 finding' : `${count} findings`)} in ${lookedAt(audit)}`,
    findings.join('\n'),
    beyond.length === 0 ? '' : `and more: ${beyond.map(([rule, others]) => `${others} of "${rule}"`).join(', ')}`,
    memory.notCompared.map((which) => `not compared: ${which}`).join('\n'),
    ...keys.twice.map(
      ({ identity, key, outcomes }) =>
        `the key "${key}" of ${identity} has an outcome at ${outcomes.length} sites: ${outcomes.map(({ site, request, thing }) => `${site} ${request} ${thing}`).join('; ')}`,
    ),
    keys.missing.length === 0 ? '' : `keys were not compared with ${keys.missing.join(', ')}, which can't be reached`,
    dim(duration(tookMs)),
  );
}
