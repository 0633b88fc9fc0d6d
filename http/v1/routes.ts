import type { Edge } from '../env.ts';
import { addAuditRoutes } from './audit.ts';
import { addFilesystemLayoutRoutes } from './filesystem-layout.ts';
import { addFirewallRoutes } from './firewall.ts';
import { addImageRoutes } from './image.ts';
import { addIpRoutes } from './ip.ts';
import { addAllocateRoutes } from './machine-allocate.ts';
import { addMachineIpmiRoutes } from './machine-ipmi.ts';
import { addMachineIssueRoutes } from './machine-issues.ts';
import { addMachinePowerRoutes } from './machine-power.ts';
import { addMachineRoutes } from './machine.ts';
import { addNetworkRoutes } from './network.ts';
import { addPartitionRoutes } from './partition.ts';
import { addProjectRoutes } from './project.ts';
import { addSizeImageConstraintRoutes } from './size-image-constraint.ts';
import { addSizeReservationRoutes } from './size-reservation.ts';
import { addSizeRoutes } from './size.ts';
import { addSwitchRoutes } from './switch.ts';
import { addSwitchedOffRoutes } from './switched-off.ts';
import { addTenantRoutes } from './tenant.ts';

/** Every resource of v1. What has literal paths stands before what has parameters in their place. */
export const V1_RESOURCES: ReadonlyArray<(edge: Edge) => void> = [
  addPartitionRoutes,
  addSizeReservationRoutes,
  addSizeRoutes,
  addSizeImageConstraintRoutes,
  addImageRoutes,
  addFilesystemLayoutRoutes,
  addAllocateRoutes,
  addMachineIssueRoutes,
  addMachineIpmiRoutes,
  addMachinePowerRoutes,
  addMachineRoutes,
  addFirewallRoutes,
  addSwitchRoutes,
  addNetworkRoutes,
  addIpRoutes,
  addProjectRoutes,
  addTenantRoutes,
  addAuditRoutes,
  addSwitchedOffRoutes,
];
