// What tests of a plant start from: a partition with a size, an image, a layout, networks and a project.
import type { Plant, PlantSite } from './plant.ts';

export interface Seeded {
  partition: string;
  project: string;
  size: string;
  image: string;
  /** The project's private network in the partition. */
  privateNetwork: string;
  /** An external network of the partition: 254 addresses, taken by machines. */
  dmz: string;
}

const GIB = 2 ** 30;
export const SIZE = 'c1-small';
export const IMAGE = 'ubuntu-24.4.20260101';

const byPlace = (index: number) => ({
  superPrefix: `10.${index}.0.0/16`,
  underlay: `10.240.${index}.0/24`,
  dmz: `172.20.${index}.0/24`,
});

/** The catalogue is made at the first place only; the others have their copy of it. */
export async function seedPlace(plant: Plant, site: PlantSite, partition: string, index = 0): Promise<Seeded> {
  const { superPrefix, underlay, dmz } = byPlace(index);
  await site.call('PUT', '/v1/partition', {
    id: partition,
    name: partition,
    bootconfig: {
      imageurl: `${plant.files.url}/boot/initrd.img`,
      kernelurl: `${plant.files.url}/boot/kernel`,
      commandline: 'console=ttyS1',
    },
    mgmtserviceaddress: '127.0.0.1:3333',
  });
  if (index === 0) {
    await site.call('PUT', '/v1/tenant', { meta: { id: 'acme' }, name: 'acme' });
    await site.call('PUT', '/v1/size', {
      id: SIZE,
      name: SIZE,
      constraints: [
        { type: 'cores', min: 8, max: 8 },
        { type: 'memory', min: 60 * GIB, max: 68 * GIB },
        { type: 'storage', min: 400 * GIB, max: 1_300 * GIB, identifier: '/dev/*' },
      ],
    });
    await site.call('PUT', '/v1/image', {
      id: IMAGE,
      name: IMAGE,
      url: `${plant.files.url}/images/${IMAGE}/img.tar.lz4`,
      features: ['machine'],
      classification: 'supported',
    });
    await site.call('PUT', '/v1/filesystemlayout', {
      id: 'default',
      name: 'default',
      constraints: { sizes: [SIZE], images: { ubuntu: '*' } },
      disks: [
        {
          device: '/dev/sda',
          wipeonreinstall: true,
          partitions: [{ number: 1, label: 'root', size: 0, gpttype: '8300' }],
        },
      ],
      filesystems: [{ path: '/', device: '/dev/sda1', format: 'ext4', label: 'root' }],
    });
  }
  const { meta } = await site.call<{ meta: { id: string } }>('PUT', '/v1/project', {
    name: `project of ${partition}`,
    tenant_id: 'acme',
  });
  const network = (body: object): Promise<{ id: string }> =>
    site.call('PUT', '/v1/network', {
      partitionid: partition,
      destinationprefixes: [],
      privatesuper: false,
      nat: false,
      underlay: false,
      ...body,
    });
  await network({
    id: `super-${partition}`,
    prefixes: [superPrefix],
    privatesuper: true,
    defaultchildprefixlength: { IPv4: 22 },
  });
  await network({ id: `underlay-${partition}`, prefixes: [underlay], underlay: true });
  await network({ id: `dmz-${partition}`, prefixes: [dmz], destinationprefixes: ['0.0.0.0/0'] });
  const child = await site.call<{ id: string }>('POST', '/v1/network/allocate', {
    name: 'private',
    projectid: meta.id,
    partitionid: partition,
  });
  return {
    partition,
    project: meta.id,
    size: SIZE,
    image: IMAGE,
    privateNetwork: child.id,
    dmz: `dmz-${partition}`,
  };
}

/** An external network of the partition, for addresses only. */
export async function addNetwork(site: PlantSite, seeded: Seeded, id: string, prefix: string): Promise<void> {
  await site.call('PUT', '/v1/network', {
    id,
    partitionid: seeded.partition,
    prefixes: [prefix],
    destinationprefixes: [],
    privatesuper: false,
    nat: false,
    underlay: false,
  });
}

/** A global network: every partition gets blocks of it. */
export async function addGlobalNetwork(site: PlantSite, id: string, prefix: string): Promise<void> {
  await site.call('PUT', '/v1/network', {
    id,
    prefixes: [prefix],
    destinationprefixes: ['0.0.0.0/0'],
    privatesuper: false,
    nat: true,
    underlay: false,
  });
}
