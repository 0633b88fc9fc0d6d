// The rack against the control plane's own rims: gRPC over TLS, REST and bus over HTTP, the actors played by a table.
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';
import { authority, startAgentServer } from '../../http/agents/agents.fixture.ts';
import { fakeSite } from '../../http/agents/site.fixture.ts';
import type { Change } from '../../actors/records.ts';
import { issueCertificate } from '../../router/link/certificates.ts';
import { readConfig } from './config.ts';
import { createEventParser } from './bus.ts';
import { serveFiles } from './files.ts';
import { startRack } from './rack.ts';
import { sign } from './rest.ts';

const bodyOf = async (request: IncomingMessage): Promise<unknown> => {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text === '' ? undefined : JSON.parse(text);
};

const until = async (what: string, holds: () => boolean): Promise<void> => {
  for (let i = 0; i < 1_000 && !holds(); i++) await sleep(10);
  assert.ok(holds(), what);
};

test('clients.md §5: a rack boots, waits, installs, phones home, and comes back when it is freed', async () => {
  const files = await serveFiles('127.0.0.1', 0);
  const base = `http://127.0.0.1:${files.port}`;
  const allocations = new Map<string, { boot_info: object | null }>();
  const known = new Set<string>();
  const events: [string, string][] = [];
  const rest: { path: string; body: unknown }[] = [];
  let listening: import('node:http').ServerResponse | undefined;
  let eventId = 0;

  const site = fakeSite({
    directory: {
      partition: [
        {
          id: 'p1',
          name: '',
          description: '',
          created: 0,
          changed: 0,
          bootConfig: { imageUrl: `${base}/initrd`, kernelUrl: `${base}/kernel`, commandLine: '' },
          mgmtServiceAddress: '',
          labels: {},
          dnsServers: [],
          ntpServers: [],
        },
      ],
    },
    answer: ({ to, command, body }) => {
      const machine = to.split('/').at(-1)!;
      const asked = body as { event: string; machine: string };
      if (command === 'event') {
        events.push([machine, asked.event]);
        return { known: true, stored: true };
      }
      if (command === 'registerMachine') {
        known.add(asked.machine);
        return { view: { machine: { ...(body as object), id: asked.machine } }, created: true };
      }
      if (command === 'wait') return { allocated: allocations.has(machine) };
      if (command === 'get') return { machine: {}, allocation: allocations.get(machine) ?? null, provisioning: null };
      if (command === 'reportInstalled') allocations.set(asked.machine, { boot_info: {} });
      return {};
    },
  });

  const http: Server = createServer((request, response) => {
    const path = request.url!;
    void bodyOf(request).then((body) => {
      rest.push({ path, body });
      response.setHeader('content-type', 'application/json');
      if (path === '/v2/bus/p1-machine') {
        response.writeHead(200, { 'content-type': 'text/event-stream' }).write(':\n\n');
        listening = response;
      } else if (path.startsWith('/v1/switch/')) {
        response.end(JSON.stringify({ nics: [] }));
      } else if (path === '/v1/machine/ipmi') {
        response.end(JSON.stringify({ updated: null, created: [] }));
      } else {
        const uuid = path.split('/').at(-1)!;
        if (!known.has(uuid)) {
          response.writeHead(404).end(JSON.stringify(JSON.stringify({ statuscode: 404, message: 'NotFound' })));
          return;
        }
        const allocation = allocations.get(uuid);
        const image = { id: 'ubuntu-24.4.20260101', url: `${base}/images/ubuntu-24.4.20260101/img.tar.lz4` };
        response.end(
          JSON.stringify({
            allocation: allocation && {
              image,
              filesystemlayout: {},
              hostname: 'h',
              role: 'machine',
              boot_info: allocation.boot_info,
            },
          }),
        );
      }
    });
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const grpc = await startAgentServer(site);
  const certificate = await issueCertificate(authority, { commonName: 'rack', kind: 'agent', partitionIds: ['p1'] });
  const journal: string[] = [];
  const rack = await startRack(
    {
      partition: 'p1',
      grpc: [`127.0.0.1:${grpc.port}`],
      grpcServerName: '',
      tls: { ca: authority.cert, ...certificate },
      urls: [`http://127.0.0.1:${(http.address() as AddressInfo).port}`],
      keys: { view: 'v', edit: 'e' },
      nsqd: null,
      machines: { small: 1, large: 1 },
      seed: 1,
      speed: 20,
      files: { host: '127.0.0.1', port: 0 },
    },
    (event, fields) => journal.push(`${event} ${JSON.stringify(fields)}`),
  );
  const say = () => journal.join('\n');
  const { uuid } = rack.plan.machines[0]!;
  const other = rack.plan.machines[1]!.uuid;
  const toldOf = (id: string): string[] => events.filter(([machine]) => machine === id).map(([, event]) => event);
  const publish = (body: unknown): void =>
    void listening!.write(`id: x/0/1/${++eventId}\ndata: ${JSON.stringify(body)}\n\n`);
  try {
    await until('both wait', () => grpc.waiting() === 2);
    assert.deepEqual(toldOf(uuid), ['PXE Booting', 'Preparing', 'Registering', 'Waiting'], say());
    assert.equal(rest.filter(({ path }) => path === '/v1/switch/register').length, 2);
    const report = rest.find(({ path }) => path === '/v1/machine/ipmi')!.body as { reports: Record<string, object> };
    assert.deepEqual(Object.keys(report.reports).sort(), [uuid, other].sort());
    await until('switches notify', () => rest.some(({ path }) => path.endsWith('/notify')));

    allocations.set(uuid, { boot_info: null });
    site.commit({ changes: [{ table: 'allocation', key: uuid, value: {} } as Change] });
    await until('it is installed and phones home', () => toldOf(uuid).includes('Phoned Home'));
    assert.deepEqual(toldOf(uuid).slice(4, 7), ['Installing', 'Booting New Kernel', 'Phoned Home'], say());
    assert.equal(rack.chassis[0]!.state().runs, 'system');
    const installed = site.asked.find(({ command }) => command === 'reportInstalled')!.body as {
      consolePassword: string;
    };
    assert.equal(installed.consolePassword.length, 16);

    publish({ type: 'command', cmd: { target: other, cmd: 'LED-ON', ipmi: {} } });
    publish({ type: 'command', cmd: { target: uuid, cmd: 'DISK', ipmi: {} } });
    allocations.delete(uuid);
    publish({ type: 'delete', old: uuid, cmd: { target: uuid, ipmi: {} } });
    await until('it waits again', () => toldOf(uuid).filter((event) => event === 'Waiting').length === 2);
    assert.equal(rack.chassis[0]!.state().installed, null);
    assert.equal(rack.chassis[1]!.state().led, 'LED-ON');
    await until('BMCs are reported after commands', () =>
      rest.some(
        ({ path, body }) =>
          path === '/v1/machine/ipmi' &&
          (body as { reports: Record<string, { IndicatorLEDState: string }> }).reports[other]?.IndicatorLEDState ===
            'LED-ON',
      ),
    );
  } finally {
    await rack.stop();
    await grpc.stop();
    http.closeAllConnections();
    http.close();
    await files.stop();
  }
});

test('networks.md §11.9: requests are signed over date, method and salt', () => {
  const { authorization } = sign('edit', 'key', 'GET', new Date('2024-05-06T07:08:09.75Z'), 'abc');
  assert.match(authorization!, /^Metal-Edit [0-9a-f]{64}$/);
  assert.equal(sign('edit', 'key', 'GET', new Date('2024-05-06T07:08:09Z'), 'abc')['authorization'], authorization);
});

test('server-sent events arrive whole, whatever the pieces, and the cursor is that of the last whole one', () => {
  const heard: unknown[] = [];
  let gaps = 0;
  const parser = createEventParser(
    (message) => heard.push(message),
    () => gaps++,
    'first',
  );
  assert.equal(parser.push(':\n\nda'), 'first');
  assert.equal(parser.push('ta: {"a":1}\n\nid: c1\ndata: {"b":2}\n'), 'first');
  assert.equal(parser.push('\nevent: gap\ndata: {}\n\n'), 'c1');
  assert.deepEqual(heard, [{ a: 1 }, { b: 2 }]);
  assert.equal(gaps, 1);
});

test('the configuration comes from flags before the environment, and says what is wrong', () => {
  const env = {
    RACK_PARTITION: 'p1',
    RACK_CA: 'ca',
    RACK_CERT: 'c',
    RACK_KEY: 'k',
    RACK_VIEW_KEY: 'v',
    RACK_EDIT_KEY: 'e',
  };
  const read = (args: string[], more: Record<string, string> = {}) =>
    readConfig(args, { ...env, ...more }, (path) => path);
  const config = read(['--speed', '2', '--grpc', '127.0.0.1:1,127.0.0.1:2'], { RACK_SPEED: '9', RACK_NSQD: 'h:4150' });
  assert.equal(config.speed, 2);
  assert.deepEqual(config.grpc, ['127.0.0.1:1', '127.0.0.1:2']);
  assert.deepEqual(config.nsqd, { host: 'h', port: 4150, tls: false });
  assert.deepEqual(config.machines, { small: 5, large: 3 });
  assert.throws(() => read([], { RACK_SMALL: 'x' }), /--small: "x" must be a whole number/);
  assert.throws(() => read(['--grpc', 'nowhere']), /--grpc: "nowhere" must be host:port/);
  assert.throws(() => readConfig([], {}), /--partition is missing/);
});
