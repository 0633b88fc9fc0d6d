import { test } from 'node:test';
import assert from 'node:assert/strict';
import { isRefusal } from '../../actors/refusal.ts';
import { createVerifyHmac, signRequest } from './hmac.ts';

const KEY = 'must-be-changed';
const SALT = 'abcdefghijklmnopqrstuvwx';
const NOW = Date.parse('2024-05-06T07:08:09Z');
const config = (lifetimeMs: number) => {
  const user = { key: KEY, lifetimeMs };
  return { hmac: { 'Metal-View': user, 'Metal-Edit': user, 'Metal-Admin': user }, providerTenant: 'metal-stack' };
};
const verify = createVerifyHmac(config(30_000));
const ADMIN = (mac: string) => `Metal-Admin ${mac}`;
const GET = 'fc5991e8bbb0e9539f50fbd79017f45d84be6ad43b719ea2efdf9a1a093dde5a';

const vectors = [
  ['2024-05-06T07:08:09Z', 'GET', SALT, GET],
  ['2024-05-06T09:08:09+02:00', 'GET', SALT, GET],
  ['2024-05-06T07:08:09.75Z', 'GET', SALT, GET],
  ['2024-05-06T07:08:09Z', 'POST', SALT, '9ae42be0a2799f128477b672430c424f70f1fdf56d16bf3a0c22611cc1b020cd'],
  ['2024-05-06T07:08:09Z', 'GET', '', 'fdaa262cce9ef510d3968309bfe62b760833843bd3f301710cd16e1985c9021b'],
] as const;

test('networks.md §11.9: verified vectors', () => {
  for (const [date, method, salt, mac] of vectors) {
    const caller = verify({ authorization: ADMIN(mac), date, salt, method }, NOW);
    assert.ok(caller !== undefined && !isRefusal(caller), date);
    assert.equal(caller.email, 'metal-admin@metal-stack.io');
    assert.equal(caller.tenant, 'metal-stack');
  }
});

test('networks.md §11.9: other schemes, another case, two blanks are not ours', () => {
  const date = '2024-05-06T07:08:09Z';
  for (const authorization of [`metal-admin ${GET}`, 'Basic x', `Metal-Admin  ${GET}`, 'Metal-Admin', '']) {
    assert.equal(verify({ authorization, date, salt: SALT, method: 'GET' }, NOW), undefined, authorization);
  }
});

test('a user that looks like ours and is none hears which there are', () => {
  const answer = verify(
    { authorization: `Metal-Foo ${GET}`, date: '2024-05-06T07:08:09Z', salt: SALT, method: 'GET' },
    NOW,
  );
  assert.ok(isRefusal(answer));
  assert.equal(answer.message, 'there is no HMAC user "Metal-Foo": use one of Metal-View, Metal-Edit, Metal-Admin');
});

test('networks.md §6.7: wrong MAC, in capitals, of another method, unknown date', () => {
  const date = '2024-05-06T07:08:09Z';
  const refused = [
    [{ authorization: ADMIN(GET.toUpperCase()), date, salt: SALT, method: 'GET' }, /^Wrong HMAC found$/],
    [{ authorization: ADMIN('ff'), date, salt: SALT, method: 'GET' }, /^Wrong HMAC found$/],
    [{ authorization: ADMIN(GET), date, salt: SALT, method: 'DELETE' }, /^Wrong HMAC found$/],
    [{ authorization: ADMIN(GET), date: 'yesterday', salt: SALT, method: 'GET' }, /^unknown timestamp "yesterday"/],
    [{ authorization: ADMIN(GET), date: '', salt: SALT, method: 'GET' }, /^unknown timestamp ""/],
  ] as const;
  for (const [headers, message] of refused) {
    const result = verify(headers, NOW);
    assert.ok(isRefusal(result));
    assert.equal(result.kind, 'Forbidden');
    assert.match(result.message, message);
  }
});

test('networks.md N44: neither older nor further ahead than one lifetime; 0 switches the check off', () => {
  const headers = { authorization: ADMIN(GET), date: '2024-05-06T07:08:09Z', salt: SALT, method: 'GET' };
  assert.ok(!isRefusal(verify(headers, NOW + 20_000)));
  assert.ok(isRefusal(verify(headers, NOW + 31_000)));
  assert.ok(!isRefusal(verify(headers, NOW - 29_000)));
  assert.ok(isRefusal(verify(headers, NOW - 365 * 86_400_000)));
  const unlimited = createVerifyHmac(config(0));
  assert.ok(!isRefusal(unlimited(headers, NOW + 365 * 86_400_000)));
});

test('an empty key lets nobody in', () => {
  const none = { key: '', lifetimeMs: 30_000 };
  const off = createVerifyHmac({
    hmac: { 'Metal-View': none, 'Metal-Edit': none, 'Metal-Admin': none },
    providerTenant: 'x',
  });
  const sent = signRequest('Metal-Edit', 'k', 'GET', NOW, SALT);
  const result = off({ authorization: sent.Authorization, date: sent['X-Date'], salt: SALT, method: 'GET' }, NOW);
  assert.ok(isRefusal(result));
});
