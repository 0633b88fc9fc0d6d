// A small site in memory for tests of the edge: asks are answered by a script, rows and directory by what is put in.
import { addressText, siteScope, type Address, type Kind } from '../actors/address.ts';
import type { Family } from '../actors/ipam/address.ts';
import { onlyTells } from '../actors/command-class.ts';
import type { KeyedOutcome, RowFilter } from '../actors/ports.ts';
import type { Ask, CommandName } from '../actors/protocol.ts';
import type { Change, Row, RowOf, TableName } from '../actors/records.ts';
import { dryAnswer } from '../actors/runtime/dry-run.ts';
import { keyedTwice } from '../actors/runtime/keyed-twice.ts';
import { isRefusal, notFound, type Refusal } from '../actors/refusal.ts';
import { directoryBehaviour } from '../actors/directory/behaviour.ts';
import { byId } from '../actors/directory/entity.ts';
import type { DirectoryCommands } from '../actors/directory/messages.ts';
import type { DirectoryEntities, DirectoryKind, DirectoryRecord } from '../actors/directory/record.ts';
import type { IpRecord } from '../actors/network/record.ts';
import { standingOf, type Standing } from '../actors/network/standing.ts';
import type { Claim } from '../actors/registry/messages.ts';
import type { ClaimRecord } from '../actors/registry/record.ts';
import type { AddressPlace, NetworkPlace } from '../router/places.ts';
import { createOutcomes, outcomeName } from './outcomes.ts';
import { signRequest, type HmacUser } from './auth/hmac.ts';
import type { AskOptions, EdgeConfig, Health, Site } from './site.ts';

export interface Asked {
  to: Address;
  command: string;
  body: unknown;
  options: AskOptions;
}

/** Answers of the actors, by `<kind>.<command>`: the answer itself, or a function of what was asked. */
export type Script = Record<string, unknown>;

export interface TestSite extends Site {
  config: EdgeConfig;
  script: Script;
  /** All that was asked, in order. */
  asked: Asked[];
  stored: Row[];
  entries: DirectoryRecord[];
  networkPlaces: Map<string, NetworkPlace>;
  addressPlaces: Map<string, AddressPlace>;
  machinePlaces: Map<string, string>;
  switchPlaces: Map<string, string>;
  /** Other sites and what each answers to a kind of question. */
  members: Map<string, (kind: string, body: unknown) => unknown>;
  proposals: Array<{ h: string; claims: Claim[]; made?: boolean | undefined }>;
  /** What the others were freed of. */
  released: Array<readonly ClaimRecord[] | undefined>;
  /** What the next proposals are answered with. */
  proposalRefusal: Refusal | undefined;
  spread: DirectoryRecord[];
  /** Networks that the partitions were told of again. */
  leased: string[];
  hostedNow: string[];
  /** Outcomes of asks that had a key and changed something, by `outcomeName`. */
  kept: Map<string, KeyedOutcome>;
  healthNow: Health;
}

/** 2026-11-23T12:00:00Z; the clock of a test site stands there. */
export const TEST_NOW_MS = Date.UTC(2026, 10, 23, 12);
export const TEST_KEYS: Record<HmacUser, string> = {
  'Metal-View': 'view-key',
  'Metal-Edit': 'edit-key',
  'Metal-Admin': 'admin-key',
};

const testConfig = (): EdgeConfig => ({
  hmac: {
    'Metal-View': { key: TEST_KEYS['Metal-View'], lifetimeMs: 30_000 },
    'Metal-Edit': { key: TEST_KEYS['Metal-Edit'], lifetimeMs: 30_000 },
    'Metal-Admin': { key: TEST_KEYS['Metal-Admin'], lifetimeMs: 90_000 },
  },
  providerTenant: 'metal-stack',
  version: 'v0.43.2',
  minClientVersion: 'v0.18.1',
  passwordReasonMinLength: 0,
  superUserPassword: '',
  probeAllow: [],
  basePath: '/',
});

const fits = (row: Row, table: TableName, filter: RowFilter): boolean => {
  if (row.table !== table) return false;
  const value = row.value as { project?: string; address?: string };
  return (
    (filter.scopes?.includes(row.scope) ?? true) &&
    (filter.owners?.includes(row.owner) ?? true) &&
    (filter.keys?.includes(row.key) ?? true) &&
    (filter.project === undefined || value.project === filter.project) &&
    (filter.standing === undefined || filter.standing.includes(standingOf(row.value as IpRecord) as Standing)) &&
    (filter.addresses === undefined || filter.addresses.includes(value.address ?? ''))
  );
};

/** The row of a value, under the owner and key that the tests mean. */
export const rowOf = <T extends TableName>(
  table: T,
  scope: Row['scope'],
  owner: string,
  key: string,
  value: RowOf<T>['value'],
): Row => ({ table, scope, key, owner, version: 1, value }) as Row;

export const entryOf = <K extends DirectoryKind>(kind: K, entity: DirectoryEntities[K], home = 'a'): DirectoryRecord =>
  ({
    kind,
    id: entity.id,
    home,
    revision: 1,
    created: { wallMs: TEST_NOW_MS, counter: 0, site: home },
    entity,
  }) as DirectoryRecord;

/** Site `a`, which hosts partition `p`; nothing is in it. */
export function createTestSite(script: Script = {}): TestSite {
  let uuids = 0;
  const find = (kind: DirectoryKind, id: string) =>
    site.entries.find((entry) => entry.kind === kind && entry.id === id && entry.entity !== null);
  const site: TestSite = {
    id: 'a',
    config: testConfig(),
    script,
    asked: [],
    stored: [],
    entries: [],
    networkPlaces: new Map(),
    addressPlaces: new Map(),
    machinePlaces: new Map(),
    switchPlaces: new Map(),
    members: new Map(),
    proposals: [],
    released: [],
    proposalRefusal: undefined,
    spread: [],
    leased: [],
    hostedNow: ['p'],
    kept: new Map(),
    outcomes: createOutcomes(async (identity, key) => site.kept.get(outcomeName(identity, key))),
    healthNow: { status: 'healthy', message: '', services: {} },
    wallMs: () => TEST_NOW_MS,
    uuid: () => `00000000-0000-7000-8000-${String(++uuids).padStart(12, '0')}`,
    ask: async <K extends Kind, C extends CommandName<K>>(
      to: Address<K>,
      command: C,
      body: Ask<K, C>,
      options: AskOptions,
    ) => {
      const asked: Asked = { to, command, body, options };
      site.asked.push(asked);
      const scripted = `${to.kind}.${command}`;
      if (!(scripted in site.script)) {
        return notFound(`the script of the test has no answer of ${addressText(to)} ${scripted}`);
      }
      const answer = site.script[scripted];
      const { key } = options;
      const name = key && !onlyTells(to.kind, command) ? outcomeName(key.identity, key.key) : undefined;
      // A script that answers may have changed what it is about, a store that refuses has not.
      if (name !== undefined && site.kept.has(name)) return keyedTwice(command);
      const reply: unknown = typeof answer === 'function' ? await (answer as (asked: Asked) => unknown)(asked) : answer;
      if (name !== undefined && !isRefusal(reply)) {
        site.kept.set(name, { ...key!, operation: site.uuid(), reply: structuredClone(reply), atMs: TEST_NOW_MS });
      }
      return reply;
    },
    rows: {
      rows: async (table, filter = {}) => site.stored.filter((row) => fits(row, table, filter)) as never,
      portions: async (table, filter, each) => {
        const found = await site.rows.rows(table, filter);
        for (let from = 0; from < found.length; from += 500) each(found.slice(from, from + 500));
      },
      count: async (table, filter) => (await site.rows.rows(table, filter)).length,
      countHeld: async (scopes, networks) => {
        const counts = new Map<string, Record<Family, number>>();
        for (const { owner, value } of await site.rows.rows('ip', { scopes, owners: networks })) {
          if (!['lent', null].includes(standingOf(value))) continue;
          const count = counts.get(owner) ?? { IPv4: 0, IPv6: 0 };
          count[value.address.includes(':') ? 'IPv6' : 'IPv4']++;
          counts.set(owner, count);
        }
        return counts;
      },
      countByOwner: async (table, scope) => {
        const counts = new Map<string, number>();
        for (const row of site.stored) {
          if (row.table === table && row.scope === scope) counts.set(row.owner, (counts.get(row.owner) ?? 0) + 1);
        }
        return counts;
      },
    },
    directory: {
      get: (kind, id) => find(kind, id)?.entity as never,
      entry: (kind, id) => find(kind, id) as never,
      list: (kind) =>
        site.entries
          .filter((entry) => entry.kind === kind && entry.entity !== null)
          .map((entry) => entry.entity!)
          .sort(byId) as never,
    },
    places: {
      machine: (id) => site.machinePlaces.get(id),
      switch: (id) => site.switchPlaces.get(id),
      network: (id) => site.networkPlaces.get(id),
      address: (text) => site.addressPlaces.get(text),
      partition: (id) => (site.hostedNow.includes(id) ? 'a' : undefined),
      passing: () => undefined,
      hosted: () => [...site.hostedNow],
    },
    federation: {
      others: () => [...site.members.keys()],
      askOthers: async (kind, body) =>
        new Map([...site.members].map(([member, answer]) => [member, answer(kind, body)])),
      askOther: async (member, kind, body) => site.members.get(member)!(kind, body),
      propose: async (h, claims) => {
        if (isRefusal(site.proposalRefusal)) return site.proposalRefusal;
        site.proposals.push({ h, claims });
        return undefined;
      },
      settle: async (h, made) => {
        const proposal = site.proposals.find((candidate) => candidate.h === h);
        if (proposal !== undefined) proposal.made = made;
      },
      release: async (claims) => void site.released.push(claims),
      spread: async (record) => void site.spread.push(record),
    },
    health: async () => site.healthNow,
    onCommitted: () => () => undefined,
    onBusMessage: () => () => undefined,
    recallBlocks: async () => ({ missing: [], isCalled: true }),
    leaseBlocks: (network) => void site.leased.push(network),
    refuseFenced: () => undefined,
    withoutBlocks: async (_partition, act) => await act(),
    host: async (partition) => void site.hostedNow.push(partition),
  };
  return site;
}

/** Headers of a well-signed request of the test site's time. */
export const signed = (user: HmacUser, method: string): Record<string, string> =>
  signRequest(user, TEST_KEYS[user], method, TEST_NOW_MS, 'abcdefghijklmnopqrstuvwx');

/** A request as metalctl sends it. */
export const asUser = (user: HmacUser, method: string, body?: unknown): RequestInit => ({
  method,
  headers: {
    ...signed(user, method),
    accept: 'application/json',
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
  },
  ...(body === undefined ? {} : { body: typeof body === 'string' ? body : `${JSON.stringify(body)}\n` }),
});

/** What a double-encoded error says. */
export const errorOf = async (response: Response): Promise<{ statuscode: number; message: string }> =>
  JSON.parse((await response.json()) as string) as { statuscode: number; message: string };

/** Lets the directory's own actor answer creates, updates and deletes, over the entries of the test. */
export function withDirectory(site: TestSite): TestSite {
  const scope = siteScope(site.id);
  const answer = ({ to, command, body, options }: Asked): unknown => {
    const state = directoryBehaviour.create(to.id, scope);
    for (const entry of site.entries) {
      if (entry.kind !== to.id) continue;
      const key = `${entry.kind}|${entry.id}`;
      const change: Change = { table: 'directory', scope, key, owner: to.id, prev: 0, version: 1, value: entry };
      directoryBehaviour.evolve(state, change);
    }
    const handler = directoryBehaviour.commands[command as keyof DirectoryCommands] as (
      ...parameters: unknown[]
    ) => Refusal | { reply: unknown; changes?: Change[] };
    const context = {
      scope,
      id: to.id,
      nowMs: TEST_NOW_MS,
      who: options.who,
      uuid: () => site.uuid(),
      version: () => 2,
    };
    const decided = handler(state, body, context);
    if (isRefusal(decided)) return decided;
    if (options.dry) return dryAnswer(decided.reply, decided.changes ?? []);
    for (const { table, value } of decided.changes ?? []) {
      if (table !== 'directory' || value === null) continue;
      site.entries = [...site.entries.filter(({ kind, id }) => kind !== value.kind || id !== value.id), value];
    }
    return decided.reply;
  };
  for (const command of ['create', 'update', 'delete']) site.script[`directory.${command}`] = answer;
  return site;
}

export interface TestClient {
  (user: HmacUser, method: string, path: string, body?: unknown): Promise<{ status: number; body: unknown }>;
}

/** Calls an app as a client does; an error's body is decoded twice, as metal-go does. */
export const clientOf =
  (app: { request(path: string, init: RequestInit): Response | Promise<Response> }): TestClient =>
  async (user, method, path, body) => {
    const response = await app.request(path, asUser(user, method, body));
    const decoded: unknown = await response.json();
    const isEncoded = response.status >= 400 && typeof decoded === 'string' && decoded.startsWith('{');
    return { status: response.status, body: isEncoded ? (JSON.parse(decoded) as unknown) : decoded };
  };
