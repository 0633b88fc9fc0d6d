// The map: all operations of v1 and where each belongs. One row an operation: who is asked, by which words of the
// request. Literal paths win over parameters (locate.ts).
import type { DirectoryKind } from '../actors/directory/record.ts';
import { formatAddress, parseAddress } from '../actors/ipam/address.ts';
import { isTrue, type Hints } from './hints.ts';
import type { Merge, OperationClass, Where } from './where.ts';

export interface Operation {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Below the base path. */
  readonly path: string;
  /** operationId of the OpenAPI document. */
  readonly id: string;
  readonly class: OperationClass;
  readonly access: 'r' | 'w';
  /** Whether its place may depend on the body. */
  readonly readsBody: boolean;
  readonly where: (hints: Hints) => Where;
  readonly merge?: Merge;
}

/** Where a hint lies, and what it names. */
interface Rule {
  readonly readsBody: boolean;
  readonly where: (hints: Hints) => Where;
}
const fixed = (where: Where): Rule => ({ readsBody: false, where: () => where });
const fromHead = (where: (hints: Hints) => Where): Rule => ({ readsBody: false, where });
const fromBody = (where: (hints: Hints) => Where): Rule => ({ readsBody: true, where });
/** Without hints it asks all; but what is no JSON is an error, which one site can say. */
const fromFind = (where: (hints: Hints) => Where): Rule =>
  fromBody((hints) => (hints.isObject() ? where(hints) : 'any'));

const ANY = fixed('any');
const HERE = fixed('here');
const ALL = fixed('all');

const named = (by: 'machine' | 'switch' | 'partition', id: string | undefined): Where =>
  id === undefined ? 'any' : { by, id };
const inPath = (by: 'machine' | 'switch'): Rule => fromHead(({ path }) => ({ by, id: path('id') }));
const inBody = (by: 'machine' | 'switch' | 'partition', key: string): Rule =>
  fromBody(({ body }) => named(by, body(key)));

const networkAt = (id: string | undefined): Where =>
  id === undefined ? 'any' : { by: 'network', id, ifGlobal: 'home' };
const networkInPath = fromHead(({ path }) => networkAt(path('id')));

/** What is no address can't be placed: whoever receives it says so. */
function addressAt(text: string | undefined, network?: string): Where {
  const address = text === undefined ? undefined : parseAddress(text);
  if (address === undefined) return 'any';
  const id = formatAddress(address);
  return network === undefined ? { by: 'address', id } : { by: 'address', id, network };
}
const addressInPath = fromHead(({ path }) => addressAt(path('id')));

const entryAt = (kind: DirectoryKind, id: string | undefined): Where =>
  id === undefined ? 'any' : { by: 'directory', kind, id };
const entryInPath = (kind: DirectoryKind): Rule => fromHead(({ path }) => entryAt(kind, path('id')));
const entryInBody = (kind: DirectoryKind, key = 'id'): Rule => fromBody(({ body }) => entryAt(kind, body(key)));

/** The first key that is there decides; '' is there, and equals nothing that has a place. */
const inFind = (...keys: Array<[key: string, by: 'machine' | 'switch' | 'partition']>): Rule =>
  fromFind(({ find }) => {
    for (const [key, by] of keys) {
      const id = find(key);
      if (id !== undefined) return id === '' ? 'any' : { by, id };
    }
    return 'all';
  });

const machineFind = inFind(['partition_id', 'partition'], ['id', 'machine']);
const machineAllocate = fromBody(({ body }) => {
  const uuid = body('uuid');
  return uuid === undefined ? named('partition', body('partitionid')) : { by: 'machine', id: uuid };
});
const networkFind = fromFind(({ find }) => {
  const id = find('id');
  if (id !== undefined) return id === '' ? 'any' : networkAt(id);
  const partition = find('partitionid');
  if (partition !== undefined) return partition === '' ? 'globals' : { by: 'partition', id: partition };
  const parent = find('parentnetworkid');
  return parent ? networkAt(parent) : 'all';
});
const addressFind = fromFind(({ find }) => {
  const address = find('ipaddress');
  if (address !== undefined) return addressAt(address);
  const network = find('networkid');
  if (network === undefined) return 'all';
  return network === '' ? 'any' : { by: 'network', id: network, ifGlobal: 'all' };
});
const addressAllocate = fromBody(({ body }) => {
  const network = body('networkid');
  if (network === undefined) return 'any';
  const machine = body('machineid');
  return { by: 'network', id: network, ifGlobal: machine === undefined ? 'here' : { machine } };
});
const specificAddress = fromBody(({ path, body }) => addressAt(path('ip'), body('networkid')));
const imagesWithUsage = fromHead(({ query }) => (isTrue(query('show-usage')) ? 'all' : 'any'));
const bodyPartitionOrAll = (key: string): Rule =>
  fromFind(({ body }) => {
    const id = body(key);
    return id === undefined ? 'all' : { by: 'partition', id };
  });
const createNetwork = fromBody(({ body }) => {
  const id = body('partitionid');
  return id === undefined ? 'here' : { by: 'partition', id };
});
/** The one operation whose place the body does not tell: the query may name the site that hosts the partition. */
const createPartition = fromHead(({ query }) => {
  const id = query('site');
  return id ? { by: 'site', id } : 'here';
});
const firmwareList = fromHead(({ query }) => named('machine', query('machine-id') || undefined));

function row(line: string, rule: Rule, merge?: Merge): Operation {
  const [method, path, type, access, ...id] = line.split(' ');
  return {
    method: method as Operation['method'],
    path: path!,
    id: id.join(' '),
    class: type as OperationClass,
    access: access as 'r' | 'w',
    readsBody: rule.readsBody,
    where: rule.where,
    ...(merge === undefined ? {} : { merge }),
  };
}

/** Method, path, class, access, operationId; the rule; how parts are merged. */
export const OPERATIONS: readonly Operation[] = [
  row('GET v1/machine F r listMachines', ALL, 'concatenate'),
  row('POST v1/machine H w updateMachine', inBody('machine', 'id')),
  row('POST v1/machine/allocate H w allocateMachine', machineAllocate),
  row('GET v1/machine/consolepassword H r getMachineConsolePassword', inBody('machine', 'id')),
  row('POST v1/machine/find F/H r findMachines', machineFind, 'concatenate'),
  row('POST v1/machine/ipmi H w ipmiReport', inBody('partition', 'partitionid')),
  row('POST v1/machine/ipmi/find F/H r findIPMIMachines', machineFind, 'concatenate'),
  row('GET v1/machine/issues L r listIssues', ANY),
  row('POST v1/machine/issues/evaluate F/H r issues', machineFind, 'issues'),
  row('POST v1/machine/update-firmware/{id} H w updateFirmware', inPath('machine')),
  row('DELETE v1/machine/{id} H w deleteMachine', inPath('machine')),
  row('GET v1/machine/{id} H r findMachine', inPath('machine')),
  row('DELETE v1/machine/{id}/free H w freeMachine', inPath('machine')),
  row('GET v1/machine/{id}/ipmi H r findIPMIMachine', inPath('machine')),
  row('POST v1/machine/{id}/power/bios H w machineBios', inPath('machine')),
  row('POST v1/machine/{id}/power/chassis-identify-led-off H w chassisIdentifyLEDOff', inPath('machine')),
  row('POST v1/machine/{id}/power/chassis-identify-led-on H w chassisIdentifyLEDOn', inPath('machine')),
  row('POST v1/machine/{id}/power/cycle H w machineCycle', inPath('machine')),
  row('POST v1/machine/{id}/power/disk H w machineDisk', inPath('machine')),
  row('POST v1/machine/{id}/power/off H w machineOff', inPath('machine')),
  row('POST v1/machine/{id}/power/on H w machineOn', inPath('machine')),
  row('POST v1/machine/{id}/power/pxe H w machinePxe', inPath('machine')),
  row('POST v1/machine/{id}/power/reset H w machineReset', inPath('machine')),
  row('POST v1/machine/{id}/reinstall H w reinstallMachine', inPath('machine')),
  row('POST v1/machine/{id}/state H w setMachineState', inPath('machine')),

  row('GET v1/firewall F r listFirewalls', ALL, 'concatenate'),
  row('POST v1/firewall/allocate H w allocateFirewall', machineAllocate),
  row('POST v1/firewall/find F/H r findFirewalls', machineFind, 'concatenate'),
  row('GET v1/firewall/{id} H r findFirewall', inPath('machine')),

  row('GET v1/partition D r listPartitions', ANY),
  row('POST v1/partition D* w updatePartition', entryInBody('partition')),
  row('PUT v1/partition D+ w createPartition', createPartition),
  row('POST v1/partition/capacity F/H r partitionCapacity', bodyPartitionOrAll('id'), 'concatenate'),
  row('DELETE v1/partition/{id} D* w deletePartition', entryInPath('partition')),
  row('GET v1/partition/{id} D r findPartition', entryInPath('partition')),

  row('GET v1/size D r listSizes', ANY),
  row('POST v1/size D* w updateSize', entryInBody('size')),
  row('PUT v1/size D+ w createSize', HERE),
  row('GET v1/size/reservations D r listSizeReservations', ANY),
  row('POST v1/size/reservations D* w updateSizeReservation', entryInBody('sizereservation')),
  row('PUT v1/size/reservations D+ w createSizeReservation', HERE),
  row('POST v1/size/reservations/find D r findSizeReservations', ANY),
  row('POST v1/size/reservations/usage F/H r sizeReservationsUsage', bodyPartitionOrAll('partitionid'), 'concatenate'),
  row('DELETE v1/size/reservations/{id} D* w deleteSizeReservation', entryInPath('sizereservation')),
  row('GET v1/size/reservations/{id} D r getSizeReservation', entryInPath('sizereservation')),
  row('POST v1/size/suggest H r suggest', inBody('machine', 'machineid')),
  row('DELETE v1/size/{id} D* w deleteSize', entryInPath('size')),
  row('GET v1/size/{id} D r findSize', entryInPath('size')),

  row('GET v1/size-image-constraint D r listSizeImageConstraints', ANY),
  row('POST v1/size-image-constraint D* w updateSizeImageConstraint', entryInBody('sizeimageconstraint')),
  row('PUT v1/size-image-constraint D+ w createSizeImageConstraint', HERE),
  row('POST v1/size-image-constraint/try D r trySizeImageConstraint', ANY),
  row('DELETE v1/size-image-constraint/{id} D* w deleteSizeImageConstraint', entryInPath('sizeimageconstraint')),
  row('GET v1/size-image-constraint/{id} D r findSizeImageConstraint', entryInPath('sizeimageconstraint')),

  row('GET v1/image D r listImages', imagesWithUsage, 'images'),
  row('POST v1/image D* w updateImage', entryInBody('image')),
  row('PUT v1/image D+ w createImage', HERE),
  row('POST v1/image/find D r findImages', imagesWithUsage, 'images'),
  row('DELETE v1/image/{id} D* w deleteImage', entryInPath('image')),
  row('GET v1/image/{id} D r findImage', entryInPath('image')),
  row('GET v1/image/{id}/latest D r findLatestImage', ANY),
  row('GET v1/image/{id}/query D r queryImages by id', ANY),

  row('GET v1/filesystemlayout D r listFilesystemLayouts', ANY),
  row('POST v1/filesystemlayout D* w updateFilesystemLayout', entryInBody('filesystemlayout')),
  row('PUT v1/filesystemlayout D+ w createFilesystemLayout', HERE),
  row('POST v1/filesystemlayout/matches H r matchFilesystemLayout', inBody('machine', 'machine')),
  row('POST v1/filesystemlayout/try D r tryFilesystemLayout', ANY),
  row('DELETE v1/filesystemlayout/{id} D* w deleteFilesystemLayout', entryInPath('filesystemlayout')),
  row('GET v1/filesystemlayout/{id} D r getFilesystemLayout', entryInPath('filesystemlayout')),

  row('GET v1/firmware C/H r listFirmwares', firmwareList),
  row('DELETE v1/firmware/{kind}/{vendor}/{board}/{revision} C w removeFirmware', ANY),
  row('PUT v1/firmware/{kind}/{vendor}/{board}/{revision} C w uploadFirmware', ANY),

  row('GET v1/network F r listNetworks', ALL, 'concatenate'),
  row(
    'POST v1/network H/G w updateNetwork',
    fromBody(({ body }) => networkAt(body('id'))),
  ),
  row('PUT v1/network H/G w createNetwork', createNetwork),
  row('POST v1/network/allocate H w allocateNetwork', inBody('partition', 'partitionid')),
  row('POST v1/network/find F/H r findNetworks', networkFind, 'concatenate'),
  row('DELETE v1/network/free/{id} H w freeNetwork', networkInPath),
  row('POST v1/network/free/{id} H w freeNetworkDeprecated', networkInPath),
  row('DELETE v1/network/{id} H/G w deleteNetwork', networkInPath),
  row('GET v1/network/{id} H r findNetwork', networkInPath),

  row('GET v1/ip F r listIPs', ALL, 'concatenate'),
  row(
    'POST v1/ip H w updateIP',
    fromBody(({ body }) => addressAt(body('ipaddress'))),
  ),
  row('POST v1/ip/allocate H/G w allocateIP', addressAllocate),
  row('POST v1/ip/allocate/{ip} H/G w allocateSpecificIP', specificAddress),
  row('POST v1/ip/find F/H r findIPs', addressFind, 'concatenate'),
  row('DELETE v1/ip/free/{id} H w freeIP', addressInPath),
  row('GET v1/ip/{id} H r findIP', addressInPath),

  row('GET v1/switch F r listSwitches', ALL, 'concatenate'),
  row('POST v1/switch H w updateSwitch', inBody('switch', 'id')),
  row('POST v1/switch/find F/H r findSwitches', inFind(['partitionid', 'partition'], ['id', 'switch']), 'concatenate'),
  row('POST v1/switch/migrate H w migrateSwitch', inBody('switch', 'old_switch_id')),
  row('POST v1/switch/register H w registerSwitch', inBody('partition', 'partition_id')),
  row('DELETE v1/switch/{id} H w deleteSwitch', inPath('switch')),
  row('GET v1/switch/{id} H r findSwitch', inPath('switch')),
  row('POST v1/switch/{id}/notify H w notifySwitch', inPath('switch')),
  row('POST v1/switch/{id}/port H w toggleSwitchPort', inPath('switch')),

  row('GET v1/project D r listProjects', ANY),
  row('POST v1/project D* w updateProject', entryInBody('project', 'meta.id')),
  row('PUT v1/project D+ w createProject', HERE),
  row('POST v1/project/find D r findProjects', ANY),
  row('DELETE v1/project/{id} D* w deleteProject', entryInPath('project')),
  row('GET v1/project/{id} D+F r findProject', ALL, 'project'),

  row('GET v1/tenant D r listTenants', ANY),
  row('POST v1/tenant D* w updateTenant', entryInBody('tenant', 'meta.id')),
  row('PUT v1/tenant D+ w createTenant', HERE),
  row('POST v1/tenant/find D r findTenants', ANY),
  row('DELETE v1/tenant/{id} D* w deleteTenant', entryInPath('tenant')),
  row('GET v1/tenant/{id} D r getTenant', entryInPath('tenant')),

  row('POST v1/audit/find F r findAuditTraces', ALL, 'audit'),
  row('GET v1/user/me L r getMe', ANY),
  row('GET v1/version L r info', ANY),
  row('GET v1/health L r health', ANY),
  row('POST v1/vpn/authkey C w getVPNAuthKey', ANY),
];
