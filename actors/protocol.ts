// Who can be asked what. Each room declares its own messages; this file only brings them together.
import type { Kind } from './address.ts';
import type { AllocatorCommands, AllocatorReservations } from './allocation/messages.ts';
import type { BlockCommands, BlockReservations } from './block/messages.ts';
import type { DirectoryCommands, DirectoryReservations } from './directory/messages.ts';
import type { MachineCommands, MachineReservations } from './machine/messages.ts';
import type { NetworkCommands, NetworkReservations } from './network/messages.ts';
import type { RegistryCommands, RegistryReservations } from './registry/messages.ts';
import type { SwitchCommands, SwitchReservations } from './switch/messages.ts';

export interface Protocol {
  machine: { commands: MachineCommands; reservations: MachineReservations };
  network: { commands: NetworkCommands; reservations: NetworkReservations };
  switch: { commands: SwitchCommands; reservations: SwitchReservations };
  allocator: { commands: AllocatorCommands; reservations: AllocatorReservations };
  block: { commands: BlockCommands; reservations: BlockReservations };
  directory: { commands: DirectoryCommands; reservations: DirectoryReservations };
  registry: { commands: RegistryCommands; reservations: RegistryReservations };
}

export type CommandName<K extends Kind> = keyof Protocol[K]['commands'] & string;
type Exchange<T, N extends keyof T> = T[N] extends { ask: infer A; reply: infer R } ? { ask: A; reply: R } : never;
export type Ask<K extends Kind, C extends CommandName<K>> = Exchange<Protocol[K]['commands'], C>['ask'];
export type Reply<K extends Kind, C extends CommandName<K>> = Exchange<Protocol[K]['commands'], C>['reply'];

export type ReservationName<K extends Kind> = keyof Protocol[K]['reservations'] & string;
export type ReservationAsk<K extends Kind, C extends ReservationName<K>> = Exchange<
  Protocol[K]['reservations'],
  C
>['ask'];
export type ReservationReply<K extends Kind, C extends ReservationName<K>> = Exchange<
  Protocol[K]['reservations'],
  C
>['reply'];
