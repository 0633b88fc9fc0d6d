import test from 'node:test';
import assert from 'node:assert/strict';
import { refusePath } from './path.ts';
import { originForm, refuseFraming } from './raw-request.ts';

const FINE = [
  '/',
  '/v1/machine',
  '/v1/machine/',
  '/v1/machine/a?x=../..//;%2f',
  '/v1/ip/2001:db8::1',
  '/v1/ip/free/2001%3Adb8%3A%3A1',
  '/v1/image/ubuntu-20.04.20200401',
  '/v1/image/a..b',
  '/v1/firmware/bios/v/b/1%2F2',
  '/v2/inspect/partition:a%2Fmachine%2Fx',
  '/metal/v1/size/%C3%A4',
  '/v2/inspect?scope=%2500',
];
for (const path of FINE) {
  test(`reliability.md §9, path: ${path} is read`, () => assert.equal(refusePath(path), undefined));
}

const REFUSED = [
  'v1/machine',
  '*',
  '//v1/machine',
  '/v1//machine',
  '/v1/machine//',
  '/v1/../v1/machine',
  '/v1/machine/..',
  '/v1/machine/%2e%2e/size',
  '/v1/machine/.%2E',
  '/v1/machine/./x',
  '/v1/machine/a%2fpower',
  '/metal/v1/machine/a%2Fpower',
  '/v1/machine/a;b',
  '/v1/machine/a%00',
  '/v1/machine/a%0d%0aX',
  '/v1/machine/a\\b',
  '/v1/machine/a%5cb',
  '/v1/machine/a b',
  '/v1/machine/a%2',
  '/v1/machine/a%zz',
  '/v1/machine/%ff',
  '/v1/machine/a#b',
  '/v1/machine?a#b',
  '/v2/inspect?kind=a&scope=%00',
  '/v2/inspect?%00=b',
];
for (const path of REFUSED) {
  test(`reliability.md §9, path: ${path} is refused`, () => assert.ok(refusePath(path)));
}

test('reliability.md §9, router: what two parsers could read differently is refused', () => {
  const fine: Array<[string, string[]]> = [
    ['1.1', ['Host', 'a', 'Content-Length', '4']],
    ['1.1', ['host', 'a', 'TRANSFER-ENCODING', 'Chunked']],
    ['1.0', []],
  ];
  for (const [version, headers] of fine) assert.equal(refuseFraming(version, headers), undefined);
  const refused: Array<[string, string[]]> = [
    ['1.1', ['Content-Length', '4', 'Transfer-Encoding', 'chunked']],
    ['1.1', ['Content-Length', '4', 'content-length', '4']],
    ['1.1', ['Transfer-Encoding', 'identity', 'Transfer-Encoding', 'chunked']],
    ['1.1', ['Transfer-Encoding', 'chunked', 'Transfer-Encoding', 'chunked']],
    ['1.1', ['Transfer-Encoding', 'gzip, chunked']],
    ['1.0', ['Transfer-Encoding', 'chunked']],
    ['1.1', ['Host', 'a', 'Host', 'b']],
  ];
  for (const [version, headers] of refused) assert.ok(refuseFraming(version, headers), headers.join());
});

test('RFC 9112 §3.2.2: an absolute target is taken only for the host of the request', () => {
  assert.deepEqual(originForm('/v1?x', 'a'), { path: '/v1?x' });
  assert.deepEqual(originForm('http://A:80/v1?x', 'a:80'), { path: '/v1?x' });
  assert.deepEqual(originForm('http://a', 'a'), { path: '/' });
  assert.deepEqual(originForm('http://a?x', 'a'), { path: '/?x' });
  for (const target of ['http://evil/v1', 'http://a@evil/v1', 'ftp://a/v1', '*', 'a:443', 'v1']) {
    assert.ok('refused' in originForm(target, 'a'), target);
  }
});
