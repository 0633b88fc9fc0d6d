// Operations of metal-api whose backends this house does not have; metal-api answers so when they are not configured.
import { internal } from '../../actors/refusal.ts';
import type { Edge, RouteDeclaration } from '../env.ts';
import { route } from '../route.ts';

const FIRMWARE = '/v1/firmware/:kind/:vendor/:board/:revision';

const SWITCHED_OFF: Array<RouteDeclaration & { why: string; contentType?: 'any' }> = [
  {
    method: 'post',
    path: '/v1/vpn/authkey',
    role: 'admin',
    operation: 'getVPNAuthKey',
    why: 'vpn is currently disabled',
  },
  {
    method: 'get',
    path: '/v1/firmware',
    role: 'admin',
    operation: 'listFirmwares',
    why: 'the firmware store is currently disabled',
  },
  {
    method: 'put',
    path: FIRMWARE,
    role: 'admin',
    operation: 'uploadFirmware',
    contentType: 'any',
    why: 'the firmware store is currently disabled',
  },
  {
    method: 'delete',
    path: FIRMWARE,
    role: 'admin',
    operation: 'removeFirmware',
    why: 'the firmware store is currently disabled',
  },
];

/** VPN and firmware store: 500, as metal-api answers what is switched off (machines.md §1.4). */
export function addSwitchedOffRoutes(edge: Edge): void {
  for (const { why, ...declaration } of SWITCHED_OFF) {
    // The message goes out as it is: clients look for it.
    route(edge, declaration, () => ({ ...internal(why), message: why }));
  }
}
