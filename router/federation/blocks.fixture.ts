// Sites of one partition each for tests of blocks and loans: real actors, a wire that loses, doubles and delays.
import assert from 'node:assert/strict';
import { withinOf, type Asker } from '../../actors/asker.ts';
import { addressOf, partitionScope, siteScope, type Address, type Kind } from '../../actors/address.ts';
import type { BlockRecord } from '../../actors/block/record.ts';
import type { DirectoryRecord } from '../../actors/directory/record.ts';
import { contains, parsePrefix } from '../../actors/ipam/prefix.ts';
import { parseAddress } from '../../actors/ipam/address.ts';
import type { IpRequest, NetworkPatch } from '../../actors/network/messages.ts';
import type { IpRecord } from '../../actors/network/record.ts';
import { isInUseHere, standingOf } from '../../actors/network/standing.ts';
import { createPlant, granted, newNetwork, type Plant } from '../../actors/network/plant.fixture.ts';
import type { RowReader } from '../../actors/ports.ts';
import type { Ask, CommandName, Reply } from '../../actors/protocol.ts';
import type { Refusal } from '../../actors/refusal.ts';
import { seededRandom } from '../../actors/runtime/virtual-world.ts';
import { linkFailure } from '../link/failure.ts';
import type { Peer } from '../link/link.ts';
import { askerFor } from '../link/serve.ts';
import { createBlockDriver, type BlockDriver, type BlockStep } from './blocks.ts';
import { isDeletedHere } from './blocks-ports.ts';
import { openDirectoryCopy, type FilledCopy } from './directory-copy.ts';

/** Longest time of an actor's answer. */
const ASK_MS = 5_000;

/** What may happen to a message between sites. */
interface Weather {
  lose: number;
  duplicate: number;
  /** Longest delay of one way. */
  delayMs: number;
  /** Sites that nobody reaches. */
  cut: Set<string>;
}

export interface Spot {
  id: string;
  partition: string;
  plant: Plant;
  copy: FilledCopy;
  driver: BlockDriver;
  /** A new process: new memory, the same rows. */
  restart(): Promise<void>;
  backup(): unknown;
  /** A new process on the rows of a backup, with epochs above all that were (design.md §12). */
  restoreFrom(backup: unknown): Promise<void>;
}

/** Sites of one partition each, `a` being home of the network; real actors, one virtual clock in steps of a millisecond. */
export async function league(
  prefix: string,
  {
    sites = ['a', 'b'],
    seed = 1,
    labels = {} as Record<string, string>,
    onStep = (_site: string, _name: BlockStep): void => {},
  } = {},
) {
  const random = seededRandom(seed);
  const weather: Weather = { lose: 0, duplicate: 0, delayMs: 1, cut: new Set() };
  const spots = new Map<string, Spot>();
  const odd: string[] = [];
  const asked: Array<{ to: string; kind: string; body: unknown; from: string }> = [];
  const waiting = new Set<() => boolean>();
  let read = new Map<string, number>();

  const of = (id: string): Spot => spots.get(id) as Spot;
  const firstWorld = () => (spots.values().next().value as Spot).plant.world;
  const peerOf = (id: string): Peer => ({
    kind: 'site',
    site: id,
    partitions: [`p${id}`],
    name: id,
    process: '1',
    incarnation: '1',
    fingerprint: '',
    greeting: undefined,
  });

  const ask = <K extends Kind, C extends CommandName<K>>(
    plant: Plant,
    to: Address<K>,
    command: C,
    body: Ask<K, C>,
    asker?: Asker,
  ): Promise<Reply<K, C> | Refusal> =>
    new Promise((resolve) => {
      const answer = plant.start(to, command, body, withinOf(asker, ASK_MS));
      waiting.add(() => {
        const value = answer();
        if (value !== undefined) resolve(value);
        return value !== undefined;
      });
    });

  /** The wire: answers are lost after the handler ran as often as questions before. */
  const send = (from: string, to: string, kind: string, body: unknown, deadlineMs: number): Promise<unknown> =>
    new Promise((resolve, reject) => {
      if (weather.cut.has(from) || weather.cut.has(to)) {
        return reject(linkFailure('LinkDown', `site ${to} can't be reached`));
      }
      asked.push({ from, to, kind, body });
      const world = firstWorld();
      world.after(deadlineMs, () => reject(linkFailure('Deadline', `${kind}: no answer`)));
      const arrive = (): void => {
        const asker = askerFor(deadlineMs, () => world.monotonicMs());
        void (async () => {
          try {
            const reply = await of(to).driver.asks[kind]?.(structuredClone(body), peerOf(from), asker);
            if (random() < weather.lose || weather.cut.has(from) || weather.cut.has(to)) return;
            world.after(random() * weather.delayMs, () => resolve(structuredClone(reply)));
          } catch (error) {
            reject(error as Error);
          }
        })();
      };
      if (random() >= weather.lose) world.after(random() * weather.delayMs, arrive);
      if (random() < weather.duplicate) world.after(random() * weather.delayMs * 20, arrive);
    });

  /** The directory as the peer links spread it. */
  function spread(record: DirectoryRecord): void {
    for (const spot of spots.values()) {
      if (spot.id === record.home) continue;
      void ask(spot.plant, addressOf(siteScope(spot.id), 'directory', record.kind), 'apply', { entries: [record] });
    }
  }

  function pump(): void {
    for (const spot of spots.values()) {
      const { log } = spot.plant.store;
      for (let n = read.get(spot.id) ?? 0; n < log.length; n++) {
        const entry = log[n];
        if (entry === undefined) continue;
        const taken = spot.copy.take(entry);
        for (const record of taken) if (record.home === spot.id) spread(record);
        spot.driver.committed(entry);
      }
      read.set(spot.id, log.length);
    }
    for (const check of Array.from(waiting)) if (check()) waiting.delete(check);
  }

  async function run(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed++) {
      for (const spot of spots.values()) spot.plant.settle(1);
      pump();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async function until<T>(promise: Promise<T>, withinMs = 40_000): Promise<T> {
    const values: T[] = [];
    void promise.then((value) => values.push(value));
    for (let passed = 0; values.length === 0 && passed < withinMs; passed += 5) await run(5);
    assert.equal(values.length, 1, 'no answer in time');
    return values[0] as T;
  }

  const rowsOf = (plant: Plant): Pick<RowReader, 'rows'> => ({
    rows: async (table, filter) =>
      plant.store
        .live(table)
        .filter((row) => filter?.scopes === undefined || filter.scopes.includes(row.scope))
        .filter((row) => filter?.keys === undefined || filter.keys.includes(row.key))
        .filter((row) => filter?.standing?.includes(standingOf(row.value as IpRecord) ?? 'resting') ?? true) as never,
  });

  function open(id: string, plant: Plant, copy: FilledCopy, isRestored = false): BlockDriver {
    return createBlockDriver({
      isRestored,
      site: id,
      world: plant.world,
      rows: rowsOf(plant),
      copy,
      ask: (to, command, body, asker) => ask(plant, to, command, body, asker),
      federation: { ask: (to, kind, body, deadlineMs) => send(id, to, kind, body, deadlineMs) },
      // As the index of places has it.
      hosted: () => (isDeletedHere({ copy, site: id }, `p${id}`) ? [] : [`p${id}`]),
      step: (name) => onStep(id, name),
      odd: (what, error) => odd.push(`${id}: ${what} ${error instanceof Error ? error.message : ''}`),
    });
  }

  for (const id of sites) {
    const begin = async (isRestored: boolean): Promise<void> => {
      spot.driver.close();
      plant.restart();
      spot.copy = await openDirectoryCopy(rowsOf(plant), id);
      spot.driver = open(id, plant, spot.copy, isRestored);
      read.set(id, plant.store.log.length);
      await until(spot.driver.start());
    };
    const plant = createPlant({ site: id, partitions: [`p${id}`] });
    // Ids of different sites never meet.
    let ids = 0;
    plant.world.uuid = () => `${id}-${++ids}`;
    const copy = await openDirectoryCopy(rowsOf(plant), id);
    const spot: Spot = {
      id,
      partition: `p${id}`,
      plant,
      copy,
      driver: open(id, plant, copy),
      restart: () => begin(false),
      backup: () => structuredClone(plant.store.model.snapshot()),
      async restoreFrom(backup) {
        const { epochs } = plant.store;
        const before = new Map(epochs);
        plant.store.model.restore(structuredClone(backup));
        for (const [name, epoch] of before) epochs.set(name, Math.max(epochs.get(name) ?? 0, epoch));
        await begin(true);
      },
    };
    spots.set(id, spot);
  }
  read = new Map(sites.map((id) => [id, 0]));
  for (const spot of spots.values()) {
    await spot.driver.start();
    const { id, partition } = spot;
    const request = {
      id: partition,
      name: '',
      description: '',
      bootConfig: { imageUrl: 'http://i', kernelUrl: 'http://k', commandLine: '' },
      mgmtServiceAddress: '',
      labels: {},
      dnsServers: [],
      ntpServers: [],
    };
    const directory = addressOf(siteScope(id), 'directory', 'partition');
    granted(await until(ask(spot.plant, directory, 'create', { kind: 'partition', request, facts: {} })));
  }
  const a = of('a');
  async function makeNetwork(id: string, cidr: string): Promise<void> {
    const network = newNetwork(id, { partition: '', prefixes: [cidr], nat: true, labels });
    const registry = addressOf(siteScope('a'), 'registry', 'a');
    granted(await until(ask(a.plant, registry, 'createNetwork', { network, h: `h-${id}`, partitions: ['pa'] })));
  }
  await makeNetwork('internet', prefix);
  async function deleteNetwork(id: string): Promise<void> {
    assert.deepEqual(await until(a.driver.recallAll(id)), { missing: [], isCalled: true });
    const registry = addressOf(siteScope('a'), 'registry', 'a');
    granted(await until(ask(a.plant, registry, 'deleteNetwork', { id, partition: '', partitions: ['pa'] })));
  }

  /** As an operator changes the prefixes of `internet` at its home. */
  const update = (prefixes: string[], to: Partial<NetworkPatch> = {}) =>
    until(
      ask(a.plant, addressOf(siteScope('a'), 'network', 'internet'), 'update', {
        ...to,
        prefixes,
        additionalAnnouncableCidrs: [],
        force: false,
        site: 'a',
        h: a.plant.world.uuid(),
      }),
    );

  const acquire = (id: string, changes: Partial<IpRequest> = {}, network = 'internet'): Promise<IpRecord | Refusal> =>
    ask(of(id).plant, addressOf(partitionScope(`p${id}`), 'block', network), 'allocateIp', {
      name: '',
      description: '',
      project: 'project',
      type: 'ephemeral',
      tags: [],
      ...changes,
    } as IpRequest);
  const free = (id: string, address: string, network = 'internet') =>
    ask(of(id).plant, addressOf(partitionScope(`p${id}`), 'block', network), 'freeIp', { address });

  /** No address lost or double: ledger and holdings tell the same story, and no two partitions gave out one address. */
  function check(settled = true): void {
    const given = a.plant.store.live('block').map(({ value }) => value as BlockRecord);
    const ledger = new Map(given.filter(({ state }) => state !== 'resting').map((row) => [row.first, row]));
    const held = new Map<string, string>();
    const addresses = new Map<string, string>();
    for (const spot of spots.values()) {
      const own: Array<{ first: string; length: number; h: string; state: string }> = [];
      for (const { value } of spot.plant.store.live('holding')) {
        const holding = value as { first: string; length: number; h: string; state: 'held' | 'returning' };
        own.push(holding);
        const block = ledger.get(holding.first);
        if (holding.state === 'held') {
          assert.equal(held.get(holding.first), undefined, `${holding.first} is held twice`);
          held.set(holding.first, spot.partition);
          assert.equal(block?.holder, spot.partition, `ledger of ${holding.first}`);
          assert.equal(block?.h, holding.h);
        }
        if (settled) assert.deepEqual([holding.state, block?.state], ['held', 'delivered'], holding.first);
      }
      for (const { value } of spot.plant.store.live('ip')) {
        const ip = value as IpRecord;
        const { address } = ip;
        if (!isInUseHere(ip)) {
          assert.ok(
            !settled || ip.loan?.as === 'lent' || standingOf(ip) === 'resting',
            `${address} is ${standingOf(ip)} in ${spot.partition} for ever`,
          );
          continue;
        }
        assert.equal(addresses.get(address), undefined, `${address} is given out twice`);
        addresses.set(address, spot.id);
        const parsed = parseAddress(address);
        if (ip.loan?.as === 'borrowed') {
          const { from } = ip.loan;
          const lender = [...spots.values()].find(({ partition }) => partition === from);
          const lent = lender?.plant.store.live('ip').find((row) => (row.value as IpRecord).address === address);
          const loan = (lent?.value as IpRecord | undefined)?.loan;
          assert.deepEqual([loan?.as, loan?.h], ['lent', ip.loan.h], `${address} of ${spot.partition}`);
          if (settled && loan?.as === 'lent') assert.equal(loan.state, 'delivered', address);
          continue;
        }
        assert.ok(
          own.some(({ first, length }) => contains(parsePrefix(`${first}/${length}`)!, parsed!)),
          `${address} lies in no block of ${spot.partition}`,
        );
      }
    }
    if (settled) assert.equal(ledger.size, held.size, 'every block that was given is held');
  }

  /** As the edge does it for a partition in which nothing is in use. */
  const deletePartition = (id: string): Promise<unknown> => {
    const uses = { machines: 0, switches: 0, networks: 0, ips: 0, reservations: 0 };
    const directory = addressOf(siteScope(id), 'directory', 'partition');
    const end = () => ask(of(id).plant, directory, 'delete', { kind: 'partition', id: `p${id}`, uses });
    return until(of(id).driver.withoutBlocks(`p${id}`, end));
  };

  const at = (id: string) => addressOf(partitionScope(`p${id}`), 'block', 'internet');
  const bring = (id: string, address: string, from: string) =>
    ask(of(id).plant, at(id), 'bring', { address, lender: { partition: `p${from}`, site: from }, site: id });
  const getIp = (id: string, address: string) => ask(of(id).plant, at(id), 'getIp', { address });
  const machineOf = (id: string) => addressOf(partitionScope(`p${id}`), 'machine', 'stranger');
  /** As the allocation of a machine takes given addresses, or its end releases them. */
  const attach = (id: string, address: string, machine = `m-${id}`): Promise<unknown> =>
    reserve(id, 'acquireIps', {
      machine,
      allocation: 'a',
      project: 'project',
      name: 'm',
      auto: false,
      given: [address],
    });
  const detach = (id: string, address: string, machine = `m-${id}`): Promise<unknown> =>
    reserve(id, 'releaseIps', { machine, ips: [address] });
  const reserve = (id: string, name: string, body: unknown): Promise<unknown> =>
    ask(of(id).plant, machineOf(id), 'reserve' as never, { questions: [{ to: at(id), name, body }], commit: true });

  const close = (): void => {
    for (const { driver } of spots.values()) driver.close();
  };
  return {
    of,
    run,
    until,
    acquire,
    makeNetwork,
    deleteNetwork,
    deletePartition,
    update,
    free,
    bring,
    getIp,
    attach,
    detach,
    check,
    close,
    weather,
    odd,
    asked,
    random,
    peerOf,
  };
}
