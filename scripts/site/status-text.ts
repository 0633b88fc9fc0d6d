// The status of a site as people read it.
import { bold, dim, green, red, yellow } from '../start/screen.ts';
import { clock, duration, pairs, type Value } from '../inspect/table.ts';
import { showStandbys } from '../inspect/standbys.ts';
import type { SiteStatus } from './status.ts';

const processText = ({ database }: SiteStatus): Value => {
  if ('problem' in database) return { text: 'unknown', paint: yellow };
  if (database.lease === null) return { text: 'none is active', paint: red };
  const { process, host, remainingMs } = database.lease;
  return `${process} on ${host}, its lease ends in ${duration(remainingMs)}`;
};

const addressText = ({ url, health }: SiteStatus): Value => {
  if (url === null) return { text: 'not known here: --api URL', paint: dim };
  if (health === null) return { text: `${url} does not answer`, paint: red };
  const paint = health.status === 'healthy' ? green : health.status === 'unhealthy' ? red : yellow;
  return { text: `${url} ${health.status}${health.message === '' ? '' : `: ${health.message}`}`, paint };
};

function databaseLines({ database }: SiteStatus): Array<[string, Value]> {
  if ('problem' in database) return [['database', { text: database.problem, paint: red }]];
  const { server, host, migrations, rows, log, lastWriteMs, epochs } = database;
  const kept = Object.entries(rows).filter(([, count]) => count > 0);
  const sum = kept.reduce((all, [, count]) => all + count, 0);
  return [
    [
      'database',
      `${server} at ${host}, ${migrations.length} migrations, the last is ${migrations.at(-1)?.name ?? 'none'}`,
    ],
    ['rows', `${sum}: ${kept.map(([table, count]) => `${count} ${table}`).join(', ') || 'none'}`],
    ['log', `${log} entries${lastWriteMs === null ? '' : `, the last of ${clock(lastWriteMs)}`}`],
    ['epochs', epochs.map(({ scope, epoch }) => `${scope} ${epoch}`).join(', ') || 'none: never started'],
  ];
}

const membersText = ({ members }: SiteStatus): Value => {
  if (members === null) return { text: 'unknown', paint: yellow };
  if (members.length === 0) return 'no other site';
  const text = members.map(
    ({ site, up, roundTripMs }) => `${site} ${up ? `up ${duration(roundTripMs)}`.trim() : 'not reached'}`,
  );
  return { text: text.join(', '), paint: members.every(({ up }) => up) ? green : yellow };
};

/** Empty: no backup was restored, or all of it is settled. */
function restoredLines({ restored }: SiteStatus): Array<[string, Value]> {
  if (restored === null) return [];
  const waits = restored.missing?.length === 0 ? 'is being compared with the other sites' : undefined;
  const missing = restored.missing === null ? [] : [waits ?? `waits for ${restored.missing.join('; ')}`];
  const closed =
    restored.closedBlocks === 0
      ? []
      : [`global networks: blocks that give nothing out: ${restored.closedBlocks}; npm run -s site -- accept-loss`];
  const all = [...missing, ...closed];
  return all.length === 0 ? [] : [['restored', { text: all.join(', '), paint: yellow }]];
}

export function statusText(status: SiteStatus): string {
  const { keys, standing } = status;
  const certificate =
    keys.certificateUntilMs === null ? 'no certificate yet' : `certificate until ${clock(keys.certificateUntilMs)}`;
  return pairs([
    ['site', { text: status.site, paint: bold }],
    ['process', processText(status)],
    ['standbys', status.standbys === null ? { text: 'unknown', paint: yellow } : showStandbys(status.standbys)],
    ['address', addressText(status)],
    [
      'partitions',
      status.partitions === null ? { text: 'unknown', paint: yellow } : status.partitions.join(', ') || 'none yet',
    ],
    ['members', membersText(status)],
    ...restoredLines(status),
    ...databaseLines(status),
    ['folder', status.folder],
    ['keys', keys.authority ? certificate : { text: 'none: the site was never started', paint: red }],
    [
      'standing',
      standing === null
        ? { text: 'not written yet', paint: dim }
        : `incarnation ${standing.incarnation}, written ${clock(standing.atMs)}`,
    ],
  ]);
}
