import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { isRefusal } from '../refusal.ts';
import { emptyHardware, type Hardware } from '../machine/hardware.ts';
import {
  createSize,
  matchSize,
  refuseSizeDelete,
  sizesOverlap,
  suggest,
  updateSize,
  validateSizeConstraints,
  type Size,
  type SizeConstraint,
  type SizeConstraintType,
} from './size.ts';

const range = (type: SizeConstraintType, min: number, max: number, identifier = ''): SizeConstraint => ({
  type,
  min,
  max,
  identifier,
});
const size = (id: string, ...constraints: SizeConstraint[]): Size => ({
  id,
  name: '',
  description: '',
  created: 1,
  changed: 1,
  constraints,
  labels: {},
});
const asked = (id: string, ...constraints: SizeConstraint[]) => ({
  id,
  name: '',
  description: '',
  constraints,
  labels: {},
});
const small: Hardware = {
  ...emptyHardware(),
  memory: 1024,
  cpus: [{ vendor: 'v', model: 'm', cores: 1, threads: 2 }],
  disks: [{ name: 'sda', size: 1024 }],
};
const fitting = size('c1', range('cores', 1, 1), range('memory', 1024, 1024), range('storage', 0, 1024));

const kindOf = (result: unknown): string => (isRefusal(result) ? result.kind : 'ok');

describe('size', () => {
  it('machines.md §23.4: matching', () => {
    assert.equal(matchSize(small, [fitting]), 'c1');
    const bySata = size('c1', range('cores', 1, 1), range('memory', 1024, 1024), range('storage', 0, 4096, '/dev/sd*'));
    const sata = { ...small, disks: [{ name: '/dev/sda', size: 1024 }] };
    assert.equal(matchSize(sata, [bySata]), 'c1');
    assert.equal(
      matchSize({ ...sata, disks: [...sata.disks, { name: '/dev/nvme0n1', size: 1 }] }, [bySata]),
      'unknown',
    );
    assert.equal(matchSize({ ...small, gpus: [{ vendor: 'v', model: 'g' }] }, [fitting]), 'unknown');
    assert.equal(matchSize(small, [fitting, { ...fitting, id: 'c2' }]), 'unknown');
    const star = size('c1', range('cores', 1, 1), range('memory', 1024, 1024), range('storage', 0, 4096, '*'));
    assert.equal(matchSize(sata, [star]), 'unknown');
  });

  it('machines.md §15.2: memory must be covered, missing CPUs need not', () => {
    assert.equal(matchSize(small, [size('a', range('cores', 1, 1), range('storage', 0, 1024))]), 'unknown');
    assert.equal(matchSize({ ...emptyHardware(), memory: 5 }, [size('a', range('memory', 5, 5))]), 'a');
    assert.equal(matchSize(emptyHardware(), [size('a')]), 'unknown');
  });

  it('machines.md §15.1: all problems together, unknown types too (W42)', () => {
    const result = validateSizeConstraints([
      range('cores', 2, 1),
      range('cores', 1, 1, '['),
      range('memory', 1, 1, 'x'),
      range('gpu', 1, 1),
      { type: 'colour', min: 0, max: 2 ** 64, identifier: '' },
    ]);
    assert.ok(isRefusal(result));
    assert.equal(result.kind, 'Unprocessable');
    for (const part of [
      'max:1',
      'malformed',
      'memory must not',
      'gpu needs',
      'colour',
      'whole number',
      'at most one cores',
    ]) {
      assert.match(result.message, new RegExp(part));
    }
  });

  it('machines.md §15.1: overlap', () => {
    const a = size('a', range('cores', 1, 4), range('memory', 1, 10));
    assert.ok(sizesOverlap(a, size('b', range('memory', 10, 20), range('cores', 4, 4))));
    assert.ok(!sizesOverlap(a, size('b', range('cores', 5, 8), range('memory', 1, 10))));
    assert.ok(!sizesOverlap(a, size('b', range('cores', 1, 4))));
    assert.ok(!sizesOverlap(a, size('b')));
    const gpus = size('g', range('gpu', 1, 1, 'x'), range('gpu', 1, 1, 'y'));
    assert.ok(!sizesOverlap(gpus, { ...gpus }), 'every pair has to overlap');
  });

  it('machines.md §15.1: create and update', () => {
    assert.equal(kindOf(createSize(asked(''), [], 5)), 'Invalid');
    assert.equal(kindOf(createSize(asked('unknown'), [], 5)), 'Invalid');
    assert.equal(kindOf(createSize(asked('x', range('gpu', 1, 1)), [], 5)), 'Unprocessable');
    assert.equal(kindOf(createSize(asked('x', ...fitting.constraints), [fitting], 5)), 'Invalid');
    assert.equal(kindOf(createSize(asked('c1', range('cores', 1, 1)), [fitting], 5)), 'Conflict');
    const updated = updateSize(fitting, { description: 'd' }, [fitting], 9);
    assert.deepEqual(updated, { ...fitting, description: 'd', changed: 9 });
    const other = size('o', range('cores', 9, 9), range('memory', 9, 9), range('storage', 9, 9));
    assert.equal(kindOf(updateSize(other, { constraints: fitting.constraints }, [fitting, other], 9)), 'Invalid');
  });

  it('machines.md §15.1, W41: a size in use is not deleted', () => {
    assert.equal(kindOf(refuseSizeDelete('a', { machines: 0, reservations: 1 })), 'Unprocessable');
    assert.equal(kindOf(refuseSizeDelete('a', { machines: 1, reservations: 0 })), 'Unprocessable');
    assert.equal(refuseSizeDelete('a', { machines: 0, reservations: 0 }), undefined);
  });

  it('machines.md §15.3: suggestion', () => {
    assert.deepEqual(
      suggest({
        ...emptyHardware(),
        memory: 7,
        cpus: [
          { vendor: 'i', model: 'Xeon A', cores: 4, threads: 8 },
          { vendor: 'i', model: 'Xeon AB', cores: 2, threads: 4 },
        ],
        disks: [
          { name: '/dev/sda', size: 3 },
          { name: '/dev/sdb', size: 4 },
        ],
        gpus: [
          { vendor: 'n', model: 'AD102GL [L40]' },
          { vendor: 'n', model: 'AD102GL [L40]' },
        ],
      }),
      [
        range('cores', 6, 6, 'Xeon A*'),
        range('memory', 7, 7),
        range('storage', 7, 7, '/dev/sd*'),
        range('gpu', 2, 2, 'AD102GL \\[L40]'),
      ],
    );
  });

  it('machines.md §15.3, W43: a suggestion is valid and matches its own machine', () => {
    const name = fc.string({ unit: fc.constantFrom('s', 'd', '/', '[', '*', '?', '\\', 'x') });
    fc.assert(
      fc.property(
        fc.array(name, { minLength: 1, maxLength: 3 }),
        fc.array(name, { maxLength: 3 }),
        fc.array(fc.string({ minLength: 1, unit: fc.constantFrom('g', '[', '*', ']', '/') }), { maxLength: 3 }),
        (cpus, disks, gpus) => {
          const hardware: Hardware = {
            memory: 10,
            nics: [],
            cpus: cpus.map((model) => ({ vendor: '', model, cores: 2, threads: 4 })),
            disks: disks.map((disk) => ({ name: disk, size: 5 })),
            gpus: gpus.map((model) => ({ vendor: '', model })),
          };
          const constraints = suggest(hardware);
          assert.ok(!isRefusal(validateSizeConstraints(constraints)));
          assert.equal(matchSize(hardware, [size('own', ...constraints)]), 'own');
        },
      ),
    );
  });
});
