import type { TableName } from '../../actors/records.ts';
import { allocation } from './allocation.ts';
import { block, globalNetwork, holding, want } from './block.ts';
import { claim } from './claim.ts';
import { directory } from './directory.ts';
import type { Entity } from './entity.ts';
import { ip } from './ip.ts';
import { machine, provisioning } from './machine.ts';
import { network } from './network.ts';
import { pool } from './pool.ts';
import { prefix } from './prefix.ts';
import { switchConfiguration, switchPort, switchStatus } from './switch.ts';

export const entities: { readonly [T in TableName]: Entity<T> } = {
  machine,
  allocation,
  provisioning,
  switch: switchConfiguration,
  switch_status: switchStatus,
  switch_port: switchPort,
  network,
  prefix,
  ip,
  pool,
  global_network: globalNetwork,
  block,
  holding,
  want,
  directory,
  claim,
};

export const tableNames = Object.keys(entities) as TableName[];
