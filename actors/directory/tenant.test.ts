import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { isRefusal } from '../refusal.ts';
import {
  createTenant,
  findTenants,
  refuseTenantDelete,
  unlimited,
  updateTenant,
  type AskedTenant,
  type Tenant,
} from './tenant.ts';

const kindOf = (result: unknown): string => (isRefusal(result) ? result.kind : 'ok');
const asked = (id: string, more: Partial<AskedTenant> = {}): AskedTenant => ({
  id,
  name: id,
  description: '',
  meta: { annotations: {}, labels: [] },
  defaultQuotas: unlimited(),
  quotas: unlimited(),
  iamConfig: null,
  ...more,
});
const tenant = (id: string, more: Partial<AskedTenant> = {}): Tenant => {
  const created = createTenant(asked(id, more), { exists: false, isProvider: false }, 1);
  assert.ok(!isRefusal(created));
  return created;
};

describe('tenant', () => {
  it('networks.md §11.8: create, again, wrong kind', () => {
    const a = tenant('a');
    assert.deepEqual(a.meta, { version: 0, annotations: {}, labels: [], createdTime: 1, updatedTime: null });
    assert.equal(kindOf(createTenant(asked('a'), { exists: true, isProvider: false }, 1)), 'Conflict');
    for (const meta of [{ kind: 'Project' }, { apiversion: 'v2' }]) {
      const wrong = asked('a', { meta: { annotations: {}, labels: [], ...meta } });
      assert.equal(kindOf(createTenant(wrong, { exists: false, isProvider: false }, 1)), 'Unprocessable');
    }
  });

  it('networks.md §6.3, N39: an update needs exactly the stored version, 412 otherwise', () => {
    const a = tenant('a');
    const at = (version: number | undefined) =>
      updateTenant(a, asked('a', { name: 'new', meta: { version, annotations: { k: 'v' }, labels: ['l'] } }), false, 5);
    assert.equal(kindOf(at(41)), 'Precondition');
    const updated = at(undefined);
    assert.ok(!isRefusal(updated));
    assert.deepEqual(updated.meta, {
      version: 1,
      annotations: { k: 'v' },
      labels: ['l'],
      createdTime: 1,
      updatedTime: 5,
    });
    assert.equal(updated.changed, 5);
    assert.equal(kindOf(updateTenant(updated, asked('a'), false, 6)), 'Precondition');
  });

  it('networks.md §6.2, N51: update without meta, of an unknown tenant', () => {
    assert.equal(kindOf(updateTenant(tenant('a'), asked('a', { meta: undefined }), false, 5)), 'Invalid');
    assert.equal(kindOf(updateTenant(undefined, asked('a'), false, 5)), 'NotFound');
  });

  it('N42: the provider tenant needs an issuer with its iam_config', () => {
    const iamConfig = { issuerConfig: null, idmConfig: { idmType: 'AD' } };
    assert.equal(kindOf(createTenant(asked('p', { iamConfig }), { exists: false, isProvider: true }, 1)), 'Invalid');
    assert.equal(kindOf(createTenant(asked('p', { iamConfig }), { exists: false, isProvider: false }, 1)), 'ok');
  });

  it('N43: an update keeps connector and group settings, the provider tenant is not deleted', () => {
    const stored: Tenant = {
      ...tenant('a'),
      iamConfig: {
        issuerConfig: { url: 'u', clientId: 'c' },
        idmConfig: { idmType: 'AD', connectorConfig: { user: 'x' } },
        groupConfig: { prefix: 'y' },
      },
    };
    const updated = updateTenant(
      stored,
      asked('a', { iamConfig: { issuerConfig: { url: 'u2', clientId: 'c' }, idmConfig: { idmType: 'UX' } } }),
      false,
      5,
    );
    assert.deepEqual(isRefusal(updated) ? updated : updated.iamConfig, {
      issuerConfig: { url: 'u2', clientId: 'c' },
      idmConfig: { idmType: 'UX', connectorConfig: { user: 'x' } },
      groupConfig: { prefix: 'y' },
    });
    assert.equal(kindOf(refuseTenantDelete({ projects: 0, isProvider: true })), 'Unprocessable');
    assert.equal(kindOf(refuseTenantDelete({ projects: 1, isProvider: false })), 'Unprocessable');
    assert.equal(refuseTenantDelete({ projects: 0, isProvider: false }), undefined);
  });

  it('networks.md §11.8, N40, N41: find by annotations, paging', () => {
    const tenants = ['c', 'a', 'b'].map((id) => tenant(id, { meta: { annotations: { id }, labels: [] } }));
    const found = (query: Parameters<typeof findTenants>[1]) => findTenants(tenants, query).map((entry) => entry.id);
    assert.deepEqual(found({}), ['a', 'b', 'c']);
    assert.deepEqual(found({ annotations: { "x' IS NULL OR 'a": 'a' } }), []);
    assert.deepEqual(found({ annotations: { id: 'b' } }), ['b']);
    assert.deepEqual(found({ paging: { count: 2 } }), ['a', 'b']);
    assert.deepEqual(found({ paging: { page: 1, count: 2 } }), ['c']);
  });
});
