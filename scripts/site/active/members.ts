// This site among the others: its word for them and theirs for it, the directory spread, blocks handed over, new members.
import { join } from 'node:path';
import { addressOf, siteScope } from '../../../actors/address.ts';
import type { DirectoryRecord } from '../../../actors/directory/record.ts';
import type { LogEntry } from '../../../actors/ports.ts';
import { isRefusal, type Refusal } from '../../../actors/refusal.ts';
import type { Site } from '../../../http/site.ts';
import { createBlockDriver, type BlockDriver } from '../../../router/federation/blocks.ts';
import type { FilledCopy } from '../../../router/federation/directory-copy.ts';
import { createFederation, type Federation, type HomeActors } from '../../../router/federation/federation.ts';
import type { JoinHost } from '../../../router/federation/join.ts';
import type { AskHandler } from '../../../router/link/serve.ts';
import type { Places } from '../../../router/places.ts';
import { faultAt } from '../fault.ts';
import type { Ground } from '../ground.ts';
import { applyDirectory, createJoins } from '../joins.ts';

export interface MembersParts {
  ask: Site['ask'];
  places: Pick<Places, 'hosted'>;
  copy: FilledCopy;
  /** What is served to the others besides, by kind. */
  asks: Record<string, AskHandler>;
  /** The database was restored from a backup, and not compared with the other sites yet. */
  isRestored: boolean;
  /** It was. */
  compared(): void;
}

export interface Members {
  readonly federation: Federation;
  readonly blocks: BlockDriver;
  /** As operations need it: what is spread can be used by the partitions here, too. */
  readonly forEdge: Site['federation'];
  /** Every committed entry. */
  committed(entry: LogEntry): void;
}

const asSystem = { who: 'hanse' };

export function openMembers(
  ground: Pick<Ground, 'config' | 'life' | 'lease' | 'links' | 'store' | 'world' | 'odd'>,
  { ask, places, copy, asks, isRestored, compared }: MembersParts,
): Members {
  const { life, lease, links, store, world, odd } = ground;
  const { site } = ground.config;

  /** A global network is known here once the partitions can give its addresses out. */
  const adopted = (records: readonly DirectoryRecord[]): Promise<void> =>
    blocks.adopted(records.filter(({ kind }) => kind === 'globalnetwork').map(({ id }) => id));

  const federation = createFederation({
    site,
    links,
    world,
    copy,
    actors: homeActors(site, { ask, places, adopted }),
    asks,
    isActive: () => !life.isEnding && lease.isHeld(),
    isRestored: () => blocks.restored !== null,
    odd,
  });

  const step = faultAt(process.env['HANSE_FAULT']);
  const blocks = createBlockDriver({
    ...(step && { step }),
    isRestored,
    compared,
    site,
    world,
    rows: store,
    copy,
    ask: (to, command, body, asker) => ask(to, command, body, { ...asSystem, asker }),
    federation,
    hosted: () => places.hosted(),
    odd,
  });
  for (const [kind, handler] of Object.entries(blocks.asks)) federation.peering.onAsk(kind, handler);

  return {
    federation,
    blocks,
    forEdge: {
      ...federation,
      spread: async (record) => void (await Promise.all([federation.spread(record), adopted([record])])),
    },
    committed(entry) {
      const records = copy.take(entry);
      if (records.length > 0) federation.committed(records);
      blocks.committed(entry);
    },
  };
}

interface HomeParts extends Pick<MembersParts, 'ask' | 'places'> {
  /** Waits until the partitions here know of these entries. */
  adopted(records: readonly DirectoryRecord[]): Promise<void>;
}

/** What the actors of this site do for the others. */
export function homeActors(site: string, { ask, places, adopted }: HomeParts): HomeActors {
  const registry = addressOf(siteScope(site), 'registry', site);
  const refusalOf = (answer: unknown): Refusal | undefined => (isRefusal(answer) ? answer : undefined);
  return {
    async applyDirectory(entries, asker) {
      const refused = await applyDirectory({ id: site, ask }, entries, asker);
      if (refused === undefined) await adopted(entries);
      return refused;
    },
    promise: async (body, asker) =>
      refusalOf(await ask(registry, 'promise', { ...body, partitions: places.hosted() }, { ...asSystem, asker })),
    settlePromise: async (body) =>
      refusalOf(await ask(registry, 'settle', { ...body, partitions: places.hosted() }, asSystem)),
    async claims(asker) {
      const answer = await ask(registry, 'claims', { own: false }, { ...asSystem, asker });
      return isRefusal(answer) ? answer : answer.claims;
    },
  };
}

/** How sites come to be members: served on the links, and on the join path of their port. */
export function openJoins(
  ground: Pick<Ground, 'config' | 'identity' | 'reachedAt' | 'answerJoins' | 'odd'>,
  { site, federation, copy }: { site: Site; federation: Federation; copy: FilledCopy },
): JoinHost {
  const joins = createJoins({
    site,
    folder: join(ground.config.folder, 'identity'),
    identity: ground.identity,
    federation,
    copy,
    addresses: () => ground.reachedAt.links,
    odd: ground.odd,
  });
  for (const [kind, handler] of Object.entries(joins.asks)) federation.peering.onAsk(kind, handler);
  ground.answerJoins((request, response) => joins.serve(request, response));
  return joins;
}
