// Machine attachment is a column of its own (networks.md N15); the tags that v1's clients know it by are rendered from it.
import type { IpRecord } from './record.ts';

/** metal-api takes any tag that starts so for an attachment. */
const MACHINE_TAG = 'machine.metal-stack.io/id';

/** The tag that an address attached to the machine shows on the wire. */
export const machineTag = (machine: string): string => `${MACHINE_TAG}=${machine}`;

/** Sorted by code unit and without duplicates, as every write through metal-api leaves them. */
export const uniqueTags = (tags: readonly string[]): string[] => [...new Set(tags)].sort();

/** All tags of an address as the wire shows them. */
export const renderTags = (ip: Pick<IpRecord, 'tags' | 'machines'>): string[] =>
  uniqueTags([...ip.tags, ...ip.machines.map(machineTag)]);

/** The part of given tags that is stored: without those that are rendered from the attached machines. */
export function storedTags(tags: readonly string[], machines: readonly string[]): string[] {
  const rendered = new Set(machines.map(machineTag));
  return uniqueTags(tags.filter((tag) => !rendered.has(tag)));
}

/** metal-api's machine scope: such an address can't be freed. Tags set by hand count for this, but for nothing else. */
export const isMachineScoped = (ip: Pick<IpRecord, 'tags' | 'machines'>): boolean =>
  ip.machines.length > 0 || ip.tags.some((tag) => tag.startsWith(MACHINE_TAG));

/** Attaches; a bare machine tag, and one for this machine set by hand, become the rendered one. */
export const attached = <T extends Pick<IpRecord, 'tags' | 'machines'>>(ip: T, machine: string): T => ({
  ...ip,
  machines: uniqueTags([...ip.machines, machine]),
  tags: ip.tags.filter((tag) => tag !== MACHINE_TAG && tag !== machineTag(machine)),
});
