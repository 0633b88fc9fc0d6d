import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { test } from '../../storage/testing/register.ts';
import { callApi, errorMessage, signedHeaders } from '../api-client.ts';
import { until } from './child.ts';
import { withPlant, type PlantSite } from './plant.ts';
import { head } from './raw.ts';
import { addNetwork, seedPlace, type Seeded } from './seed.ts';

/** Of each kind; together 500. */
const SENDERS = 380;
const HEADS = 100;
const READERS = 20;
/** Together a list of 5 MiB: more than the system keeps for a connection by itself. */
const LISTED = 4_000;
const DESCRIPTION = 'd'.repeat(1_000);
const FILLERS = 32;
/** A head has 10 s, a body 30 s, a reader 30 s and the time that its answer takes at 128 KiB a second. */
const CLOSED_WITHIN_MS = 120_000;
const MOST_GROWTH_MIB = 384;

async function fill(site: PlantSite, seeded: Seeded, network: string): Promise<void> {
  const body = { networkid: network, projectid: seeded.project, description: DESCRIPTION };
  let left = LISTED;
  const filler = async (): Promise<void> => {
    while (left-- > 0) await site.call('POST', '/v1/ip/allocate', body);
  };
  await Promise.all(Array.from({ length: FILLERS }, filler));
}

const residentMib = (pid: number): number =>
  Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1_024;

const ESTABLISHED = '01';

/**
 * Ports of the clients whose connection the server has not closed. The end of a connection does not get through to a
 * reader whose window is shut, so the system is asked.
 */
function establishedAt(port: number): Set<number> {
  const portOf = (address = ''): number => Number.parseInt(address.split(':')[1] ?? '', 16);
  const lines = readFileSync('/proc/net/tcp', 'utf8').split('\n').slice(1);
  const connections = lines.map((line) => line.trim().split(/\s+/));
  return new Set(
    connections.flatMap(([, local, remote, state]) =>
      portOf(local) === port && state === ESTABLISHED ? [portOf(remote)] : [],
    ),
  );
}

interface Slow {
  what: string;
  socket: Socket;
  /** Its own. */
  port: number;
  isClosed: boolean;
  seen: string;
}

/** Sends `first` at once and then a byte a second, and reads nothing before it is told to. */
function openSlow(site: PlantSite, what: string, first: string, then: string, isReading: boolean): Slow {
  const { hostname, port } = new URL(site.url);
  const socket = connect(Number(port), hostname);
  const slow: Slow = { what, socket, port: 0, isClosed: false, seen: '' };
  socket.once('connect', () => (slow.port = socket.localPort ?? 0));
  if (isReading) socket.on('data', (bytes: Buffer) => (slow.seen += bytes.toString('latin1')));
  else socket.pause();
  socket.on('error', () => {});
  socket.on('close', () => (slow.isClosed = true));
  socket.write(first);
  const tick = setInterval(() => {
    if (slow.isClosed) clearInterval(tick);
    else if (isReading) socket.write(then);
    // A byte a second: the window of the connection stays shut.
    else socket.read(1);
  }, 1_000);
  socket.once('close', () => clearInterval(tick));
  return slow;
}

test('reliability.md F20: 500 clients that send or read a byte a second are closed after their time; nobody else notices', () =>
  withPlant({}, async (plant) => {
    const site = plant.first;
    const seeded = await seedPlace(plant, site, 'muc');
    await addNetwork(site, seeded, 'busy', '172.31.0.0/24');
    await addNetwork(site, seeded, 'full', '172.30.0.0/16');
    await fill(site, seeded, 'full');
    const before = residentMib(site.process.pid);
    const signed = (method: string) => signedHeaders(site.credentials(), method);
    const sender = (): string =>
      head('POST', '/v1/ip/allocate', {
        'content-type': 'application/json',
        'content-length': '500',
        ...signed('POST'),
      });
    const reader = (): string => head('GET', '/v1/ip', signed('GET'));
    const slow = [
      ...Array.from({ length: SENDERS }, () => openSlow(site, 'body', sender(), ' ', true)),
      ...Array.from({ length: HEADS }, () => openSlow(site, 'head', 'GET / HTTP/1.1\r\nx: ', 'y', true)),
      ...Array.from({ length: READERS }, () => openSlow(site, 'reader', reader(), '', false)),
    ];
    const open = (): Slow[] => {
      const established = establishedAt(Number(new URL(site.url).port));
      return slow.filter((one) => established.has(one.port));
    };
    await until('all of them are there', () => slow.every(({ socket }) => !socket.connecting));

    const run = { isOver: false };
    const strange: string[] = [];
    let answers = 0;
    let longestMs = 0;
    async function live(): Promise<void> {
      while (!run.isOver) {
        const from = performance.now();
        const body = { networkid: 'busy', projectid: seeded.project };
        const taken = await site.ask('POST', '/v1/ip/allocate', body);
        if (taken.status === 201) {
          const { ipaddress } = JSON.parse(taken.text) as { ipaddress: string };
          const given = await site.ask('DELETE', `/v1/ip/free/${ipaddress}`);
          if (given.status !== 200) strange.push(`${given.status} ${errorMessage(given.text)}`);
        } else strange.push(`${taken.status} ${errorMessage(taken.text)}`);
        const health = await callApi(site.url, null, 'GET', '/healthz');
        if (health.status !== 200) strange.push(`health ${health.status}`);
        longestMs = Math.max(longestMs, performance.now() - from);
        answers++;
        await wait(50);
      }
    }
    const lives = [live(), live()].map((life) => life.catch((error: unknown) => void strange.push(String(error))));
    let most = before;
    try {
      await until(
        'all of them are closed',
        () => {
          most = Math.max(most, residentMib(site.process.pid));
          return open().length === 0;
        },
        CLOSED_WITHIN_MS,
        500,
      ).catch((error: Error) => {
        const left = new Map<string, number>();
        for (const { what } of open()) left.set(what, (left.get(what) ?? 0) + 1);
        throw new Error(`${error.message}: ${JSON.stringify([...left])} left`);
      });
    } finally {
      run.isOver = true;
      await Promise.all(lives);
      for (const { socket } of slow) socket.destroy();
    }
    console.log(
      `others: ${answers} rounds, longest ${Math.round(longestMs)} ms; memory ${Math.round(before)} MiB before, ${Math.round(most)} MiB at most`,
    );
    assert.deepEqual(strange, []);
    assert.ok(answers > 20, `${answers} rounds`);
    assert.ok(most - before < MOST_GROWTH_MIB, `it grew from ${before} to ${most} MiB`);
    for (const { what, seen } of slow) if (what !== 'reader') assert.match(seen, /^HTTP\/1\.1 408 /, what);
  }));
