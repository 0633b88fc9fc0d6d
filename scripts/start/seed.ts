// What a fresh plant is given, over REST like everything else. `acceptance` is the start of the acceptance lines;
// `demo` adds a layout and networks, so that a newcomer allocates a machine at once.
import { callApi, errorMessage, type Credentials } from '../api-client.ts';

export type Seed = 'demo' | 'acceptance' | 'none';
export const SEEDS: readonly Seed[] = ['demo', 'acceptance', 'none'];

export interface SeedPlace {
  partition: string;
  name: string;
  /** Base URL of the site that is to host it. */
  siteUrl: string;
  /** Where the simulated rack serves kernel, initrd and images. */
  filesUrl: string;
  superPrefix: string;
  underlayPrefix: string;
}

export interface SeedOptions {
  routerUrl: string;
  credentials: Credentials;
  places: SeedPlace[];
  note(text: string): void;
}

const GIB = 2 ** 30;

const sizes = [
  {
    id: 'c1-small',
    name: 'c1-small',
    description: '8 cores, 64 GiB',
    constraints: [
      { type: 'cores', min: 8, max: 8 },
      { type: 'memory', min: 60 * GIB, max: 68 * GIB },
      { type: 'storage', min: 400 * GIB, max: 1_300 * GIB, identifier: '/dev/*' },
    ],
  },
  {
    id: 'c1-large',
    name: 'c1-large',
    description: '32 cores, 256 GiB',
    constraints: [
      { type: 'cores', min: 32, max: 32 },
      { type: 'memory', min: 250 * GIB, max: 262 * GIB },
      { type: 'storage', min: 1_500 * GIB, max: 4_500 * GIB, identifier: '/dev/*' },
    ],
  },
];

const images = [
  { id: 'ubuntu-24.4.20260101', name: 'Ubuntu 24.04 20260101', features: ['machine'] },
  { id: 'ubuntu-24.4.20260201', name: 'Ubuntu 24.04 20260201', features: ['machine'] },
  { id: 'firewall-3.0.20260101', name: 'Firewall 3.0 20260101', features: ['firewall'] },
];

const layout = {
  id: 'default',
  name: 'default',
  description: 'one disk: EFI and root',
  constraints: { sizes: ['c1-small', 'c1-large'], images: { ubuntu: '*', firewall: '*' } },
  disks: [
    {
      device: '/dev/sda',
      wipeonreinstall: true,
      partitions: [
        { number: 1, label: 'efi', size: 500, gpttype: 'ef00' },
        { number: 2, label: 'root', size: 0, gpttype: '8300' },
      ],
    },
  ],
  filesystems: [
    { path: '/boot/efi', device: '/dev/sda1', format: 'vfat', label: 'efi' },
    { path: '/', device: '/dev/sda2', format: 'ext4', label: 'root' },
    {
      path: '/tmp',
      device: 'tmpfs',
      format: 'tmpfs',
      mountoptions: ['defaults', 'noatime', 'nosuid', 'nodev', 'noexec', 'mode=1777', 'size=512M'],
    },
  ],
};

export function createSeeder(options: SeedOptions) {
  const { credentials } = options;

  /** Creates; what exists already is left as it is, so that an interrupted seed goes on. */
  async function create(baseUrl: string, path: string, body: { id?: string }): Promise<void> {
    const answer = await callApi(baseUrl, credentials, 'PUT', path, body);
    if (answer.status === 201 || answer.status === 409) return;
    throw new Error(`seeding ${path} ${body.id ?? ''}: ${answer.status} ${errorMessage(answer.text)}`);
  }

  return {
    /** The partitions, each at the site that is to host it. */
    async partitions(): Promise<void> {
      for (const place of options.places) {
        await create(place.siteUrl, '/v1/partition', {
          id: place.partition,
          name: place.name,
          description: `plant ${place.name}`,
          bootconfig: {
            imageurl: `${place.filesUrl}/initrd`,
            kernelurl: `${place.filesUrl}/kernel`,
            commandline: 'console=ttyS1,115200n8',
          },
          mgmtserviceaddress: '127.0.0.1:3333',
        } as { id: string });
      }
    },

    /** Sizes and images: before the partitions, so that the first machine that registers finds its size. */
    async catalogue(seed: Seed): Promise<void> {
      if (seed === 'none') return;
      for (const size of sizes) await create(options.routerUrl, '/v1/size', size);
      const files = options.places[0]?.filesUrl ?? '';
      for (const image of images) {
        const url = `${files}/images/${image.id}/img.tar.lz4`;
        await create(options.routerUrl, '/v1/image', {
          ...image,
          description: image.name,
          url,
          classification: 'supported',
        } as { id: string });
      }
      if (seed === 'demo') await create(options.routerUrl, '/v1/filesystemlayout', layout);
    },

    async networks(seed: Seed): Promise<void> {
      if (seed !== 'demo') return;
      for (const place of options.places) {
        await create(options.routerUrl, '/v1/network', {
          id: `tenant-super-${place.partition}`,
          name: `tenant super network of ${place.name}`,
          partitionid: place.partition,
          prefixes: [place.superPrefix],
          destinationprefixes: [],
          privatesuper: true,
          nat: false,
          underlay: false,
          defaultchildprefixlength: { IPv4: 22 },
        } as { id: string });
        await create(options.routerUrl, '/v1/network', {
          id: `underlay-${place.partition}`,
          name: `underlay of ${place.name}`,
          partitionid: place.partition,
          prefixes: [place.underlayPrefix],
          destinationprefixes: [],
          privatesuper: false,
          nat: false,
          underlay: true,
        } as { id: string });
      }
      await create(options.routerUrl, '/v1/network', {
        id: 'internet',
        name: 'internet',
        description: 'global: every plant hands out addresses of it',
        prefixes: ['203.0.113.0/24'],
        destinationprefixes: ['0.0.0.0/0'],
        privatesuper: false,
        nat: true,
        underlay: false,
        vrf: 104_009,
        labels: { 'network.metal-stack.io/default': '', 'network.metal-stack.io/default-external': '' },
      } as { id: string });
    },
  };
}
