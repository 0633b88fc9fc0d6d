import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readConfig } from './config.ts';

const read = (...urls: string[]) => {
  const pems = ['ca', 'cert', 'key'].flatMap((name) => [`--${name}`, `${name}.pem`]);
  const keys = ['--view-key', 'v', '--edit-key', 'e'];
  return readConfig(['--partition', 'p', ...pems, ...keys, '--url', urls.join(',')], {}, () => 'PEM');
};

test('the addresses of a site are http or https; any other is named with its option', () => {
  assert.deepEqual(read('http://a:8080/', 'https://b/metal/').urls, ['http://a:8080', 'https://b/metal']);
  assert.throws(() => read('http://a:8080', 'nonsense'), /^Error: --url: "nonsense" is no REST address, expected/);
  assert.throws(() => read('localhost:8080'), /--url: "localhost:8080"/);
});
