import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { isRefusal } from '../refusal.ts';
import {
  createImage,
  newestImage,
  orphanImages,
  parseImageId,
  queryImages,
  refuseImageDelete,
  updateImage,
  ZERO_TIME_MS,
  type Image,
  type ImageCreate,
} from './image.ts';

const DAY_MS = 86_400_000;
const asked = (id: string, more: Partial<ImageCreate> = {}): ImageCreate => ({
  id,
  name: '',
  description: '',
  url: 'http://images/x',
  features: ['machine'],
  classification: '',
  ...more,
});
const image = (id: string, expirationDate = 0): Image => {
  const created = createImage(asked(id, { expirationDate }), false, 0);
  assert.ok(!isRefusal(created), id);
  return created;
};
const kindOf = (result: unknown): string => (isRefusal(result) ? result.kind : 'ok');
const ids = (result: unknown): string[] => (result as Image[]).map((entry) => entry.id);

const stored = [
  'ubuntu-20.4.20200401',
  'ubuntu-20.4.20200501',
  'ubuntu-20.4.20200502',
  'ubuntu-20.4.20200603',
  'ubuntu-19.4',
  'alpine-3.9',
  'alpine-3.9.20191012',
  'alpine-3.10',
  'alpine-3.10.20191012',
  'firewall-2.0.20200331',
  'firewall-ubuntu-2.0.20200331',
].map((id) => image(id));

describe('image', () => {
  it('machines.md §17.1: os is everything before the last dash', () => {
    const parsed = parseImageId('firewall-ubuntu-2.0.20200331');
    assert.ok(!isRefusal(parsed));
    assert.equal(parsed.os, 'firewall-ubuntu');
    assert.equal(image('ubuntu-20.04.20210101').version, '20.4.20210101');
    for (const id of ['ubuntu', '', '-1', 'ubuntu-', 'ubuntu-x']) assert.equal(kindOf(parseImageId(id)), 'Invalid', id);
  });

  it('machines.md §23.5: newest match and query', () => {
    const table: [asked: string, newest: string | null, query: number | null][] = [
      ['ubuntu-20.4', 'ubuntu-20.4.20200603', 4],
      ['ubuntu-20.04', 'ubuntu-20.4.20200603', 4],
      ['ubuntu-20.4.20200502', 'ubuntu-20.4.20200502', 1],
      ['ubuntu-20.4.2020', null, 0],
      ['ubuntu-19.4', 'ubuntu-19.4', 1],
      ['alpine-3.10', 'alpine-3.10.20191012', 2],
      ['firewall-2', 'firewall-2.0.20200331', 1],
      ['ubuntu', null, null],
    ];
    for (const [id, newest, query] of table) {
      const found = newestImage(id, stored);
      assert.equal(isRefusal(found) ? found.kind : found.id, newest ?? 'NotFound', id);
      const all = queryImages(id, stored);
      assert.equal(isRefusal(all) ? null : all.length, query, id);
    }
    assert.equal(ids(queryImages('ubuntu-20.4', stored))[0], 'ubuntu-20.4.20200603');
  });

  it('machines.md §17.1: create', () => {
    const created = createImage(asked('a-1', { features: ['machine', 'firewall', 'machine'] }), false, 1000);
    assert.deepEqual(created, {
      id: 'a-1',
      name: '',
      description: '',
      created: 1000,
      changed: 1000,
      url: 'http://images/x',
      features: ['firewall', 'machine'],
      os: 'a',
      version: '1.0.0',
      expirationDate: 1000 + 90 * DAY_MS,
      classification: 'preview',
    });
    const zero = createImage(asked('a-1', { expirationDate: ZERO_TIME_MS }), false, 0);
    assert.equal(isRefusal(zero) ? 0 : zero.expirationDate, 90 * DAY_MS);
    assert.equal(kindOf(createImage(asked(''), false, 0)), 'Invalid');
    assert.equal(kindOf(createImage(asked('a-1', { url: '' }), false, 0)), 'Invalid');
    assert.equal(kindOf(createImage(asked('nover'), false, 0)), 'Invalid');
    assert.equal(kindOf(createImage(asked('a-1', { features: ['router'] }), false, 0)), 'Invalid');
    assert.equal(kindOf(createImage(asked('a-1', { classification: 'old' }), false, 0)), 'Invalid');
    const again = createImage(asked('a-1'), true, 0);
    assert.equal(isRefusal(again) && again.message, 'Conflict entity already exists');
  });

  it('machines.md §17.1: update', () => {
    const before = image('a-1', 77);
    assert.deepEqual(updateImage(before, { features: [], expirationDate: 3, classification: 'supported' }, 9), {
      ...before,
      expirationDate: 3,
      classification: 'supported',
      changed: 9,
    });
    assert.equal(kindOf(updateImage(before, { features: ['x'] }, 9)), 'Invalid');
    assert.equal(kindOf(updateImage(before, { url: '' }, 9)), 'Invalid');
  });

  it('machines.md §17.1: an image in use is not deleted', () => {
    assert.equal(kindOf(refuseImageDelete('a-1', ['m'])), 'Unprocessable');
    assert.equal(refuseImageDelete('a-1', []), undefined);
  });

  it('machines.md §17.3: orphans are expired and unused, never the newest of an os', () => {
    const images = [
      image('a-1.0.1', 10),
      image('a-1.0.2', 10),
      image('a-1.0.3', 99),
      image('a-1.0.4', 10),
      image('b-1', 1),
    ];
    assert.deepEqual(ids(orphanImages(images, new Set(['a-1.0.2']), 50)), ['a-1.0.1']);
  });
});
