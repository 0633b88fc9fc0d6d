// What must hold, looked at while a run goes on and at its end (reliability.md §4, §5).
import type { Group, LogEntry } from '../../actors/ports.ts';
import type { Change } from '../../actors/records.ts';
import { uniqueKeys } from '../../actors/runtime/store-model/constraints.ts';
import { audit } from '../../storage/audit/index.ts';
import { checkHistory } from '../process/linear.ts';
import type { Clients } from './clients.ts';
import type { Database } from './database.ts';
import type { Invariant } from './invariants.ts';
import { judgeable } from './judgeable.ts';
import { rowsOf } from './rows.ts';
import type { SiteProcess } from './site-process.ts';
import type { Universe } from './universe.ts';

/** Watches every group in the moment it is written. */
export function watchDatabase(universe: Universe, database: Database, shared: Watched): void {
  const { model, site } = database;
  const highest = new Map<string, number>();
  const versions = new Map<string, number>();
  const last = new Map<string, number>();
  const operations = shared.operations;

  model.onWritten((group: Group) => {
    universe.note(`${site} written`, () =>
      group.entries.map(({ what, n, epoch, shard }) => `${what} ${shard}/${epoch}/${n}`).join(', '),
    );
    for (const { scope, shard, epoch } of group.fences) {
      const name = `${scope}/${shard}`;
      const owner = model.epochs.get(name) ?? 0;
      const known = Math.max(highest.get(name) ?? 0, owner);
      if (epoch < known)
        universe.violate('I07', `${site}: a group of epoch ${epoch} of ${name} was written, which is at ${known}`);
      highest.set(name, known);
    }
    for (const { what } of group.entries) if (what === 'network.takeBack') universe.met('block taken back');
    for (const { table, scope, key, version } of group.changes) {
      const name = `${table}:${scope}:${key}`;
      const before = versions.get(name) ?? -1;
      if (version <= before) universe.violate('I06', `${site}: ${name} went from version ${before} to ${version}`);
      versions.set(name, version);
    }
    for (const { scope, shard, epoch, n, operation, what } of group.entries) {
      const stream = `${scope}/${shard}/${epoch}`;
      const before = last.get(stream) ?? 0;
      if (n !== before + 1) universe.violate('I14', `${site}: entry ${n} of ${stream} came after ${before}`);
      last.set(stream, n);
      shared.tails.set(`${site} ${stream}`, n);
      const twice = operations.get(operation);
      if (twice !== undefined)
        universe.violate('I10', `${what} ${operation} was written twice: ${twice} and ${stream}/${n}`);
      operations.set(operation, `${stream}/${n}`);
    }
    for (const change of group.changes) {
      const name = `${site}:${change.table}:${change.scope}:${change.key}`;
      for (const key of shared.keysOf.get(name) ?? []) if (shared.holders.get(key) === name) shared.holders.delete(key);
      shared.keysOf.delete(name);
    }
    // A restored partition hears of an address that it had borrowed: the row is there again, and nobody is told of it.
    const isHeard = group.entries.every(({ what }) => what === 'block.reconcile');
    for (const change of group.changes) {
      const name = `${site}:${change.table}:${change.scope}:${change.key}`;
      const keys = [...uniqueKeys(change), ...claimedKeys(change, site)];
      if (keys.length === 0) continue;
      shared.keysOf.set(name, keys);
      for (const key of keys) {
        const other = shared.holders.get(key);
        if (other !== undefined && other !== name && !(isHeard && other === `lost:${name}`)) {
          const invariant =
            change.table === 'ip'
              ? 'I01'
              : change.table === 'prefix'
                ? 'I05'
                : change.table === 'claim'
                  ? 'I13'
                  : 'I03';
          universe.violate(invariant, `${key} is of ${other} and of ${name}`);
        }
        shared.holders.set(key, name);
      }
    }
  });
}

/** What a site claims of what must be unique over all of them (design.md §11). */
export function claimedKeys(change: Change, site: string): string[] {
  if (change.table !== 'claim' || change.value === null) return [];
  const { what, value, state, site: owner } = change.value;
  const isOver = state !== 'owned' || owner !== site || !['prefix', 'network', 'partition'].includes(what);
  return isOver ? [] : [`claim:${what} ${value}`];
}

/** Over all sites, at every moment. */
export interface Watched {
  /** Unique key → row that occupies it. */
  holders: Map<string, string>;
  keysOf: Map<string, string[]>;
  operations: Map<string, string>;
  /** Site and stream → number of its last entry. */
  tails: Map<string, number>;
}
export const createWatched = (): Watched => ({
  holders: new Map(),
  keysOf: new Map(),
  operations: new Map(),
  tails: new Map(),
});

/**
 * What a process hears of its log (I14): of each stream in order, none twice, none skipped; and nothing of an epoch before
 * all that the ones before it wrote.
 */
export function watchStreams(
  universe: Universe,
  site: string,
  name: string,
  { tails }: Watched,
): (entry: LogEntry) => void {
  const heard = new Map<string, { epoch: number; n: number }>();
  return ({ scope, shard, epoch, n }) => {
    const shardName = `${scope}/${shard}`;
    const written = (of: number): number => tails.get(`${site} ${shardName}/${of}`) ?? 0;
    const before = heard.get(shardName);
    const last = before?.epoch === epoch ? before.n : 0;
    if (n !== last + 1)
      universe.violate('I14', `${name} heard entry ${n} of ${shardName}/${epoch} after ${last === 0 ? 'none' : last}`);
    for (let ended = before?.epoch ?? epoch; ended < epoch; ended++) {
      const told = ended === before!.epoch ? before!.n : 0;
      if (written(ended) !== told)
        universe.violate(
          'I14',
          `${name} heard of ${shardName}/${epoch} after ${told} of the ${written(ended)} entries of ${shardName}/${ended}`,
        );
    }
    heard.set(shardName, { epoch, n });
  };
}

export interface Federated {
  sites: readonly string[];
  /** Things of which a restored backup knows something else than clients were told. */
  lost: ReadonlySet<string>;
  shards: number;
  databases: readonly Database[];
  processesOf(site: number): readonly SiteProcess[];
  clients: Clients;
}

/** I20: why it is not quiet yet; undefined when it is. Cheap enough to be asked again and again. */
export function unrest({ sites, databases, processesOf, clients }: Federated): string | undefined {
  if (clients.open.length > 0) return `not over: ${clients.open.slice(0, 5).join(', ')}`;
  const copies: string[] = [];
  for (const [index, site] of sites.entries()) {
    // It believes to be active until it wakes, and what it is asked meanwhile dies with it.
    if (processesOf(index).some(({ main }) => main.isStalled)) return `a process of site ${site} stands still`;
    const active = processesOf(index).filter((process) => process.isServing);
    if (active.length !== 1) return `site ${site} has ${active.length} active processes`;
    // Or it has not heard yet that it lost the lease, and will end.
    const holder = databases[index]!.tables.leases.get(site)?.process;
    if (holder !== active[0]!.main.name) return `the active process of site ${site} is about to end`;
    const { federation, blocks, copy } = active[0]!.active!;
    const down = federation.status().filter(({ up }) => !up);
    if (down.length > 0) return `site ${site} has no link to ${down.map((one) => one.site).join(', ')}`;
    if (blocks.open > 0) return `${blocks.open} pieces of work of the blocks of site ${site} are open`;
    const records = sites
      .flatMap((home) => copy.entriesOf(home))
      .map(({ kind, id, home, revision }) => `${kind}|${id}|${home}|${revision}`);
    copies.push(records.sort().join('\n'));
    const claims = databases[index]!.model.live('claim').filter(
      (row) => (row.value as { state: string }).state === 'promised',
    );
    for (const claim of claims) {
      const {
        site: proposer,
        h,
        what,
        value,
      } = claim.value as { site: string; h: string; what: string; value: string };
      const home = databases[sites.indexOf(proposer)];
      const isOwned = home?.model.live('claim').some((row) => (row.value as { h: string; state: string }).h === h);
      if (isOwned !== true)
        return `site ${site} still keeps ${what} ${value} promised to ${proposer}, which has not made it`;
    }
  }
  for (const copy of copies.slice(1)) {
    if (copy === copies[0]) continue;
    const [one, other] = [copies[0]!.split('\n'), copy.split('\n')];
    const differing = [
      ...one.filter((entry) => !other.includes(entry)),
      ...other.filter((entry) => !one.includes(entry)),
    ];
    return `the copies of the directory differ in ${differing.slice(0, 6).join(', ')}`;
  }
  return undefined;
}

/** Memory against rows, and the audit of the rows: invariant and sentence of each finding. */
async function look({ sites, databases, processesOf, shards }: Federated): Promise<Array<[Invariant, string]>> {
  const found: Array<[Invariant, string]> = [];
  for (const [index, site] of sites.entries()) {
    const active = processesOf(index).find((process) => process.isServing)?.active;
    if (active === undefined) return [['I20', `site ${site} is not active`]];
    const { host } = active;
    const memory = await host.auditMemory(10_000);
    for (const finding of memory.findings) found.push(['I06', `${finding} [site ${site}]`]);
    for (const which of memory.notCompared) found.push(['I20', `${which}: not compared with its rows [site ${site}]`]);
    if (memory.busy > 0) {
      const states = await Promise.all(Array.from({ length: shards }, (_, shard) => host.inspect(shard, null)));
      const busy = JSON.stringify(busyOf(states));
      found.push([
        'I20',
        `${memory.busy} actors of site ${site} are never idle (a reservation, or waiting mail): ${busy}`,
      ]);
    }
  }
  const rows = sites.map((site, index) => rowsOf(site, databases[index]!.model));
  for (const violation of audit(rows, { isQuiet: true })) found.push([invariantOf(violation), violation]);
  return found;
}

/**
 * A machine that was freed after the backup is allocated again, and its address may be somebody else's since: no site can
 * tell which of the two is to go. The audit says it to the operator, and to free the machine takes that address from nobody.
 */
function isBackAgain(what: string, lost: ReadonlySet<string>): boolean {
  const [, machine, address] =
    /^allocation address: .* of machine (\S+) .* has (\S+), which does not name it/.exec(what) ?? [];
  if (machine === undefined) return false;
  return lost.has(`machine ${machine}`) && [...lost].some((thing) => thing.endsWith(` ${address}`));
}

/** Everything that can be looked at when all is quiet. */
export async function judge(universe: Universe, federated: Federated): Promise<void> {
  const { clients, lost } = federated;
  let found = await look(federated);
  // What happens by time, e.g. the look at machines that fell silent, may be under way at any moment; at even intervals it
  // would be met again and again.
  for (let tries = 0; found.length > 0 && tries < 12; tries++) {
    await new Promise<void>((resolve) => void universe.after(700 + 90 * tries, resolve));
    found = await look(federated);
  }
  for (const [invariant, what] of found) if (!isBackAgain(what, lost)) universe.violate(invariant, what);
  // Who frees what a restored site has given to somebody else since is refused, and rightly.
  const strange = clients.strange.find(({ about }) => !lost.has(about));
  if (strange !== undefined) universe.violate('I15', strange.told);
  for (const why of checkHistory(judgeable(clients.history.operations, lost)))
    universe.violate('I06', `no order of the answers explains them: ${why}`);
}

function busyOf(states: readonly unknown[]): unknown[] {
  return states.flatMap((state) => {
    const cells = (state as { cells?: Array<Record<string, unknown>> } | null)?.cells ?? [];
    return cells.filter(
      (cell) => cell['status'] !== 'idle' || cell['held'] !== 0 || cell['waiting'] !== 0 || cell['inbox'] !== 0,
    );
  });
}

/** Names of rules of the audit by the invariant that they stand for. */
export function invariantOf(violation: string): Invariant {
  const rule = violation.slice(0, violation.indexOf(':'));
  if (rule.startsWith('address twice')) return 'I01';
  if (rule.startsWith('address')) return 'I02';
  if (rule.startsWith('block') || rule.startsWith('loan')) return 'I03';
  if (rule.startsWith('allocation')) return 'I04';
  if (rule.startsWith('pool') || rule.startsWith('port') || rule.startsWith('prefix')) return 'I05';
  if (rule.startsWith('log')) return 'I14';
  if (rule.startsWith('fold')) return 'I17';
  if (rule.startsWith('scope')) return 'I07';
  return 'I12';
}
