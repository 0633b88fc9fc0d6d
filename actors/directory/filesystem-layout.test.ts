import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { isRefusal } from '../refusal.ts';
import { emptyHardware } from '../machine/hardware.ts';
import {
  checkLayoutFits,
  createFilesystemLayout,
  isReinstallable,
  selectFilesystemLayout,
  updateFilesystemLayout,
  type AskedFilesystemLayout,
  type FilesystemLayout,
} from './filesystem-layout.ts';

const kindOf = (result: unknown): string => (isRefusal(result) ? result.kind : 'ok');
const partition = (number: number, size: number) => ({ number, label: '', size, gptType: '' });
const filesystem = (device: string, path = '/', format = 'ext4') => ({
  path,
  device,
  format,
  label: '',
  mountOptions: [],
  createOptions: [] as string[],
});
const volume = (name: string, size: number, lvmType = 'linear') => ({ name, volumeGroup: 'vg', size, lvmType });
const sda = (...partitions: ReturnType<typeof partition>[]) => ({
  device: '/dev/sda',
  partitions,
  wipeOnReinstall: true,
});
const asked = (more: Partial<AskedFilesystemLayout> = {}): AskedFilesystemLayout => ({
  id: 'default',
  name: '',
  description: '',
  filesystems: [filesystem('/dev/sda1'), filesystem('tmpfs', '/tmp', 'tmpfs')],
  disks: [sda(partition(1, 500), partition(2, 0))],
  raid: [],
  volumeGroups: [],
  logicalVolumes: [],
  constraints: { sizes: [], images: {} },
  ...more,
});
const create = (more: Partial<AskedFilesystemLayout> = {}, layouts: FilesystemLayout[] = []) =>
  createFilesystemLayout(asked(more), layouts, 1);
const layout = (id: string, sizes: string[], images: Record<string, string>): FilesystemLayout => {
  const created = create({ id, constraints: { sizes, images } });
  assert.ok(!isRefusal(created));
  return created;
};

describe('filesystem layout', () => {
  it('machines.md §18.2: unknown words are 422', () => {
    assert.equal(kindOf(create()), 'ok');
    assert.equal(kindOf(create({ id: '' })), 'Invalid');
    assert.equal(kindOf(create({ filesystems: [filesystem('/dev/sda1', '/', 'xfs')] })), 'Unprocessable');
    assert.equal(kindOf(create({ disks: [sda({ ...partition(1, 5), gptType: '82' })] })), 'Unprocessable');
    assert.equal(kindOf(create({ logicalVolumes: [volume('a', 1, 'raid5')] })), 'Unprocessable');
    const raid = { arrayName: '/dev/md1', devices: ['/dev/sda1'], level: '5', createOptions: [], spares: 0 };
    assert.equal(kindOf(create({ raid: [raid] })), 'Unprocessable');
  });

  it('machines.md §18.2 rule 1, W40: partition numbers', () => {
    const disks = (...partitions: ReturnType<typeof partition>[]) =>
      kindOf(create({ filesystems: [], disks: [sda(...partitions)] }));
    assert.equal(disks(partition(1, 1), partition(9, 0)), 'ok');
    assert.equal(disks(partition(2, 0), partition(1, 1)), 'ok');
    assert.equal(disks(partition(1, 0), partition(2, 1)), 'Invalid');
    assert.equal(disks(partition(1, 1), partition(1, 1)), 'Invalid');
    assert.equal(disks(partition(256, 1)), 'Invalid');
    assert.equal(disks(partition(0, 1)), 'Invalid');
    assert.equal(disks(partition(1, -1)), 'Invalid');
  });

  it('machines.md §18.2 rules 2, 3: what lies on what', () => {
    const raid = (devices: string[]) => ({ arrayName: '/dev/md1', devices, level: '1', createOptions: [], spares: 0 });
    assert.equal(kindOf(create({ raid: [raid(['/dev/sda1', '/dev/sda2'])] })), 'ok');
    assert.equal(kindOf(create({ raid: [raid(['/dev/sdb1'])] })), 'Invalid');
    const nvme = { device: '/dev/nvme0n1', partitions: [partition(1, 1)], wipeOnReinstall: false };
    assert.equal(kindOf(create({ disks: [nvme], filesystems: [filesystem('/dev/nvme0n1p1')] })), 'ok');
    assert.equal(kindOf(create({ disks: [nvme], filesystems: [filesystem('/dev/nvme0n11')] })), 'Invalid');
    const onGroup = (devices: string[], logicalVolumes: ReturnType<typeof volume>[], device = '/dev/vg/a') =>
      kindOf(
        create({
          volumeGroups: [{ name: 'vg', devices, tags: [] }],
          logicalVolumes,
          filesystems: [filesystem(device)],
        }),
      );
    assert.equal(onGroup(['/dev/sda1'], [volume('a', 1), volume('b', 0)]), 'ok');
    assert.equal(onGroup(['/dev/sda1'], [volume('a', 0), volume('b', 1)]), 'Invalid');
    assert.equal(onGroup(['/dev/sda1'], [volume('a', 1, 'striped')]), 'Invalid');
    assert.equal(onGroup(['/dev/sda1', '/dev/sda2'], [volume('a', 1, 'striped')]), 'ok');
    assert.equal(onGroup(['/dev/sdz'], [volume('a', 1)]), 'Invalid');
    assert.equal(onGroup(['/dev/sda1'], [volume('a', 1)], '/dev/vg/z'), 'Invalid');
    assert.equal(kindOf(create({ logicalVolumes: [volume('a', 1)] })), 'Invalid');
  });

  it('machines.md §18.2 rule 4, W40: filesystems without a device, options with blanks', () => {
    assert.equal(kindOf(create({ filesystems: [filesystem('/dev/sdx', '')] })), 'Invalid');
    const withOption = { ...filesystem('/dev/sda1'), createOptions: ['-F 32'] };
    assert.equal(kindOf(create({ filesystems: [withOption] })), 'Invalid');
  });

  it('machines.md §18.2 rule 5: constraints', () => {
    const constraints = (sizes: string[], images: Record<string, string>) =>
      kindOf(create({ constraints: { sizes, images } }));
    assert.equal(constraints(['a', 'b'], { ubuntu: '>= 20.04', debian: '*' }), 'ok');
    assert.equal(constraints(['a*'], {}), 'Invalid');
    assert.equal(constraints(['a', 'a'], {}), 'Invalid');
    assert.equal(constraints(['a'], { '*': '1' }), 'Invalid');
    assert.equal(constraints(['a'], { ubuntu: '>=1' }), 'Invalid');
  });

  it('machines.md §18.2, W44: collisions', () => {
    const stored = layout('x', ['s1', 's2'], { ubuntu: '>= 20.04', debian: '*' });
    const against = (sizes: string[], images: Record<string, string>) =>
      kindOf(create({ id: 'y', constraints: { sizes, images } }, [stored]));
    assert.equal(against(['s2'], { debian: '> 9' }), 'Invalid');
    assert.equal(against(['s2'], { ubuntu: '*' }), 'Invalid');
    assert.equal(against(['s2'], { ubuntu: '>= 20.04' }), 'Invalid');
    assert.equal(against(['s2'], { ubuntu: '~ 20.04' }), 'Invalid');
    assert.equal(against(['s2'], { ubuntu: '< 20.04' }), 'ok');
    assert.equal(against(['s3'], { ubuntu: '>= 20.04' }), 'ok');
    assert.equal(against(['s1'], { alpine: '*' }), 'ok');
    assert.equal(kindOf(create({ id: 'x', constraints: stored.constraints }, [stored])), 'Conflict');
  });

  it('machines.md §18.2: an update replaces everything', () => {
    const stored = layout('default', ['s'], { ubuntu: '*' });
    const updated = updateFilesystemLayout(stored, asked({ name: 'n', filesystems: [], disks: [] }), [stored], 9);
    assert.deepEqual(updated, { ...asked({ name: 'n', filesystems: [], disks: [] }), created: 1, changed: 9 });
  });

  it('machines.md §18.3: selection', () => {
    const layouts = [
      layout('new', ['s'], { ubuntu: '>= 20.04' }),
      layout('old', ['s'], { ubuntu: '< 20.04' }),
      layout('dev', [], {}),
    ];
    const select = (size: string, os: string, version: string) => {
      const found = selectFilesystemLayout(layouts, size, { id: `${os}-${version}`, os, version });
      return isRefusal(found) ? found.kind : found.id;
    };
    assert.equal(select('s', 'ubuntu', '20.4.20210101'), 'new');
    assert.equal(select('s', 'ubuntu', '19.4.20210101'), 'old');
    assert.equal(select('s', 'debian', '19.4.20210101'), 'Unprocessable');
    assert.equal(select('t', 'ubuntu', '20.4.20210101'), 'Unprocessable');
  });

  it('machines.md §18.4: fit and reinstall', () => {
    const stored = layout('default', [], {});
    const withDisk = (name: string, size: number) => ({ ...emptyHardware(), disks: [{ name, size }] });
    assert.equal(checkLayoutFits(stored, withDisk('sda', 500 * 1024 * 1024)), undefined);
    assert.equal(kindOf(checkLayoutFits(stored, withDisk('/dev/sda', 500 * 1024 * 1024 - 1))), 'Unprocessable');
    assert.equal(kindOf(checkLayoutFits(stored, withDisk('sdb', 1e12))), 'Unprocessable');
    assert.ok(isReinstallable(stored));
    assert.ok(!isReinstallable({ ...stored, disks: [{ ...stored.disks[0]!, wipeOnReinstall: false }] }));
  });
});
