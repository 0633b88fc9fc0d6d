import { z } from 'zod';
import type { AskedFilesystemLayout, FilesystemLayout } from '../../../actors/directory/filesystem-layout.ts';
import { count, described, describedOf, flag, labels, orNull, text, texts } from './fields.ts';

const size = count.optional();

export const layoutBody = z.object({
  ...described,
  filesystems: z
    .array(z.object({ path: text, device: text, format: text, label: text, mountoptions: texts, createoptions: texts }))
    .optional(),
  disks: z
    .array(
      z.object({
        device: text,
        partitions: z
          .array(z.object({ number: count.max(255).optional(), label: text, size, gpttype: text }))
          .optional(),
        wipeonreinstall: flag,
      }),
    )
    .optional(),
  raid: z
    .array(z.object({ arrayname: text, devices: texts, level: text, createoptions: texts, spares: z.int().optional() }))
    .optional(),
  volumegroups: z.array(z.object({ name: text, devices: texts, tags: texts })).optional(),
  logicalvolumes: z.array(z.object({ name: text, volumegroup: text, size, lvmtype: text })).optional(),
  constraints: z.object({ sizes: texts, images: labels }).optional(),
});
type LayoutBody = z.infer<typeof layoutBody>;

export const tryBody = z.object({ size: text, image: text });
export const matchBody = z.object({ machine: text, filesystemlayout: text });

/** Create and update ask for a whole layout: what is absent is empty. */
export const askedLayout = (body: LayoutBody): AskedFilesystemLayout => ({
  ...describedOf(body),
  filesystems: (body.filesystems ?? []).map((filesystem) => ({
    path: filesystem.path ?? '',
    device: filesystem.device ?? '',
    format: filesystem.format ?? '',
    label: filesystem.label ?? '',
    mountOptions: filesystem.mountoptions ?? [],
    createOptions: filesystem.createoptions ?? [],
  })),
  disks: (body.disks ?? []).map((disk) => ({
    device: disk.device ?? '',
    partitions: (disk.partitions ?? []).map(({ number = 0, label = '', size: mib = 0, gpttype = '' }) => ({
      number,
      label,
      size: mib,
      gptType: gpttype,
    })),
    wipeOnReinstall: disk.wipeonreinstall ?? false,
  })),
  raid: (body.raid ?? []).map((raid) => ({
    arrayName: raid.arrayname ?? '',
    devices: raid.devices ?? [],
    level: raid.level ?? '',
    createOptions: raid.createoptions ?? [],
    spares: raid.spares ?? 0,
  })),
  volumeGroups: (body.volumegroups ?? []).map(({ name = '', devices = [], tags = [] }) => ({ name, devices, tags })),
  logicalVolumes: (body.logicalvolumes ?? []).map(({ name = '', volumegroup = '', size: mib = 0, lvmtype = '' }) => ({
    name,
    volumeGroup: volumegroup,
    size: mib,
    lvmType: lvmtype,
  })),
  constraints: { sizes: body.constraints?.sizes ?? [], images: body.constraints?.images ?? {} },
});

/** Also part of a machine's allocation. Empty lists are null, there are no times (machines.md §18.1). */
export const layoutResponse = (layout: FilesystemLayout) => ({
  id: layout.id,
  name: layout.name,
  description: layout.description,
  filesystems: orNull(
    layout.filesystems.map((filesystem) => ({
      path: filesystem.path || undefined,
      device: filesystem.device,
      format: filesystem.format,
      label: filesystem.label || undefined,
      mountoptions: orNull(filesystem.mountOptions),
      createoptions: orNull(filesystem.createOptions),
    })),
  ),
  disks: orNull(
    layout.disks.map((disk) => ({
      device: disk.device,
      partitions: orNull(
        disk.partitions.map(({ number, label, size: mib, gptType }) => ({
          number,
          label: label || undefined,
          size: mib,
          gpttype: gptType || undefined,
        })),
      ),
      wipeonreinstall: disk.wipeOnReinstall,
    })),
  ),
  raid: orNull(
    layout.raid.map((raid) => ({
      arrayname: raid.arrayName,
      devices: raid.devices,
      level: raid.level,
      createoptions: orNull(raid.createOptions),
      spares: raid.spares,
    })),
  ),
  volumegroups: orNull(layout.volumeGroups.map(({ name, devices, tags }) => ({ name, devices, tags: orNull(tags) }))),
  logicalvolumes: orNull(
    layout.logicalVolumes.map(({ name, volumeGroup, size: mib, lvmType }) => ({
      name,
      volumegroup: volumeGroup,
      size: mib,
      lvmtype: lvmType,
    })),
  ),
  constraints: { sizes: orNull(layout.constraints.sizes), images: layout.constraints.images },
});
