import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { isRefusal } from '../refusal.ts';
import {
  createProject,
  findProjects,
  refuseProjectDelete,
  updateProject,
  type AskedProject,
  type Project,
} from './project.ts';
import { unlimited, type Tenant } from './tenant.ts';

const kindOf = (result: unknown): string => (isRefusal(result) ? result.kind : 'ok');
const tenant: Tenant = {
  id: 'acme',
  name: '',
  description: '',
  created: 0,
  changed: 0,
  meta: { version: 0, annotations: {}, labels: [], createdTime: 0, updatedTime: null },
  defaultQuotas: { ...unlimited(), machine: 1 },
  quotas: { ...unlimited(), project: 1 },
  iamConfig: null,
};
const asked = (more: Partial<AskedProject> = {}): AskedProject => ({
  id: 'p',
  name: 'n',
  description: '',
  tenant: 'acme',
  meta: { annotations: {}, labels: [] },
  quotas: unlimited(),
  ...more,
});
const create = (more: Partial<AskedProject> = {}, known: Partial<Parameters<typeof createProject>[1]> = {}) =>
  createProject(asked(more), { tenant, tenantProjects: 0, exists: false, ...known }, 1);

describe('project', () => {
  it('networks.md §6.2: create', () => {
    assert.equal(kindOf(create()), 'ok');
    const noTenant = create({ tenant: '' });
    assert.equal(isRefusal(noTenant) && noTenant.message, 'no tenant given');
    assert.equal(kindOf(create({}, { tenant: undefined })), 'NotFound');
    assert.equal(kindOf(create({}, { exists: true, tenantProjects: 1 })), 'Conflict');
    assert.equal(kindOf(create({ quotas: { ...unlimited(), ip: -1 } })), 'Invalid');
  });

  it('networks.md §11.8: tenant quota of projects; the text says the number (N53)', () => {
    const second = create({}, { tenantProjects: 1 });
    assert.equal(kindOf(second), 'Unprocessable');
    assert.match(isRefusal(second) ? second.message : '', /1 projects/);
  });

  it('networks.md §11.8, N48: an empty quota object is as good as none: the tenant default', () => {
    const quotas = (project: unknown) => (project as Project).quotas;
    assert.deepEqual(quotas(create()), { ...unlimited(), machine: 1 });
    assert.deepEqual(quotas(create({ quotas: { ...unlimited(), ip: 0 } })), { ...unlimited(), ip: 0 });
  });

  it('networks.md §6.2, §6.3: update', () => {
    const stored = create() as Project;
    const updated = updateProject(stored, asked({ name: 'm', description: 'd' }), 5);
    assert.ok(!isRefusal(updated));
    assert.deepEqual(
      [updated.name, updated.description, updated.meta.version, updated.meta.updatedTime],
      ['m', 'd', 1, 5],
    );
    assert.equal(kindOf(updateProject(stored, asked({ meta: undefined }), 5)), 'Invalid');
    assert.equal(kindOf(updateProject(undefined, asked(), 5)), 'NotFound');
    assert.equal(kindOf(updateProject(stored, asked({ tenant: 'other' }), 5)), 'Unprocessable');
    assert.equal(kindOf(updateProject(stored, asked({ tenant: '' }), 5)), 'Unprocessable');
    const ahead = asked({ meta: { version: 41, annotations: {}, labels: [] } });
    assert.equal(kindOf(updateProject(stored, ahead, 5)), 'Precondition');
  });

  it('networks.md §11.8: delete is refused in the order machine, network, ip, reservation', () => {
    const uses = { machines: 1, networks: 1, ips: 1, sizeReservations: 1 };
    for (const [use, word] of [
      ['machines', 'machines'],
      ['networks', 'networks'],
      ['ips', 'ips'],
      ['sizeReservations', 'size reservations'],
    ] as const) {
      const refusal = refuseProjectDelete(uses);
      assert.equal(kindOf(refusal), 'Invalid');
      assert.match(refusal!.message, new RegExp(`there are still ${word} `));
      uses[use] = 0;
    }
    assert.equal(refuseProjectDelete(uses), undefined);
  });

  it('networks.md §7.3: find', () => {
    const stored = create() as Project;
    assert.equal(findProjects([stored], { tenant: 'acme', name: 'n' }).length, 1);
    assert.equal(findProjects([stored], { description: 'x' }).length, 0);
  });
});
