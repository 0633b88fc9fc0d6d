import test from 'node:test';
import assert from 'node:assert/strict';
import { locate, matchOperation } from './locate.ts';
import { OPERATIONS } from './operations.ts';
import type { OperationClass, Where } from './where.ts';

const bytes = (body: unknown): Uint8Array =>
  body === undefined ? new Uint8Array(0) : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));

const whereOf = (line: string, body?: unknown, basePath?: string): Where | undefined => {
  const [method, path] = line.split(' ') as [string, string];
  return locate({ method, path, body: bytes(body) }, basePath)?.at;
};

/** Request line, operationId of the OpenAPI document, class and access of the map, place, body. */
const MAP: ReadonlyArray<
  [line: string, id: string, type: OperationClass, access: 'r' | 'w', at: Where, body?: unknown]
> = [
  ['GET /v1/machine', 'listMachines', 'F', 'r', 'all'],
  ['POST /v1/machine', 'updateMachine', 'H', 'w', { by: 'machine', id: 'x' }, { id: 'x' }],
  ['POST /v1/machine/allocate', 'allocateMachine', 'H', 'w', { by: 'partition', id: 'p' }, { partitionid: 'p' }],
  [
    'GET /v1/machine/consolepassword',
    'getMachineConsolePassword',
    'H',
    'r',
    { by: 'machine', id: 'x' },
    { id: 'x', reason: 'r' },
  ],
  ['POST /v1/machine/find', 'findMachines', 'F/H', 'r', { by: 'partition', id: 'p' }, { id: 'x', partition_id: 'p' }],
  ['POST /v1/machine/ipmi', 'ipmiReport', 'H', 'w', { by: 'partition', id: 'p' }, { partitionid: 'p', reports: {} }],
  ['POST /v1/machine/ipmi/find', 'findIPMIMachines', 'F/H', 'r', { by: 'machine', id: 'x' }, { id: 'x' }],
  ['GET /v1/machine/issues', 'listIssues', 'L', 'r', 'any'],
  ['POST /v1/machine/issues/evaluate', 'issues', 'F/H', 'r', { by: 'partition', id: 'p' }, { partition_id: 'p' }],
  ['POST /v1/machine/update-firmware/x', 'updateFirmware', 'H', 'w', { by: 'machine', id: 'x' }],
  ['DELETE /v1/machine/x', 'deleteMachine', 'H', 'w', { by: 'machine', id: 'x' }],
  ['GET /v1/machine/x', 'findMachine', 'H', 'r', { by: 'machine', id: 'x' }],
  ['DELETE /v1/machine/x/free', 'freeMachine', 'H', 'w', { by: 'machine', id: 'x' }],
  ['GET /v1/machine/x/ipmi', 'findIPMIMachine', 'H', 'r', { by: 'machine', id: 'x' }],
  ['POST /v1/machine/x/power/bios', 'machineBios', 'H', 'w', { by: 'machine', id: 'x' }],
  ['POST /v1/machine/x/power/chassis-identify-led-off', 'chassisIdentifyLEDOff', 'H', 'w', { by: 'machine', id: 'x' }],
  ['POST /v1/machine/x/power/chassis-identify-led-on', 'chassisIdentifyLEDOn', 'H', 'w', { by: 'machine', id: 'x' }],
  ['POST /v1/machine/x/power/cycle', 'machineCycle', 'H', 'w', { by: 'machine', id: 'x' }],
  ['POST /v1/machine/x/power/disk', 'machineDisk', 'H', 'w', { by: 'machine', id: 'x' }],
  ['POST /v1/machine/x/power/off', 'machineOff', 'H', 'w', { by: 'machine', id: 'x' }],
  ['POST /v1/machine/x/power/on', 'machineOn', 'H', 'w', { by: 'machine', id: 'x' }],
  ['POST /v1/machine/x/power/pxe', 'machinePxe', 'H', 'w', { by: 'machine', id: 'x' }],
  ['POST /v1/machine/x/power/reset', 'machineReset', 'H', 'w', { by: 'machine', id: 'x' }],
  ['POST /v1/machine/x/reinstall', 'reinstallMachine', 'H', 'w', { by: 'machine', id: 'x' }],
  ['POST /v1/machine/x/state', 'setMachineState', 'H', 'w', { by: 'machine', id: 'x' }],
  ['GET /v1/firewall', 'listFirewalls', 'F', 'r', 'all'],
  [
    'POST /v1/firewall/allocate',
    'allocateFirewall',
    'H',
    'w',
    { by: 'machine', id: 'x' },
    { uuid: 'x', partitionid: 'p' },
  ],
  ['POST /v1/firewall/find', 'findFirewalls', 'F/H', 'r', 'all', { tags: ['a'] }],
  ['GET /v1/firewall/x', 'findFirewall', 'H', 'r', { by: 'machine', id: 'x' }],
  ['GET /v1/partition', 'listPartitions', 'D', 'r', 'any'],
  ['POST /v1/partition', 'updatePartition', 'D*', 'w', { by: 'directory', kind: 'partition', id: 'p' }, { id: 'p' }],
  ['PUT /v1/partition?site=fra', 'createPartition', 'D+', 'w', { by: 'site', id: 'fra' }],
  ['POST /v1/partition/capacity', 'partitionCapacity', 'F/H', 'r', { by: 'partition', id: 'p' }, { id: 'p' }],
  ['DELETE /v1/partition/x', 'deletePartition', 'D*', 'w', { by: 'directory', kind: 'partition', id: 'x' }],
  ['GET /v1/partition/x', 'findPartition', 'D', 'r', { by: 'directory', kind: 'partition', id: 'x' }],
  ['GET /v1/size', 'listSizes', 'D', 'r', 'any'],
  ['POST /v1/size', 'updateSize', 'D*', 'w', { by: 'directory', kind: 'size', id: 'x' }, { id: 'x' }],
  ['PUT /v1/size', 'createSize', 'D+', 'w', 'here'],
  ['GET /v1/size/reservations', 'listSizeReservations', 'D', 'r', 'any'],
  [
    'POST /v1/size/reservations',
    'updateSizeReservation',
    'D*',
    'w',
    { by: 'directory', kind: 'sizereservation', id: 'x' },
    { id: 'x' },
  ],
  ['PUT /v1/size/reservations', 'createSizeReservation', 'D+', 'w', 'here'],
  ['POST /v1/size/reservations/find', 'findSizeReservations', 'D', 'r', 'any'],
  [
    'POST /v1/size/reservations/usage',
    'sizeReservationsUsage',
    'F/H',
    'r',
    { by: 'partition', id: 'p' },
    { partitionid: 'p' },
  ],
  [
    'DELETE /v1/size/reservations/x',
    'deleteSizeReservation',
    'D*',
    'w',
    { by: 'directory', kind: 'sizereservation', id: 'x' },
  ],
  [
    'GET /v1/size/reservations/x',
    'getSizeReservation',
    'D',
    'r',
    { by: 'directory', kind: 'sizereservation', id: 'x' },
  ],
  ['POST /v1/size/suggest', 'suggest', 'H', 'r', { by: 'machine', id: 'x' }, { machineID: 'x' }],
  ['DELETE /v1/size/x', 'deleteSize', 'D*', 'w', { by: 'directory', kind: 'size', id: 'x' }],
  ['GET /v1/size/x', 'findSize', 'D', 'r', { by: 'directory', kind: 'size', id: 'x' }],
  ['GET /v1/size-image-constraint', 'listSizeImageConstraints', 'D', 'r', 'any'],
  [
    'POST /v1/size-image-constraint',
    'updateSizeImageConstraint',
    'D*',
    'w',
    { by: 'directory', kind: 'sizeimageconstraint', id: 'x' },
    { id: 'x' },
  ],
  ['PUT /v1/size-image-constraint', 'createSizeImageConstraint', 'D+', 'w', 'here'],
  ['POST /v1/size-image-constraint/try', 'trySizeImageConstraint', 'D', 'r', 'any'],
  [
    'DELETE /v1/size-image-constraint/x',
    'deleteSizeImageConstraint',
    'D*',
    'w',
    { by: 'directory', kind: 'sizeimageconstraint', id: 'x' },
  ],
  [
    'GET /v1/size-image-constraint/x',
    'findSizeImageConstraint',
    'D',
    'r',
    { by: 'directory', kind: 'sizeimageconstraint', id: 'x' },
  ],
  ['GET /v1/image?show-usage=true', 'listImages', 'D', 'r', 'all'],
  ['POST /v1/image', 'updateImage', 'D*', 'w', { by: 'directory', kind: 'image', id: 'x' }, { id: 'x' }],
  ['PUT /v1/image', 'createImage', 'D+', 'w', 'here'],
  ['POST /v1/image/find?show-usage=false', 'findImages', 'D', 'r', 'any'],
  ['DELETE /v1/image/x', 'deleteImage', 'D*', 'w', { by: 'directory', kind: 'image', id: 'x' }],
  ['GET /v1/image/x', 'findImage', 'D', 'r', { by: 'directory', kind: 'image', id: 'x' }],
  ['GET /v1/image/x/latest', 'findLatestImage', 'D', 'r', 'any'],
  ['GET /v1/image/x/query', 'queryImages by id', 'D', 'r', 'any'],
  ['GET /v1/filesystemlayout', 'listFilesystemLayouts', 'D', 'r', 'any'],
  [
    'POST /v1/filesystemlayout',
    'updateFilesystemLayout',
    'D*',
    'w',
    { by: 'directory', kind: 'filesystemlayout', id: 'x' },
    { id: 'x' },
  ],
  ['PUT /v1/filesystemlayout', 'createFilesystemLayout', 'D+', 'w', 'here'],
  [
    'POST /v1/filesystemlayout/matches',
    'matchFilesystemLayout',
    'H',
    'r',
    { by: 'machine', id: 'x' },
    { machine: 'x', filesystemlayout: 'l' },
  ],
  ['POST /v1/filesystemlayout/try', 'tryFilesystemLayout', 'D', 'r', 'any'],
  [
    'DELETE /v1/filesystemlayout/x',
    'deleteFilesystemLayout',
    'D*',
    'w',
    { by: 'directory', kind: 'filesystemlayout', id: 'x' },
  ],
  [
    'GET /v1/filesystemlayout/x',
    'getFilesystemLayout',
    'D',
    'r',
    { by: 'directory', kind: 'filesystemlayout', id: 'x' },
  ],
  ['GET /v1/firmware?machine-id=x', 'listFirmwares', 'C/H', 'r', { by: 'machine', id: 'x' }],
  ['DELETE /v1/firmware/bios/v/b/1%2F2', 'removeFirmware', 'C', 'w', 'any'],
  ['PUT /v1/firmware/bios/v/b/1%2F2', 'uploadFirmware', 'C', 'w', 'any'],
  ['GET /v1/network', 'listNetworks', 'F', 'r', 'all'],
  ['POST /v1/network', 'updateNetwork', 'H/G', 'w', { by: 'network', id: 'n', ifGlobal: 'home' }, { id: 'n' }],
  ['PUT /v1/network', 'createNetwork', 'H/G', 'w', { by: 'partition', id: 'p' }, { partitionid: 'p' }],
  ['POST /v1/network/allocate', 'allocateNetwork', 'H', 'w', { by: 'partition', id: 'p' }, { partitionid: 'p' }],
  [
    'POST /v1/network/find',
    'findNetworks',
    'F/H',
    'r',
    { by: 'network', id: 'n', ifGlobal: 'home' },
    { parentnetworkid: 'n' },
  ],
  ['DELETE /v1/network/free/x', 'freeNetwork', 'H', 'w', { by: 'network', id: 'x', ifGlobal: 'home' }],
  ['POST /v1/network/free/x', 'freeNetworkDeprecated', 'H', 'w', { by: 'network', id: 'x', ifGlobal: 'home' }],
  ['DELETE /v1/network/x', 'deleteNetwork', 'H/G', 'w', { by: 'network', id: 'x', ifGlobal: 'home' }],
  ['GET /v1/network/x', 'findNetwork', 'H', 'r', { by: 'network', id: 'x', ifGlobal: 'home' }],
  ['GET /v1/ip', 'listIPs', 'F', 'r', 'all'],
  ['POST /v1/ip', 'updateIP', 'H', 'w', { by: 'address', id: '10.0.0.1' }, { ipaddress: '10.0.0.1' }],
  [
    'POST /v1/ip/allocate',
    'allocateIP',
    'H/G',
    'w',
    { by: 'network', id: 'n', ifGlobal: { machine: 'x' } },
    { networkid: 'n', machineid: 'x' },
  ],
  [
    'POST /v1/ip/allocate/10.0.0.1',
    'allocateSpecificIP',
    'H/G',
    'w',
    { by: 'address', id: '10.0.0.1', network: 'n' },
    { networkid: 'n' },
  ],
  ['POST /v1/ip/find', 'findIPs', 'F/H', 'r', { by: 'network', id: 'n', ifGlobal: 'all' }, { networkid: 'n' }],
  ['DELETE /v1/ip/free/10.0.0.1', 'freeIP', 'H', 'w', { by: 'address', id: '10.0.0.1' }],
  ['GET /v1/ip/10.0.0.1', 'findIP', 'H', 'r', { by: 'address', id: '10.0.0.1' }],
  ['GET /v1/switch', 'listSwitches', 'F', 'r', 'all'],
  ['POST /v1/switch', 'updateSwitch', 'H', 'w', { by: 'switch', id: 's' }, { id: 's' }],
  ['POST /v1/switch/find', 'findSwitches', 'F/H', 'r', { by: 'switch', id: 's' }, { id: 's' }],
  [
    'POST /v1/switch/migrate',
    'migrateSwitch',
    'H',
    'w',
    { by: 'switch', id: 's' },
    { old_switch_id: 's', new_switch_id: 't' },
  ],
  [
    'POST /v1/switch/register',
    'registerSwitch',
    'H',
    'w',
    { by: 'partition', id: 'p' },
    { id: 's', partition_id: 'p' },
  ],
  ['DELETE /v1/switch/x', 'deleteSwitch', 'H', 'w', { by: 'switch', id: 'x' }],
  ['GET /v1/switch/x', 'findSwitch', 'H', 'r', { by: 'switch', id: 'x' }],
  ['POST /v1/switch/x/notify', 'notifySwitch', 'H', 'w', { by: 'switch', id: 'x' }],
  ['POST /v1/switch/x/port', 'toggleSwitchPort', 'H', 'w', { by: 'switch', id: 'x' }],
  ['GET /v1/project', 'listProjects', 'D', 'r', 'any'],
  [
    'POST /v1/project',
    'updateProject',
    'D*',
    'w',
    { by: 'directory', kind: 'project', id: 'x' },
    { meta: { id: 'x' } },
  ],
  ['PUT /v1/project', 'createProject', 'D+', 'w', 'here'],
  ['POST /v1/project/find', 'findProjects', 'D', 'r', 'any'],
  ['DELETE /v1/project/x', 'deleteProject', 'D*', 'w', { by: 'directory', kind: 'project', id: 'x' }],
  ['GET /v1/project/x', 'findProject', 'D+F', 'r', 'all'],
  ['GET /v1/tenant', 'listTenants', 'D', 'r', 'any'],
  ['POST /v1/tenant', 'updateTenant', 'D*', 'w', { by: 'directory', kind: 'tenant', id: 'x' }, { meta: { id: 'x' } }],
  ['PUT /v1/tenant', 'createTenant', 'D+', 'w', 'here'],
  ['POST /v1/tenant/find', 'findTenants', 'D', 'r', 'any'],
  ['DELETE /v1/tenant/x', 'deleteTenant', 'D*', 'w', { by: 'directory', kind: 'tenant', id: 'x' }],
  ['GET /v1/tenant/x', 'getTenant', 'D', 'r', { by: 'directory', kind: 'tenant', id: 'x' }],
  ['POST /v1/audit/find', 'findAuditTraces', 'F', 'r', 'all'],
  ['GET /v1/user/me', 'getMe', 'L', 'r', 'any'],
  ['GET /v1/version', 'info', 'L', 'r', 'any'],
  ['GET /v1/health', 'health', 'L', 'r', 'any'],
  ['POST /v1/vpn/authkey', 'getVPNAuthKey', 'C', 'w', 'any'],
];

for (const [line, id, type, access, at, body] of MAP) {
  test(`networks.md §10.4: ${line} (${id}) is ${type}`, () => {
    const [method, path] = line.split(' ') as [string, string];
    const { merge, ...located } = locate({ method, path, body: bytes(body) })!;
    assert.deepEqual(located, { operation: id, class: type, access, at });
    if (at === 'all') assert.ok(merge, 'what goes to all is merged somehow');
  });
}

test('networks.md §10: 114 operations, counted by class and access', () => {
  assert.equal(MAP.length, 114);
  assert.equal(OPERATIONS.length, 114);
  assert.equal(new Set(OPERATIONS.map(({ id }) => id)).size, 114);
  const count = (keyOf: (operation: (typeof OPERATIONS)[number]) => string): Record<string, number> => {
    const counts: Record<string, number> = {};
    for (const operation of OPERATIONS) counts[keyOf(operation)] = (counts[keyOf(operation)] ?? 0) + 1;
    return counts;
  };
  assert.deepEqual(
    count((operation) => operation.class),
    {
      F: 6,
      H: 38,
      'F/H': 9,
      L: 4,
      D: 23,
      'D*': 16,
      'D+': 8,
      'C/H': 1,
      C: 3,
      'H/G': 5,
      'D+F': 1,
    },
  );
  assert.deepEqual(
    count((operation) => operation.access),
    { r: 53, w: 61 },
  );
});

const machine = (id: string): Where => ({ by: 'machine', id });
const partition = (id: string): Where => ({ by: 'partition', id });
const address = (id: string, network?: string): Where =>
  network === undefined ? { by: 'address', id } : { by: 'address', id, network };

/** Rules of networks.md §10.1, one line a rule. */
const RULES: ReadonlyArray<[rule: string, line: string, body: unknown, at: Where | undefined, basePath?: string]> = [
  ['uuid before partition', 'POST /v1/machine/allocate', { partitionid: 'a', uuid: 'm' }, machine('m')],
  ['an empty hint is absent', 'POST /v1/machine/allocate', { uuid: '', partitionid: 'a' }, partition('a')],
  ['null is absent', 'POST /v1/machine/allocate', { uuid: null, partitionid: 'a' }, partition('a')],
  ['keys without case', 'POST /v1/machine/find', { PARTITION_ID: 'b' }, partition('b')],
  [
    'the last of two spellings wins',
    'POST /v1/machine/allocate',
    '{"partitionid":"a","PartitionID":"b"}',
    partition('b'),
  ],
  ['the last duplicate wins', 'POST /v1/machine/allocate', '{"partitionid":"a","partitionid":"b"}', partition('b')],
  [
    'a null after a value changes nothing',
    'POST /v1/machine/allocate',
    '{"partitionid":"a","PARTITIONID":null}',
    partition('a'),
  ],
  [
    'nested keys are decoys',
    'POST /v1/machine/allocate',
    { networks: [{ partitionid: 'b' }], partitionid: 'a' },
    partition('a'),
  ],
  ['escaped keys are the same keys', 'POST /v1/machine/allocate', '{"\\u0070artitionid":"b"}', partition('b')],
  ['meta without case', 'POST /v1/project', { Meta: { ID: 'x' } }, { by: 'directory', kind: 'project', id: 'x' }],
  ['a find with nothing asks all', 'POST /v1/machine/find', {}, 'all'],
  ['a find with null asks all', 'POST /v1/machine/find', { partition_id: null }, 'all'],
  ['in a find an empty text is a value', 'POST /v1/machine/find', { partition_id: '' }, 'any'],
  [
    'an empty partition of a network find means the global ones',
    'POST /v1/network/find',
    { partitionid: '' },
    'globals',
  ],
  ['an empty parent is no place', 'POST /v1/network/find', { parentnetworkid: '' }, 'all'],
  [
    'id before partition in a network find',
    'POST /v1/network/find',
    { partitionid: 'a', id: 'n' },
    { by: 'network', id: 'n', ifGlobal: 'home' },
  ],
  ['a machine in an ip find is no place', 'POST /v1/ip/find', { machineid: 'm' }, 'all'],
  [
    'address before network in an ip find',
    'POST /v1/ip/find',
    { networkid: 'n', ipaddress: '10.0.0.1' },
    address('10.0.0.1'),
  ],
  ['a body that is no JSON', 'POST /v1/machine/allocate', '{"partitionid":', 'any'],
  ['a find that is no JSON', 'POST /v1/machine/find', 'nonsense', 'any'],
  ['a missing body', 'POST /v1/machine', undefined, 'any'],
  ['a body that is no object', 'POST /v1/machine', '["id"]', 'any'],
  ['a hint that is no text', 'POST /v1/machine', { id: 7 }, 'any'],
  ['literal before parameter', 'GET /v1/machine/consolepassword', { id: 'm' }, machine('m')],
  ['literal before parameter', 'GET /v1/machine/issues', undefined, 'any'],
  ['literal before parameter', 'GET /v1/size/reservations', undefined, 'any'],
  ['a literal that leads nowhere is an id', 'DELETE /v1/machine/issues/free', undefined, machine('issues')],
  ['a literal with another method is an id', 'DELETE /v1/machine/issues', undefined, machine('issues')],
  ['a trailing slash is free', 'GET /v1/machine/m/', undefined, machine('m')],
  ['ids are decoded', 'GET /v1/machine/m%20%31', undefined, machine('m 1')],
  ['an address in an id', 'DELETE /v1/ip/free/2001%3Adb8%3A%3A1', undefined, address('2001:db8::1')],
  ['an address with bare colons, in any spelling', 'GET /v1/ip/2001:DB8:0::1', undefined, address('2001:db8::1')],
  ['what is no address', 'GET /v1/ip/10.0.0.300', undefined, 'any'],
  ['the body of reinstall is no hint', 'POST /v1/machine/m/reinstall', { id: 'n' }, machine('m')],
  ['base path stripped', 'GET /metal/v1/machine/m', undefined, machine('m'), '/metal/'],
  ['outside the base path', 'GET /v1/machine/m', undefined, undefined, '/metal/'],
  ['path before body', 'POST /v1/ip/allocate/1.2.3.4', { networkid: 'n' }, address('1.2.3.4', 'n')],
  ['usage of images comes from all', 'GET /v1/image?show-usage=1', undefined, 'all'],
  ['no usage of images', 'GET /v1/image?show-usage=false', undefined, 'any'],
  ['an unknown path', 'GET /v2/events', undefined, undefined],
  ['a known path with another method', 'PATCH /v1/machine', undefined, undefined],
  ['one segment too many', 'GET /v1/machine/m/ipmi/x', undefined, undefined],
];

for (const [rule, line, body, at, basePath] of RULES) {
  test(`networks.md §10.1: ${rule}: ${line}`, () => assert.deepEqual(whereOf(line, body, basePath), at));
}

test('only rules that look into the body have it parsed', () => {
  const unread = new Proxy(new Uint8Array(4), { get: () => assert.fail('the body was read') });
  for (const operation of OPERATIONS.filter(({ readsBody }) => !readsBody)) {
    const path = `/${operation.path.replace(/\{[a-z]+\}/g, '10.0.0.1')}`;
    assert.equal(matchOperation(operation.method, path)?.operation.id, operation.id);
    assert.ok(locate({ method: operation.method, path, body: unread }));
  }
});

test('design.md §9: what lies below /v1 is found below /v2 as well, at the same place', () => {
  for (const [line, id, , , at, body] of MAP) {
    const [method, path] = line.split(' ') as [string, string];
    const located = locate({ method, path: path.replace(/^\/v1\//, '/v2/'), body: bytes(body) });
    assert.deepEqual([located?.operation, located?.at], [id, at], line);
  }
  assert.equal(locate({ method: 'GET', path: '/v2/federation', body: bytes(undefined) }), undefined);
});
