import { test } from 'node:test';
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { isRefusal } from '../../actors/refusal.ts';
import { unlimited, type Tenant } from '../../actors/directory/tenant.ts';
import { createTestSite, entryOf, TEST_NOW_MS } from '../testing.ts';
import { createVerifyBearer } from './bearer.ts';
import { groupsOf } from './groups.ts';

test('networks.md §11.10, N45: groups of both directories; a part that is too short is dropped', () => {
  const ldap = (...memberships: string[]) => groupsOf(memberships, 'ldap', 'tnnt');
  const ad = (...memberships: string[]) => groupsOf(memberships, 'ad', 'tn');
  const both = ['maas-all-all-admin', 'maas-all-all-view'];
  assert.deepEqual(ldap('tnnt_maas-all-all-admin', 'TNNT_MAAS-all-all-view'), both);
  assert.deepEqual(ldap('other_maas-all-all-admin', 'tnnt_k8s_kaas-admin', 'maas-all-all-admin'), []);
  assert.deepEqual(ldap('tnnt_maas-ddd#all-all-admin'), ['maas-ddd#all-all-admin']);
  assert.deepEqual(
    ad('TnPg_Srv_Appmaas-all-all-admin_full', 'TnRg_x_Xyzmaas-all-all-view_mod', 'TnPg_Srv_Appmaas-all-admin_full'),
    both,
  );
  assert.deepEqual(ad('TnPg_Srv_Ap_full'), []);
});

const provider = (iamConfig: Tenant['iamConfig']): Tenant => ({
  id: 'tnnt',
  name: '',
  description: '',
  created: 0,
  changed: 0,
  meta: { version: 0, annotations: {}, labels: [], createdTime: 0, updatedTime: null },
  defaultQuotas: unlimited(),
  quotas: unlimited(),
  iamConfig,
});

test('networks.md §6.8, N46: a token of the provider tenant’s issuer, with issuer and subject, and what is refused', async () => {
  const { publicKey, privateKey } = await generateKeyPair('RS256');
  const other = await generateKeyPair('RS256');
  const jwk = { ...(await exportJWK(publicKey)), kid: 'one', alg: 'RS256' };
  const issuer = { isAway: false };
  const server = createServer((request, response) => {
    if (issuer.isAway) return void response.writeHead(502).end();
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const found = request.url?.includes('well-known') ? { issuer: url, jwks_uri: `${url}/keys` } : { keys: [jwk] };
    response.setHeader('content-type', 'application/json').end(JSON.stringify(found));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    const site = createTestSite();
    site.config.providerTenant = 'tnnt';
    const verify = createVerifyBearer(site);
    const nowS = TEST_NOW_MS / 1000;
    const token = (key = privateKey, audience: string | string[] = 'metal', expS = nowS + 60) =>
      new SignJWT({ preferred_username: 'eve', email: 'eve@x', roles: [], groups: ['tnnt_maas-all-all-edit'] })
        .setProtectedHeader({ alg: 'RS256', kid: 'one' })
        .setIssuer(url)
        .setSubject('s')
        .setAudience(audience)
        .setExpirationTime(expS)
        .sign(key);
    const refused = async (text: string, message: RegExp) => {
      const result = await verify(text);
      assert.ok(isRefusal(result));
      assert.equal(result.kind, 'Forbidden');
      assert.match(result.message, message);
    };

    await refused(await token(), /no issuer of tokens is configured/);
    const issuerConfig = { url, clientId: 'metal' };
    site.entries = [entryOf('tenant', provider({ issuerConfig, idmConfig: null, groupConfig: null }))];
    await refused(await token(), /invalid directoryType /);
    const idmConfig = { idmType: 'LDAP', connectorConfig: null };
    site.entries = [entryOf('tenant', provider({ issuerConfig, idmConfig, groupConfig: null }))];
    issuer.isAway = true;
    const unknown = await createVerifyBearer(site)(await token());
    assert.ok(isRefusal(unknown));
    assert.equal(unknown.kind, 'Unavailable', 'nobody looked at the token');
    assert.match(unknown.message, /^the keys of the issuer of tokens, http.* can't be read: .*status 502$/);
    issuer.isAway = false;
    assert.deepEqual(await verify(await token(privateKey, ['x', 'metal'])), {
      name: 'eve',
      email: 'eve@x',
      groups: ['maas-all-all-edit'],
      tenant: 'tnnt',
      issuer: url,
      subject: 's',
    });
    await refused(await token(privateKey, 'other'), /^issuer\/clientid not found$/);
    await refused(await token(other.privateKey), /not valid/);
    await refused(await token(privateKey, 'metal', nowS - 60), /not valid/);
    await refused('nonsense', /not valid/);
  } finally {
    server.close();
    server.closeAllConnections();
  }
});
