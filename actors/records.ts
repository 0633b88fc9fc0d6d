// The rows: what is durable, one table an entity. A row belongs to exactly one actor (`owner`); only that actor's own
// decide makes changes to it. Keys are text, unique in (scope, table).
import type { Scope } from './address.ts';
import type { AllocationRecord, MachineRecord, ProvisioningRecord } from './machine/record.ts';
import type { IpRecord, NetworkRecord, PoolRecord, PrefixRecord } from './network/record.ts';
import type { PortRecord, SwitchRecord, SwitchStatusRecord } from './switch/record.ts';
import type { BlockRecord, GlobalNetworkRecord, HoldingRecord, WantRecord } from './block/record.ts';
import type { DirectoryRecord } from './directory/record.ts';
import type { ClaimRecord } from './registry/record.ts';

/** Table → what its rows hold besides key, owner and version. */
export interface Records {
  /** key: machine id; owner: machine id */
  machine: MachineRecord;
  /** key: machine id (so a machine has at most one); owner: machine id */
  allocation: AllocationRecord;
  /** key: machine id; owner: machine id. The container of events. */
  provisioning: ProvisioningRecord;
  /** key: switch id; owner: switch id */
  switch: SwitchRecord;
  /** key: switch id; owner: switch id. What changes every ten seconds, apart from the configuration (N28). */
  switch_status: SwitchStatusRecord;
  /** key: `<switch id>|<nic key>`; owner: switch id. VRF and connected machine of one port. */
  switch_port: PortRecord;
  /** key: network id; owner: network id */
  network: NetworkRecord;
  /** key: cidr; owner: id of the network whose address space it is cut from (a super's id for children), or its own. */
  prefix: PrefixRecord;
  /** key: `<network id>|<address>`; owner: network id (network actor or, for global networks, the block actor) */
  ip: IpRecord;
  /** key: `vrf|<number>` or `asn|<number>`; owner: the partition's id (its allocator) */
  pool: PoolRecord;
  /** key: network id; owner: network id. A partition's copy of a global network, kept by its block actor. */
  global_network: GlobalNetworkRecord;
  /** key: `<network id>|<first address>`; owner: network id. The home's ledger: who holds which block. */
  block: BlockRecord;
  /** key: `<network id>|<first address>`; owner: network id. The blocks that a partition holds. */
  holding: HoldingRecord;
  /** key: `<network id>|<h>`; owner: network id. A partition's open or finished requests for blocks. */
  want: WantRecord;
  /** key: `<kind>|<id>`; owner: kind. Own entries and copies of the other sites'. */
  directory: DirectoryRecord;
  /** key: `<what>|<value>`, of a vrf `vrf|<number>|<network>`; owner: the site's id. What must be unique over all sites. */
  claim: ClaimRecord;
}

export type TableName = keyof Records;

/** A live row as loaded. */
export type Row = {
  [T in TableName]: { table: T; scope: Scope; key: string; owner: string; version: number; value: Records[T] };
}[TableName];
export type RowOf<T extends TableName> = Extract<Row, { table: T }>;

/**
 * One row's new state. `prev` 0: the row must be absent or released; above 0: it must be there with exactly that
 * version. `value` null releases it. `version` comes from a counter that never falls (`Versions`).
 */
export type Change = {
  [T in TableName]: {
    table: T;
    scope: Scope;
    key: string;
    owner: string;
    prev: number;
    version: number;
    value: Records[T] | null;
  };
}[TableName];
export type ChangeOf<T extends TableName> = Extract<Change, { table: T }>;

/** `<table>:<scope>:<key>`: names one row in a process. */
export const rowName = (row: { table: TableName; scope: Scope; key: string }): string =>
  `${row.table}:${row.scope}:${row.key}`;

/** Of several changes of one row, decided on the same state, the first: a second one could never be written. */
export function oncePerRow(changes: readonly Change[]): Change[] {
  const seen = new Set<string>();
  return changes.filter((change) => {
    const name = rowName(change);
    if (seen.has(name)) return false;
    seen.add(name);
    return true;
  });
}
