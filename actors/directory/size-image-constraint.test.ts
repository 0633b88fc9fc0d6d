import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { isRefusal } from '../refusal.ts';
import {
  checkImageOnSize,
  createSizeImageConstraint,
  updateSizeImageConstraint,
  type SizeImageConstraint,
} from './size-image-constraint.ts';

const kindOf = (result: unknown): string => (isRefusal(result) ? result.kind : 'ok');
const asked = (id: string, images: Record<string, string>) => ({ id, name: '', description: '', images });
const constraint: SizeImageConstraint = { ...asked('c1', { ubuntu: '>= 20.04' }), created: 1, changed: 1 };
const image = (os: string, version: string) => ({ id: `${os}-${version}`, os, version });

describe('size image constraint', () => {
  it('machines.md §16: create and update', () => {
    assert.equal(kindOf(createSizeImageConstraint(asked('c1', { ubuntu: '*', debian: '~ 12' }), false, 1)), 'ok');
    assert.equal(kindOf(createSizeImageConstraint(asked('', {}), false, 1)), 'Invalid');
    assert.equal(kindOf(createSizeImageConstraint(asked('c1', { '*': '1' }), false, 1)), 'Invalid');
    assert.equal(kindOf(createSizeImageConstraint(asked('c1', { ubuntu: '>= 1, < 2' }), false, 1)), 'Invalid');
    assert.equal(kindOf(createSizeImageConstraint(asked('c1', {}), true, 1)), 'Conflict');
    assert.deepEqual(updateSizeImageConstraint(constraint, { name: 'n' }, 5), {
      ...constraint,
      name: 'n',
      images: {},
      changed: 5,
    });
  });

  it('machines.md §16: check', () => {
    assert.equal(checkImageOnSize(undefined, image('ubuntu', '1.0.0')), undefined);
    assert.equal(checkImageOnSize(constraint, image('debian', '1.0.0')), undefined);
    assert.equal(checkImageOnSize(constraint, image('ubuntu', '20.4.20200101')), undefined);
    assert.equal(kindOf(checkImageOnSize(constraint, image('ubuntu', '22.4.0'))), 'Unprocessable');
    assert.equal(kindOf(checkImageOnSize(constraint, image('ubuntu', '19.4.20200101'))), 'Unprocessable');
    assert.equal(checkImageOnSize(constraint, image('toString', '1.0.0')), undefined);
  });
});
