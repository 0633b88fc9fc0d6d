import { test } from 'node:test';
import assert from 'node:assert/strict';
import { OPERATIONS } from '../router/operations.ts';
import { createApp, createEdge } from './app.ts';
import { openApiOf } from './openapi.ts';
import { createTestSite } from './testing.ts';
import { V1_RESOURCES } from './v1/routes.ts';

type Operation = { operationId: string; parameters: Array<{ name: string; in: string }>; requestBody?: unknown };
type Document = { openapi: string; paths: Record<string, Record<string, Operation>> };

const edge = createEdge(createTestSite());
for (const add of V1_RESOURCES) add(edge);
const document = openApiOf(edge) as Document;
const template = (path: string): string => path.replace(/:([A-Za-z]+)/g, '{$1}');

test('design.md §9: every route that is registered is described, once, with an id of its own', () => {
  const ids = new Set<string>();
  for (const { method, path, effect, body } of edge.routes) {
    const operation = document.paths[template(path)]?.[method];
    assert.ok(operation, `${method} ${path}`);
    assert.ok(!ids.has(operation.operationId), operation.operationId);
    ids.add(operation.operationId);
    assert.equal(operation.requestBody !== undefined, body !== undefined);
    const names = operation.parameters.map(({ name }) => name);
    assert.equal(names.includes('Idempotency-Key'), effect === 'write', `${method} ${path}`);
    const hasDryRun = effect === 'write' || effect === 'dry';
    assert.equal(names.includes('X-Hanse-Dry-Run'), hasDryRun);
    assert.equal(names.includes('dryRun'), hasDryRun && path.startsWith('/v2/'));
    for (const [parameter] of path.matchAll(/(?<=:)[A-Za-z]+/g)) assert.ok(names.includes(parameter));
  }
  assert.equal(Object.values(document.paths).flatMap((item) => Object.keys(item)).length, edge.routes.length);
});

test('every operation of v1 that changes something has a key and a dry run, save what is switched off', () => {
  const switchedOff = new Set(['getVPNAuthKey', 'uploadFirmware', 'removeFirmware']);
  const without = edge.routes.filter(({ effect }) => effect === 'other').map(({ operation }) => operation);
  assert.deepEqual(new Set(without), switchedOff);
  const writes = edge.routes.filter(({ effect, path }) => effect === 'write' && path.startsWith('/v1/'));
  const located = OPERATIONS.filter(({ access, id }) => access === 'w' && !switchedOff.has(id)).map(({ id }) => id);
  assert.deepEqual(writes.map(({ operation }) => operation).sort(), [...located].sort());
});

test('what operators ask of a network is described: what it is for, and every field of the answer', async () => {
  const served = (await (await createApp(createTestSite()).request('/v2/openapi.json')).json()) as Document;
  for (const [path, field] of [
    ['/v2/network/{id}/usage', 'fullInDays'],
    ['/v2/network/{id}/blocks', 'blocks'],
  ] as const) {
    const { description, responses } = served.paths[path]!['get'] as unknown as {
      description: string;
      responses: { '2XX': { content: Record<string, { schema: { properties: Record<string, object> } }> } };
    };
    assert.match(description, /network.*Needs the role view/);
    const { properties } = responses['2XX'].content['application/json']!.schema;
    assert.ok(field in properties, JSON.stringify(properties));
    assert.ok('unreachable' in properties);
  }
});

interface Schema {
  type: unknown;
  enum: unknown;
  minimum: unknown;
  maximum: unknown;
  properties: Record<string, Schema>;
  additionalProperties: unknown;
}

test('fields whose values are refused by rules say which they are: lengths, families, a VRF; so do networks in answers', () => {
  const operation = (path: string, method: string) =>
    document.paths[path]![method] as unknown as Record<string, unknown>;
  const jsonOf = (of: unknown): Schema =>
    (of as { content: { 'application/json': { schema: Schema } } }).content['application/json'].schema;
  const bodyOf = (path: string, method = 'post'): Schema => jsonOf(operation(path, method)['requestBody']);
  const bits = (maximum: number) => ({ type: 'integer', minimum: 0, maximum });
  for (const version of ['v1', 'v2']) {
    for (const [path, method, name] of [
      ['network/allocate', 'post', 'length'],
      ['network', 'put', 'defaultchildprefixlength'],
      ['network', 'post', 'defaultchildprefixlength'],
    ] as const) {
      const { properties, additionalProperties } = bodyOf(`/${version}/${path}`, method).properties[name]!;
      assert.deepEqual([properties, additionalProperties], [{ IPv4: bits(32), IPv6: bits(128) }, bits(128)], path);
    }
    for (const path of ['network/allocate', 'network/find', 'ip/allocate', 'ip/allocate/{ip}', 'ip/find']) {
      const { type, enum: families } = bodyOf(`/${version}/${path}`).properties['addressfamily']!;
      assert.deepEqual([type, families], ['string', ['IPv4', 'IPv6']], path);
    }
    const { type, minimum, maximum } = bodyOf(`/${version}/network`, 'put').properties['vrf']!;
    assert.deepEqual({ type, minimum, maximum }, bits(131_072));
    for (const [path, method] of [
      ['network/allocate', 'post'],
      ['network', 'put'],
      ['network', 'post'],
      ['network/{id}', 'get'],
      ['network/{id}', 'delete'],
      ['network/free/{id}', 'delete'],
      ['network/free/{id}', 'post'],
    ] as const) {
      const responses = operation(`/${version}/${path}`, method)['responses'] as Record<string, unknown>;
      const { properties } = jsonOf(responses['2XX']);
      assert.deepEqual(properties['prefixes'], { type: 'array', items: { type: 'string' } }, path);
      assert.deepEqual(properties['vrf']?.type, 'integer', path);
    }
  }
});

test('networks.md §1.3: how many prefixes a network may have is said', () => {
  for (const [path, method] of [
    ['/v1/network', 'put'],
    ['/v2/network', 'put'],
    ['/v2/network', 'post'],
  ] as const) {
    const { content } = document.paths[path]![method]!.requestBody as {
      content: Record<string, { schema: { properties: Record<string, { maxItems?: number }> } }>;
    };
    const { properties } = content['application/json']!.schema;
    const most = ['prefixes', 'destinationprefixes', 'additionalAnnouncableCIDRs'].map(
      (field) => properties[field]?.maxItems,
    );
    assert.deepEqual(most, [500, 500, 500], `${method} ${path}`);
  }
});

test('the document is served without credentials, as JSON', async () => {
  const response = await createApp(createTestSite()).request('/v2/openapi.json');
  assert.equal(response.status, 200);
  const served = (await response.json()) as Document;
  assert.equal(served.openapi, '3.1.0');
  assert.ok(served.paths['/v1/version']?.['get'] ?? served.paths['/v1/ip']?.['get']);
  assert.ok(served.paths['/v2/openapi.json']?.['get']);
  assert.ok(!JSON.stringify(served).includes('"$schema"'));
});
