// Whole sites in one process for tests: real actors over a store in memory, real links on loopback, through a cable that
// can be cut.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Asker } from '../../actors/asker.ts';
import { addressOf, siteScope, type Address, type Kind } from '../../actors/address.ts';
import type { DirectoryKind, DirectoryRecord } from '../../actors/directory/record.ts';
import { createPlant, granted, newNetwork, type Plant } from '../../actors/network/plant.fixture.ts';
import type { RowReader, World } from '../../actors/ports.ts';
import type { Ask, CommandName, Reply } from '../../actors/protocol.ts';
import { isRefusal, type Refusal } from '../../actors/refusal.ts';
import type { ClaimRecord } from '../../actors/registry/record.ts';
import { realWorld } from '../link/tls.fixture.ts';
import { openDirectoryCopy, type FilledCopy } from './directory-copy.ts';
import { createFederation, type Federation } from './federation.ts';
import { openIdentity, type SiteIdentity } from './identity.ts';
import { createJoinHost, type JoinHost } from './join.ts';
import { openSiteLinks, type SiteLinks } from './site-links.ts';

const world: World = { ...realWorld, uuid: () => randomUUID(), defer: (run) => void setImmediate(run) };

/** A TCP way to a port that can be cut. */
async function cable(target: () => number) {
  const open = new Set<Socket>();
  let isCut = false;
  const server = createServer((socket) => {
    if (isCut) {
      socket.destroy();
      return;
    }
    const onward = connect(target(), '127.0.0.1');
    for (const [one, other] of [
      [socket, onward],
      [onward, socket],
    ] as const) {
      open.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        open.delete(one);
        other.destroy();
      });
    }
    socket.pipe(onward).pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    cut(): void {
      isCut = true;
      for (const socket of open) socket.destroy();
    },
    heal(): void {
      isCut = false;
    },
    close(): void {
      for (const socket of open) socket.destroy();
      server.close();
    },
  };
}

export interface TestSite {
  readonly id: string;
  readonly partition: string;
  readonly folder: string;
  readonly plant: Plant;
  identity: SiteIdentity;
  copy: FilledCopy;
  federation: Federation;
  joins: JoinHost;
  ask<K extends Kind, C extends CommandName<K>>(to: Address<K>, name: C, body: Ask<K, C>): Reply<K, C> | Refusal;
  claims(): ClaimRecord[];
  /** Its database was restored, and not compared with the other sites. */
  isRestored: boolean;
  /** Hears what its actors are asked for others, and who waits for it. */
  onActors: (what: string, asker: Asker | undefined) => unknown;
  /** Hears what is odd; by default that fails the test. */
  onOdd: (what: string, error?: unknown) => void;
  /** Creates a size, as something that every site reads. */
  addSize(id: string, description?: string): DirectoryRecord;
  addNetwork(id: string, prefix: string, changes?: object): void;
  /** Ends the process. What was written stays. */
  stop(): Promise<void>;
  start(): Promise<void>;
  cut(): void;
  heal(): void;
  /** Ends everything for good. */
  close(): Promise<void>;
}

const directoryOf = (site: string, kind: DirectoryKind) => addressOf(siteScope(site), 'directory', kind);

export interface TestSiteOptions {
  /** Takes over the authority of that site, as if it had joined. */
  like?: TestSite;
  partition?: string;
  odd?: (what: string, error?: unknown) => void;
}

export async function openSite(id: string, options: TestSiteOptions = {}): Promise<TestSite> {
  const { partition = `p${id}` } = options;
  const folder = mkdtempSync(join(tmpdir(), `hanse-${id}-`));
  const plant = createPlant({ site: id, partitions: [partition] });
  const rows: Pick<RowReader, 'rows'> = {
    rows: async (table) => plant.store.live(table) as never,
  };
  const odd = (what: string, error?: unknown): void => site.onOdd(what, error);
  let port = 0;
  let links: SiteLinks;
  let read = 0;
  const way = await cable(() => port);
  const identify = (): Promise<SiteIdentity> =>
    openIdentity(folder, {
      site: id,
      partitions: [partition],
      hosts: ['127.0.0.1'],
      providerTenant: 'metal-stack',
      nowMs: () => Date.now(),
    });

  function pump(): void {
    const { log } = plant.store;
    while (read < log.length) {
      const entry = log[read++];
      const records = entry === undefined ? [] : site.copy.take(entry);
      if (records.length > 0) site.federation.committed(records);
    }
  }

  const refusalOf = (answer: unknown): Refusal | undefined => (isRefusal(answer) ? answer : undefined);
  const registry = addressOf(siteScope(id), 'registry', id);

  async function applyDirectory(entries: DirectoryRecord[]): Promise<Refusal | undefined> {
    for (const kind of new Set(entries.map((entry) => entry.kind))) {
      const own = entries.filter((entry) => entry.kind === kind);
      const refused = refusalOf(site.ask(directoryOf(id, kind), 'apply', { entries: own }));
      if (refused !== undefined) return refused;
    }
    return undefined;
  }

  async function start(): Promise<void> {
    site.identity = await identify();
    read = plant.store.log.length;
    site.copy = await openDirectoryCopy(rows, id);
    const claims = async (asker?: Asker) => {
      site.onActors('claims', asker);
      const answer = site.ask(registry, 'claims', { own: false });
      return isRefusal(answer) ? answer : answer.claims;
    };
    links = openSiteLinks({
      site: id,
      process: '1',
      incarnation: randomUUID(),
      identity: () => site.identity,
      world,
      odd,
    });
    site.federation = createFederation({
      site: id,
      links,
      world,
      copy: site.copy,
      actors: {
        applyDirectory,
        async promise(ask, asker) {
          site.onActors('promise', asker);
          return refusalOf(site.ask(registry, 'promise', { ...ask, partitions: [partition] }));
        },
        async settlePromise(ask, ...rest: unknown[]) {
          site.onActors('settle', rest[0] as Asker | undefined);
          return refusalOf(site.ask(registry, 'settle', { ...ask, partitions: [partition] }));
        },
        claims,
      },
      asks: {},
      isActive: () => true,
      isRestored: () => site.isRestored,
      odd,
    });
    site.joins = createJoinHost({
      site: id,
      folder,
      identity: site.identity,
      federation: site.federation,
      copy: site.copy,
      claims,
      adoptClaims: async (ask) => refusalOf(site.ask(registry, 'adopt', ask)),
      applyDirectory,
      vrfs: async () => plant.store.live('pool').map((row) => (row.value as { number: number }).number),
      partitions: () => [partition],
      addresses: () => [`127.0.0.1:${way.port}`],
      wallMs: () => Date.now(),
      odd,
    });
    for (const [kind, handler] of Object.entries(site.joins.asks)) site.federation.peering.onAsk(kind, handler);
    const listener = await links.listen({ host: '127.0.0.1', port: 0, join: site.joins.serve });
    port = listener.port;
    await site.joins.takeRoster();
  }

  const site = {
    id,
    partition,
    folder,
    plant,
    isRestored: false,
    onActors: (() => {}) as TestSite['onActors'],
    onOdd: options.odd ?? ((what, error) => assert.fail(`${id}: ${what} ${error instanceof Error ? error.stack : ''}`)),
    ask(to, name, body) {
      const answer = plant.ask(to, name, body);
      pump();
      return answer;
    },
    claims: () => granted(site.ask(registry, 'claims', { own: false })).claims,
    addSize(size, description = '') {
      const request = { id: size, name: size, description, constraints: [], labels: {} };
      const made = granted(site.ask(directoryOf(id, 'size'), 'create', { kind: 'size', request, facts: {} }));
      return made as DirectoryRecord;
    },
    addNetwork(network, prefix, changes = {}) {
      const asked = newNetwork(network, { partition: '', prefixes: [prefix], nat: true, ...changes });
      granted(site.ask(registry, 'createNetwork', { network: asked, h: `h-${network}`, partitions: [partition] }));
    },
    start,
    async stop() {
      site.federation.close();
      await links.close();
    },
    cut: () => way.cut(),
    heal: () => way.heal(),
    async close() {
      site.federation.close();
      await links.close();
      way.close();
      rmSync(folder, { recursive: true, force: true });
    },
  } as TestSite;

  if (options.like !== undefined) {
    const { authority, hmac, providerTenant } = options.like.identity;
    (await identify()).adopt({ authority, hmac, providerTenant });
  }
  await start();
  const member = {
    id,
    name: id,
    description: '',
    linkAddresses: [`127.0.0.1:${way.port}`],
    httpUrls: [],
  };
  granted(site.ask(directoryOf(id, 'member'), 'create', { kind: 'member', request: member, facts: {} }));
  const plot = {
    id: partition,
    name: '',
    description: '',
    bootConfig: { imageUrl: 'http://i', kernelUrl: 'http://k', commandLine: '' },
    mgmtServiceAddress: '',
    labels: {},
    dnsServers: [],
    ntpServers: [],
  };
  granted(site.ask(directoryOf(id, 'partition'), 'create', { kind: 'partition', request: plot, facts: {} }));
  return site;
}

/** Tells sites of one authority about each other, and waits until all links are up. */
export async function acquaint(sites: readonly TestSite[]): Promise<void> {
  for (const site of sites) {
    const entries = sites.flatMap((other) => other.copy.entriesOf(other.id).filter(({ kind }) => kind === 'member'));
    granted(site.ask(directoryOf(site.id, 'member'), 'apply', { entries }));
  }
  await linked(sites);
  await until('all partitions are known', () =>
    sites.every(({ copy }) => copy.list('partition').length === sites.length),
  );
}

export const linked = (sites: readonly TestSite[]): Promise<void> =>
  until('all links are up', () =>
    sites.every(({ federation }) => {
      const status = federation.status();
      return status.length === sites.length - 1 && status.every(({ up }) => up);
    }),
  );

export async function until(what: string, isSo: () => boolean, withinMs = 8_000): Promise<void> {
  for (const deadline = Date.now() + withinMs; !isSo();) {
    assert.ok(Date.now() < deadline, `${what}: not within ${withinMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
